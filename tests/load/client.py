"""Thin clients of the public door for load: a REST caller and sockets that cost as little as possible."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect

Frame = dict[str, Any]
OnFrame = Callable[[Frame, float], None]


class Api:
    """REST as one caller."""

    def __init__(self, url: str, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=30)

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """The answer's JSON. Raises RuntimeError with the problem's text."""
        answer = await self.http.request(method, path, json=body, params=query or None)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    async def sign_in(self, username: str, password: str) -> Api:
        tokens = await self.call("POST", "/api/v1/sessions", {"username": username, "password": password})
        return Api(self.url, tokens["access_token"])

    async def replace_password(self, username: str, first: str, own: str) -> None:
        """What a user does whose first password somebody else has set."""
        session = await self.sign_in(username, first)
        await session.call(
            "POST", "/api/v1/me:change_password", {"current_password": first, "new_password": own}
        )
        await session.close()

    @property
    def token(self) -> str:
        return str(self.http.headers.get("authorization", "")).removeprefix("Bearer ")

    async def close(self) -> None:
        await self.http.aclose()


class Socket:
    """One WebSocket: frames go to `on_frame`, acknowledgements to whoever waits for their ref."""

    def __init__(self, connection: ClientConnection, on_frame: OnFrame) -> None:
        self._connection = connection
        self._on_frame = on_frame
        self._waiting: dict[str, asyncio.Future[Frame]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, token: str, on_frame: OnFrame) -> Socket:
        address = url.replace("http", "ws", 1) + "/api/v1/ws"
        connection = await connect(
            address,
            additional_headers={"authorization": f"Bearer {token}"},
            compression=None,
            ping_interval=None,
            max_queue=None,
        )
        return cls(connection, on_frame)

    async def send(self, kind: str, **members: object) -> None:
        """Sends a frame whose acknowledgement nobody waits for."""
        self._number += 1
        await self._connection.send(
            orjson.dumps({"type": kind, "ref": str(self._number), **members}).decode()
        )

    async def ask(self, kind: str, **members: object) -> Frame:
        """Sends a frame and waits for its `ack`. Raises RuntimeError with the `error`."""
        self._number += 1
        ref = str(self._number)
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = future
        await self._connection.send(orjson.dumps({"type": kind, "ref": ref, **members}).decode())
        frame = await asyncio.wait_for(future, 30)
        if frame["type"] == "error":
            raise RuntimeError(f"{kind}: {frame}")
        return frame

    async def close(self) -> None:
        await self._connection.close()
        await self._reading

    async def _read(self) -> None:
        async for text in self._connection:
            arrived = time.perf_counter()
            frame = orjson.loads(text)
            ref = frame.get("ref")
            if ref is not None and (future := self._waiting.pop(ref, None)) is not None:
                if not future.done():
                    future.set_result(frame)
            else:
                self._on_frame(frame, arrived)


def text_content(text: str) -> Frame:
    """A text message's content as the API takes it."""
    return {"text": {"text": text}}


def visitor_id() -> str:
    """A fresh visitor's own random id."""
    return secrets.token_urlsafe(24)
