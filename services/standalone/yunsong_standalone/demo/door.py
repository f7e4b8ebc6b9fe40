"""The public door as a client sees it: REST calls, and a socket whose frames are kept until somebody looks for them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Frame = dict[str, Any]

_ANSWER_WITHIN_S = 15.0


class DemoFailed(Exception):
    """Something was not as it must be; the message says what was expected and what came."""


class Door:
    """REST as one caller: an API key, a member of staff, a contact, or nobody."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """The answer. Raises DemoFailed with the problem's code and text."""
        try:
            answer = await self._http.request(method, f"/api/v1{path}", json=body, params=query or None)
        except httpx.HTTPError as error:
            raise DemoFailed(f"{method} {path}: {self.url} does not answer ({error!r})") from error
        if answer.is_error:
            raise DemoFailed(f"{method} {path}: {answer.status_code} {answer.text[:800]}")
        return answer.json() if answer.content else {}

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Screen:
    """One socket: what a person's screen is told, in order."""

    def __init__(self, connection: ClientConnection) -> None:
        self.frames: list[Frame] = []
        self._connection = connection
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, door: Door) -> Screen:
        """Signed in as the door's caller."""
        address = door.url.replace("http", "ws", 1) + "/api/v1/ws"
        connection = await connect(address, additional_headers={"authorization": f"Bearer {door.token}"})
        screen = cls(connection)
        await screen.until(lambda frame: frame["type"] == "welcome", "the welcome frame")
        return screen

    async def ask(self, kind: str, **members: object) -> Frame:
        """Send a frame and return its `ack`. Raises DemoFailed with the `error`."""
        ref = secrets.token_hex(6)
        await self._connection.send(json.dumps({"type": kind, "ref": ref, **members}))
        answer = await self.until(
            lambda frame: frame.get("ref") == ref and frame["type"] in {"ack", "error"},
            f"an answer to {kind}",
        )
        if answer["type"] == "error":
            raise DemoFailed(f"{kind} was refused: {json.dumps(answer['error'], ensure_ascii=False)}")
        return answer

    async def until(self, wanted: Callable[[Frame], bool], what: str) -> Frame:
        """The first frame so far or to come that is `wanted`. Raises DemoFailed after 15 seconds."""
        seen = 0
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S), self._news:
                while True:
                    for frame in self.frames[seen:]:
                        if wanted(frame):
                            return frame
                    seen = len(self.frames)
                    if self._reading.done():
                        raise DemoFailed(f"the socket closed before {what} came")
                    await self._news.wait()
        except TimeoutError:
            last = json.dumps(self.frames[-3:], ensure_ascii=False)
            raise DemoFailed(
                f"{what} did not come within {_ANSWER_WITHIN_S:g} s; last frames: {last}"
            ) from None

    async def event(self, conversation_id: str, name: str, check: Callable[[Any], bool], what: str) -> Any:
        """The content of an event, or of live news, about a conversation."""
        frame = await self.until(
            lambda frame: (
                frame.get("event") == name and frame.get("id") == conversation_id and check(frame["data"])
            ),
            what,
        )
        return frame["data"]

    async def close(self) -> None:
        await self._connection.close()
        await self._reading

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self._connection:
                async with self._news:
                    self.frames.append(json.loads(text))
                    self._news.notify_all()
        async with self._news:
            self._news.notify_all()
