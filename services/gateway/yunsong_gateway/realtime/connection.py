"""One signed-in socket: who it is, what it subscribes to, and its bounds."""

from __future__ import annotations

import time
from typing import Any

from yunsong.auth.v1 import principal_pb2
from yunsong.auth.v1.principal_pb2 import Principal
from yunsong_common.errors import YunsongError
from yunsong_common.grpc import Signer
from yunsong_gateway.limits import Bucket
from yunsong_gateway.problems import body_of
from yunsong_gateway.realtime.socket import Socket, json_frame
from yunsong_gateway.realtime.topics import Topic, TopicKey

_SIGNED_S = 10.0  # of the 60 that a signature lives


class Connection:
    """What the gateway keeps for a socket; small, because there are many."""

    __slots__ = ("_signed", "bucket", "expires_at", "id", "joining", "principal", "slot", "socket", "topics")

    def __init__(
        self, connection_id: str, socket: Socket, principal: Principal, expires_at: float, bucket: Bucket
    ) -> None:
        self.id = connection_id
        self.socket = socket
        self.principal = principal
        self.expires_at = expires_at  # seconds since the epoch; 0 = while the session lives
        self.bucket = bucket
        self.topics: dict[TopicKey, Topic] = {}
        self.joining: set[TopicKey] = set()
        self.slot = 0
        self._signed = (0.0, "")

    @property
    def is_contact(self) -> bool:
        return self.principal.kind == principal_pb2.ACTOR_KIND_CONTACT

    def signed(self, signer: Signer) -> str:
        """The signed principal, kept for some seconds: signing anew costs as much as the rest of a send."""
        now = time.monotonic()
        at, token = self._signed
        if now - at > _SIGNED_S:
            token = signer.sign(self.principal)
            self._signed = (now, token)
        return token

    def push(self, frame: bytes) -> None:
        if frame:
            self.socket.push(frame)

    def ack(self, ref: str, **members: Any) -> None:
        self.push(json_frame({"type": "ack", "ref": ref, **members}))

    def error(self, ref: str | None, error: YunsongError, trace_id: str = "") -> None:
        frame: dict[str, Any] = {"type": "error", "ref": ref, "error": body_of(error, trace_id)}
        if error.retry_after_s is not None:
            frame["error"]["retry_after_s"] = error.retry_after_s
        self.push(json_frame(frame))

    def close(self, code: int, reason: str) -> None:
        self.socket.cut(code, reason)
