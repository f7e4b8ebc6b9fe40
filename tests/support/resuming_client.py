"""A client as a good client is: it resumes by revision, sends again what was not acknowledged.

Fault tests run many of these through kills and outages and then compare: what was acknowledged, what each
screen shows, and what a fresh read gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

Frame = dict[str, Any]
Token = Callable[[], Awaitable[str]]

_ACK_WITHIN_S = 10.0
_RECONNECT_S = 0.25
# Reasons that a later attempt can mend; every other refusal is the test's failure.
_PASSING = frozenset(("unavailable", "resource_exhausted", "deadline_exceeded", "aborted", "internal"))


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A message the server said it has."""

    client_id: str
    message_id: str
    rev: int  # of the sender's audience
    text: str


class ResumingClient:
    """One side of one conversation. `token` gives a valid bearer token, a fresh one at each connection."""

    def __init__(self, url: str, token: Token, *, conversation_id: str = "") -> None:
        self._address = url.replace("http", "ws", 1) + "/api/v1/ws"
        self._token = token
        self._connection: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[Frame]] = {}
        self._held: dict[int, Frame] = {}
        self._running: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self.conversation_id = conversation_id
        self.rev = 0
        self.screen: dict[str, str] = {}  # message id -> text, in the order of revisions
        self.acknowledged: list[Acknowledged] = []
        self.refused: list[Frame] = []
        self.reconnects = -1

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    async def send(self, text: str) -> Acknowledged:
        """Sends until the server has acknowledged it, with one client_id for all attempts."""
        client_id = secrets.token_hex(12)
        while True:
            members: Frame = {"client_id": client_id, "content": {"text": {"text": text}}}
            if self.conversation_id:
                members["conversation_id"] = self.conversation_id
            answer = await self._ask("send", **members)
            if answer is None:
                continue
            if answer["type"] == "ack":
                if not self.conversation_id:
                    self.conversation_id = answer["conversation_id"]
                    await self.ask(
                        "subscribe", topic="conversation", id=self.conversation_id, after_rev=self.rev
                    )
                done = Acknowledged(client_id, answer["message_id"], int(answer["rev"]), text)
                self.acknowledged.append(done)
                return done
            self.refused.append(answer)
            if (
                answer["error"].get("code", "").lower() not in _PASSING
                and answer["error"].get("status", 500) < 500
            ):
                raise AssertionError(f"a message was refused: {answer}")
            await asyncio.sleep(_RECONNECT_S)

    async def ask(self, kind: str, **members: object) -> Frame:
        """Any other frame; again after a lost connection. Raises AssertionError when it is refused."""
        while True:
            answer = await self._ask(kind, **members)
            if answer is None:
                continue
            if answer["type"] == "error":
                raise AssertionError(f"{kind} was refused: {answer}")
            return answer

    async def drop(self) -> None:
        """Loses the connection, as a phone in a tunnel does."""
        if self._connection is not None:
            await self._connection.close()

    async def _ask(self, kind: str, **members: object) -> Frame | None:
        """The answer; None when the connection was lost or nothing came in time."""
        await self._connected.wait()
        connection = self._connection
        ref = secrets.token_hex(6)
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = future
        try:
            assert connection is not None
            await connection.send(orjson.dumps({"type": kind, "ref": ref, **members}).decode())
            async with asyncio.timeout(_ACK_WITHIN_S):
                return await future
        except (ConnectionClosed, TimeoutError, ConnectionError):
            # A closed connection refuses at once; the loop that opens the next one needs its turn.
            await asyncio.sleep(_RECONNECT_S)
            return None
        finally:
            self._waiting.pop(ref, None)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(ConnectionClosed, InvalidHandshake, OSError, TimeoutError, RuntimeError):
                headers = {"authorization": f"Bearer {await self._token()}"}
                async with connect(self._address, additional_headers=headers, compression=None) as connection:
                    await self._serve(connection)
            self._connected.clear()
            self._connection = None
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("the connection was lost"))
            await asyncio.sleep(_RECONNECT_S)

    async def _serve(self, connection: ClientConnection) -> None:
        welcome = orjson.loads(await connection.recv())
        if welcome["type"] != "welcome":
            raise RuntimeError(f"expected a welcome: {welcome}")
        if self.conversation_id:
            await connection.send(self._resume_frame())
        self._connection = connection
        self.reconnects += 1
        self._connected.set()
        async for text in connection:
            self._take(orjson.loads(text))

    def _take(self, frame: Frame) -> None:
        if frame["type"] == "event" and frame["topic"] == "conversation":
            self._held[frame["rev"]] = frame
            self._apply_held()
        elif frame["type"] == "heartbeat":
            self._catch_up(frame["heads"].get(self.conversation_id, 0))
        elif (future := self._waiting.get(frame.get("ref") or "")) is not None and not future.done():
            future.set_result(frame)

    def _catch_up(self, head: int) -> None:
        # What was pushed last may be lost; what is on its way comes twice and is dropped.
        if head > self.rev and self._connection is not None:
            self._catching_up = asyncio.create_task(self._connection.send(self._resume_frame()))

    def _resume_frame(self) -> str:
        resume = {
            "type": "subscribe",
            "ref": "resume",
            "topic": "conversation",
            "id": self.conversation_id,
            "after_rev": self.rev,
        }
        return orjson.dumps(resume).decode()

    def _apply_held(self) -> None:
        while (frame := self._held.pop(self.rev + 1, None)) is not None:
            self.rev += 1
            if frame["event"] == "message_posted":
                data = frame["data"]
                message = data.get("message", data)
                text = message["content"].get("text")
                if text is not None:
                    assert message["id"] not in self.screen, f"the screen shows {message['id']} twice"
                    self.screen[message["id"]] = text["text"]
        for rev in [rev for rev in self._held if rev <= self.rev]:
            del self._held[rev]
