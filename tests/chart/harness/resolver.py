"""The cluster's DNS: A records of Services and pods, out of a table that the harness keeps (RFC 1035)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from typing import cast

# The names below the cluster's domain, in lower case, to addresses; None when there is no such name.
Lookup = Callable[[str], Sequence[str] | None]

DOMAIN = "cluster.local"
_TTL_S = 5
_A, _IN = 1, 1
_NO_ERROR, _NO_NAME, _REFUSED = 0, 3, 5


def answer(query: bytes, lookup: Lookup) -> bytes:
    """The response to one query: one question, A records for it, nothing else."""
    number, flags, questions = struct.unpack("!HHH", query[:6])
    labels, place = [], 12
    while (length := query[place]) != 0:
        labels.append(query[place + 1 : place + 1 + length].decode("ascii", "replace").lower())
        place += length + 1
    kind, category = struct.unpack("!HH", query[place + 1 : place + 5])
    question = query[12 : place + 5]
    name = ".".join(labels)
    addresses: Sequence[str] = []
    if questions != 1 or category != _IN:
        code = _REFUSED
    else:
        found = lookup(name)
        code = _NO_NAME if found is None else _NO_ERROR
        addresses = found or [] if kind == _A else []
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", _A, _IN, _TTL_S, 4) + socket.inet_aton(each) for each in addresses
    )
    # A response, authoritative, with the caller's wish for recursion.
    header = struct.pack(
        "!HHHHHH", number, 0x8400 | (flags & 0x0100) | 0x0080 | code, 1, len(addresses), 0, 0
    )
    return header + question + records


class Resolver(asyncio.DatagramProtocol):
    """Serves on UDP; TCP goes to `serve_stream`."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(answer(data, self._lookup), addr)

    async def serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection: each message after its length."""
        try:
            while True:
                [length] = struct.unpack("!H", await reader.readexactly(2))
                response = answer(await reader.readexactly(length), self._lookup)
                writer.write(struct.pack("!H", len(response)) + response)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
