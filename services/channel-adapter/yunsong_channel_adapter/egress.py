"""HTTP to addresses that a business configured: bounded, not redirected, never into the own network.

The name is resolved and checked, and the connection goes to exactly the address that was checked, so a name
that changes its address in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore
import httpx

from yunsong_channel_adapter.domain.addresses import is_public
from yunsong_plugin_api import ChannelError, HttpReply

_NOT_SENT = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.UnsupportedProtocol,
)
# The longest that the creation of an inbox waits for a name to be resolved, in seconds.
_LOOK_S = 3.0


class AddressRefused(ChannelError):
    """The address leads into a network that must not be called."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is not on the public internet; if that is intended, set "
            "YUNSONG_CHANNEL_ADAPTER_ALLOW_PRIVATE_ADDRESSES=true",
            permanent=True,
        )


class Egress:
    """The only way out for channels."""

    def __init__(
        self,
        *,
        timeout_s: float,
        max_answer_bytes: int,
        allow_private: bool = False,
        max_connections: int = 64,
    ) -> None:
        self._timeout_s = timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._backend = _GuardedBackend(allow_private=allow_private)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=max_connections,
            max_keepalive_connections=max_connections // 2,
            keepalive_expiry=30,
            network_backend=self._backend,
        )

    async def start(self) -> None:
        """Binds it to the running loop, which `call` needs."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Closes the connections."""
        await self._pool.aclose()

    def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """`request` for plugin code, which runs in a thread."""
        if self._loop is None:
            raise RuntimeError("Egress.start has not run")
        return asyncio.run_coroutine_threadsafe(self.request(method, url, headers, body), self._loop).result()

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """One request, its answer cut at the bound.

        Raises `ChannelError`, `uncertain` when it may have been taken.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(method, url, headers, body)
        except _NOT_SENT as error:
            raise ChannelError(f"no connection: {str(error) or type(error).__name__}") from error
        except TimeoutError as error:
            raise ChannelError(f"no answer within {self._timeout_s:g} s", uncertain=True) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise ChannelError(
                f"the connection broke: {str(error) or type(error).__name__}", uncertain=True
            ) from error

    async def refusal(self, url: str) -> str:
        """Why an address would not be called, as far as is known now; empty when it would.

        A host without an address passes: it may get one until the first message, and is looked at again then.
        """
        host = httpcore.URL(url)
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._backend.addresses(host.host.decode("ascii").strip("[]"), host.port or 443)
        except AddressRefused as refused:
            return str(refused)
        except (httpcore.ConnectError, TimeoutError):
            return ""
        return ""

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        if body and "content-length" not in headers:
            pairs.append((b"content-length", str(len(body)).encode()))
        extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)}
        host = httpcore.URL(url)
        pairs.insert(0, (b"host", _host_header(host)))
        async with self._pool.stream(
            method, url, headers=pairs, content=body, extensions=extensions
        ) as response:
            content = await self._read(response)
            names = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            return HttpReply(status=response.status, headers=names, body=content)

    async def _read(self, response: httpcore.Response) -> bytes:
        # A receiver that never ends its answer has still given its status; the rest of it is of no interest.
        content = bytearray()
        async for chunk in response.aiter_stream():
            content += chunk
            if len(content) >= self._max_answer_bytes:
                break
        return bytes(content[: self._max_answer_bytes])


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks, and connects to what was checked. TLS still verifies the name."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self.addresses(host, port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        del timeout, socket_options
        raise AddressRefused(path)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses that may be called; `AddressRefused` when there are none among those of the host."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if self._allow_private:
            return addresses
        public = [address for address in addresses if is_public(address)]
        if addresses and not public:
            raise AddressRefused(host)
        return public


def _host_header(url: httpcore.URL) -> bytes:
    port = url.port
    if port is None or (url.scheme, port) in ((b"http", 80), (b"https", 443)):
        return url.host
    return url.host + b":" + str(port).encode()
