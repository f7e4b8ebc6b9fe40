"""Bytes from one connection to another, across networks."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

_CHUNK = 65536


async def join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Until both sides have ended; each side's end is passed on."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pour(one[0], other[1]))
            group.create_task(_pour(other[0], one[1]))
    finally:
        for _, writer in (one, other):
            writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    # A broken side ends the other too.
    writer.transport.abort()


class Forwarder:
    """Accepts on a socket, in whatever network that is, and joins each connection to one that `open_other` makes."""

    def __init__(self, open_other: Open) -> None:
        self._open = open_other
        self._server: asyncio.Server | None = None
        self._joined: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._joined.add(task)
        task.add_done_callback(self._joined.discard)
        try:
            other = await self._open()
        except OSError:
            writer.transport.abort()
            return
        with suppress(asyncio.CancelledError):
            await join((reader, writer), other)


@asynccontextmanager
async def bridge(connection: socket.socket) -> AsyncIterator[str]:
    """A path of a Unix socket that leads to `connection`, for a client that makes its own sockets."""

    async def given() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(sock=connection)

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        forwarder = Forwarder(given)
        await forwarder.start(listener)
        try:
            yield path
        finally:
            await forwarder.close()
            connection.close()
