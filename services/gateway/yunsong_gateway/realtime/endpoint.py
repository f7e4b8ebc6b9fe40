"""The ASGI side of the socket: handshake, sign-in, and the loop that reads frames."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import orjson

from yunsong.auth.v1 import principal_pb2
from yunsong_common.errors import (
    Internal,
    InvalidArgument,
    ResourceExhausted,
    Unauthenticated,
    YunsongError,
)
from yunsong_common.ids import new_id
from yunsong_gateway.http import Receive, Scope, Send
from yunsong_gateway.limits import Bucket
from yunsong_gateway.problems import body_of
from yunsong_gateway.realtime.commands import Commands, Handler
from yunsong_gateway.realtime.connection import Connection
from yunsong_gateway.realtime.hub import Hub
from yunsong_gateway.realtime.presence import PresenceLease
from yunsong_gateway.realtime.socket import EXTENSION, MAX_FRAME_BYTES, CloseCode, Socket, json_frame
from yunsong_gateway.realtime.wheel import Wheel

log = logging.getLogger(__name__)

PROTOCOL = "yunsong.v1"
_TOKEN_PROTOCOL = "bearer."  # noqa: S105 - the prefix of a token, not one
_HELLO_WITHIN_S = 10.0
_FRAMES_PER_S, _FRAME_BURST = 50.0, 200.0
_FLOOD_AFTER = 500  # more refused frames than taken ones


@dataclass(frozen=True, slots=True)
class Admission:
    """Who a token belongs to, and until when the socket may live on it (0 = while the session does)."""

    principal: principal_pb2.Principal
    expires_at: float


Admit = Callable[[str, Scope], Awaitable[Admission]]


class Endpoint:
    """Serves /api/v1/ws."""

    def __init__(
        self, hub: Hub, wheel: Wheel, lease: PresenceLease, commands: Commands, *, max_sockets: int
    ) -> None:
        self._hub = hub
        self._wheel = wheel
        self._lease = lease
        self._commands = commands
        self._max_sockets = max_sockets

    async def serve(self, scope: Scope, receive: Receive, send: Send, admit: Admit) -> None:
        """Serves one socket until it closes; `admit` says who a token belongs to."""
        await receive()  # websocket.connect
        if len(self._hub.connections) >= self._max_sockets:
            await send({"type": "websocket.close", "code": 1013})
            return
        offered = list(scope.get("subprotocols", ()))
        accept: dict[str, Any] = {"type": "websocket.accept"}
        if PROTOCOL in offered:
            accept["subprotocol"] = PROTOCOL
        await send(accept)
        socket = cast("Socket", scope["extensions"][EXTENSION])
        ref, token = "", _token_of(scope, offered)
        if not token:
            ref, token = await self._hello(socket, receive)
        if not token:
            return
        try:
            admission = await admit(token, scope)
        except YunsongError as error:
            socket.push(json_frame({"type": "error", "ref": ref or None, "error": body_of(error, "")}))
            socket.cut(CloseCode.UNAUTHENTICATED, error.reason)
            return
        connection = Connection(
            new_id(), socket, admission.principal, admission.expires_at, Bucket(_FRAMES_PER_S, _FRAME_BURST)
        )
        # The scope holds the request's headers for as long as the socket lives; they are not needed any more.
        scope["headers"] = []
        await self._serve(connection, receive, ref)

    async def _hello(self, socket: Socket, receive: Receive) -> tuple[str, str]:
        """The first frame of a client that cannot set headers: {"type": "hello", "token": …}."""
        try:
            async with asyncio.timeout(_HELLO_WITHIN_S):
                event = await receive()
        except TimeoutError:
            socket.cut(CloseCode.UNAUTHENTICATED, "no hello in time")
            return "", ""
        if event["type"] != "websocket.receive":
            return "", ""
        try:
            frame = _parse(event)
            token = frame.get("token")
            if frame.get("type") == "hello" and type(token) is str and token:
                return _ref(frame) or "", token
            error: YunsongError = Unauthenticated(
                reason="HELLO_NEEDED", message='The first frame must be {"type": "hello", "token": …}.'
            )
        except InvalidArgument as wrong:
            error = wrong
        socket.push(json_frame({"type": "error", "ref": None, "error": body_of(error, "")}))
        socket.cut(CloseCode.UNAUTHENTICATED, error.reason)
        return "", ""

    async def _serve(self, connection: Connection, receive: Receive, ref: str) -> None:
        self._hub.add(connection)
        self._wheel.add(connection)
        if not connection.is_contact:
            self._lease.changed()
        try:
            connection.push(self._welcome(connection, ref))
            await self._read_frames(connection, receive)
        finally:
            self._wheel.remove(connection)
            self._hub.remove(connection)
            if not connection.is_contact:
                self._lease.changed()

    def _welcome(self, connection: Connection, ref: str) -> bytes:
        principal = connection.principal
        kind = principal_pb2.ActorKind.Name(principal.kind).removeprefix("ACTOR_KIND_").lower()
        return json_frame(
            {
                "type": "welcome",
                "ref": ref or None,
                "connection_id": connection.id,
                "heartbeat_s": self._wheel.period_s,
                "actor": {"kind": kind, "id": principal.actor_id, "name": principal.display_name},
            }
        )

    async def _read_frames(self, connection: Connection, receive: Receive) -> None:
        refused = 0
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            wait = connection.bucket.take()
            if not wait:
                refused = max(refused - 1, 0)
                await self._handle(connection, event)
                continue
            refused += 1
            if refused > _FLOOD_AFTER:
                connection.close(CloseCode.FLOOD, "too many frames")
                return
            connection.error(
                _ref_or_none(event),
                ResourceExhausted(
                    reason="RATE_LIMITED",
                    message=f"More than {_FRAMES_PER_S:.0f} frames a second; wait.",
                    retry_after_s=round(wait, 3),
                ),
            )

    def _handler(self, name: Any, ref: str | None) -> tuple[Handler, str]:
        """Raises InvalidArgument for a frame of no known type or without a ref."""
        handler = self._commands.handlers.get(name) if type(name) is str else None
        if handler is None:
            raise InvalidArgument(
                reason="FRAME_UNKNOWN",
                message=f"There is no frame of this type; types are {', '.join(self._commands.handlers)}.",
            )
        if ref is None:
            raise InvalidArgument(
                reason="REF_NEEDED", message="Every frame carries a ref, text of 1 to 64 characters."
            )
        return handler, ref

    async def _handle(self, connection: Connection, event: Any) -> None:
        ref: str | None = None
        try:
            frame = _parse(event)
            ref = _ref(frame)
            name = frame.get("type")
            if name == "pong":
                return
            handler, ref = self._handler(name, ref)
            await handler(connection, ref, frame)
        except YunsongError as error:
            connection.error(ref, error)
        except Exception:
            log.exception("a frame failed")
            connection.error(
                ref,
                Internal(reason="INTERNAL", message="The frame could not be handled; the fault is logged."),
            )


def _parse(event: Any) -> dict[str, Any]:
    text = event.get("text")
    data = text if text is not None else event.get("bytes") or b""
    if len(data) > MAX_FRAME_BYTES:
        raise InvalidArgument(
            reason="FRAME_TOO_LARGE",
            message=f"A frame holds at most {MAX_FRAME_BYTES} bytes; upload files over REST.",
        )
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(reason="FRAME_NOT_JSON", message="A frame is one JSON object.") from error
    if type(frame) is not dict:
        raise InvalidArgument(reason="FRAME_NOT_JSON", message="A frame is one JSON object.")
    return frame


def _ref(frame: dict[str, Any]) -> str | None:
    ref = frame.get("ref")
    return ref if type(ref) is str and 0 < len(ref) <= 64 else None


def _ref_or_none(event: Any) -> str | None:
    try:
        return _ref(_parse(event))
    except InvalidArgument:
        return None


def _token_of(scope: Scope, offered: list[str]) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if kind.lower() == "bearer" else ""
    for protocol in offered:
        if protocol.startswith(_TOKEN_PROTOCOL):
            return protocol.removeprefix(_TOKEN_PROTOCOL)
    return ""
