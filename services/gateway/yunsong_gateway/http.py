"""The few HTTP types the gateway needs on top of ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from yunsong_common.errors import InvalidArgument, ResourceExhausted

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class BodyTooLarge(ResourceExhausted):
    """A body over its bound: 413 over HTTP."""


class UnsupportedMediaType(InvalidArgument):
    """A body of another kind than the operation takes: 415 over HTTP."""


@dataclass(slots=True)
class Request:
    """One HTTP request; the body is read when asked for."""

    scope: Scope
    receive: Receive
    client_address: str = ""
    _headers: dict[str, str] | None = field(default=None, repr=False)

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])

    @property
    def raw_path(self) -> str:
        """The path as it came, still percent-encoded."""
        raw = self.scope.get("raw_path")
        return raw.decode("latin-1").partition("?")[0] if raw else self.path

    @property
    def query_string(self) -> str:
        return bytes(self.scope.get("query_string", b"")).decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names; of a repeated header the values stand joined by a comma."""
        if self._headers is None:
            joined: dict[str, str] = {}
            for raw_name, raw_value in self.scope["headers"]:
                name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
                joined[name] = f"{joined[name]}, {value}" if name in joined else value
            self._headers = joined
        return self._headers

    async def body(self, limit: int) -> bytes:
        """Reads the whole body. Raises BodyTooLarge above `limit` bytes."""
        declared = self.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
        return b"".join(chunks)

    async def stream(self) -> Any:
        """The body as it arrives. Raises InvalidArgument when the client leaves before its end."""
        while True:
            event = await self.receive()
            if event["type"] != "http.request":
                raise InvalidArgument(reason="CLIENT_LEFT", message="The request ended before its body did.")
            chunk = event.get("body", b"")
            if chunk:
                yield chunk
            if not event.get("more_body"):
                return


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        reason="BODY_TOO_LARGE", message=f"The body is larger than {limit} bytes; send less at once."
    )


@dataclass(slots=True)
class Response:
    """One HTTP answer."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
        return cls(status, orjson.dumps(value), "application/json", list(headers))

    async def send(self, send: Send, extra: Iterable[tuple[str, str]] = (), *, head: bool = False) -> None:
        await self._start(send, extra, len(self.body))
        await send({"type": "http.response.body", "body": b"" if head else self.body})

    async def _start(self, send: Send, extra: Iterable[tuple[str, str]], size: int) -> None:
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (*self.headers, *extra)
        ]
        if size or self.status not in (204, 304):
            headers.append((b"content-type", self.media_type.encode("latin-1")))
        headers.append((b"content-length", str(size).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})


@dataclass(slots=True, kw_only=True)
class StreamedResponse(Response):
    """An answer whose body is passed on as it comes, never held as a whole; a slow client slows its source."""

    chunks: AsyncIterator[bytes]
    size: int

    async def send(self, send: Send, extra: Iterable[tuple[str, str]] = (), *, head: bool = False) -> None:
        await self._start(send, extra, self.size)
        if not head:
            async for chunk in self.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
