"""One part of a backup: a stream that is compressed, sealed when there is a key, and stored under its SHA-256."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import obstore

from yunsong_standalone.backup.errors import Damaged
from yunsong_standalone.backup.sealing import BackupKey, Opener, Sealer

_GZIP = 31  # zlib's way of saying: with gzip's header
_LEVEL = 6
_READ = 1024 * 1024
# What one read may grow to at most when it is decompressed; the rest comes with the next step.
_INFLATED = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """Where a part is, and what must be found there."""

    path: str
    size: int
    sha256: str


class PartWriter:
    """`write` what comes, then `close`, which tells what was stored. Holds some megabytes, however long the stream is."""

    def __init__(self, store: Any, path: str, key: BackupKey | None) -> None:
        self._path = path
        self._writer = obstore.open_writer_async(store, path)
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._sealer = Sealer(key, path) if key is not None else None
        self._hash = hashlib.sha256()
        self._size = 0

    async def write(self, data: bytes) -> None:
        await self._store(self._gzip.compress(data))

    async def close(self) -> Part:
        await self._store(self._gzip.flush())
        if self._sealer is not None:
            await self._put(self._sealer.finish())
        await self._writer.close()
        return Part(self._path, self._size, self._hash.hexdigest())

    async def _store(self, data: bytes) -> None:
        if data:
            await self._put(self._sealer.feed(data) if self._sealer is not None else data)

    async def _put(self, data: bytes) -> None:
        if data:
            self._hash.update(data)
            self._size += len(data)
            await self._writer.write(data)


async def check_part(store: Any, part: Part) -> None:
    """Read a part and compare. Raises Damaged."""
    digest, size = hashlib.sha256(), 0
    async for data in read_object(store, part.path):
        digest.update(data)
        size += len(data)
    if (size, digest.hexdigest()) != (part.size, part.sha256):
        raise Damaged(f"{part.path} is not what was written ({size} bytes, {part.size} expected)")


async def read_part(store: Any, part: Part, key: BackupKey | None) -> AsyncIterator[bytes]:
    """What was written, in pieces. Raises Damaged when it is something else, at the latest at the end."""
    digest = hashlib.sha256()
    opener = Opener(key, part.path) if key is not None else None
    gzip = zlib.decompressobj(_GZIP)
    try:
        async for data in read_object(store, part.path):
            digest.update(data)
            for piece in _inflate(gzip, opener.feed(data) if opener is not None else data):
                yield piece
        if opener is not None:
            for piece in _inflate(gzip, opener.finish()):
                yield piece
    except zlib.error:
        raise Damaged(f"{part.path} does not decompress") from None
    if not gzip.eof or digest.hexdigest() != part.sha256:
        raise Damaged(f"{part.path} is not what was written")


def _inflate(gzip: Any, data: bytes) -> list[bytes]:
    pieces = []
    while data:
        if piece := gzip.decompress(data, _INFLATED):
            pieces.append(piece)
        data = gzip.unconsumed_tail
    return pieces


async def read_object(store: Any, path: str) -> AsyncIterator[bytes]:
    """An object's bytes as they come. Raises Damaged when there is none."""
    try:
        answer = await obstore.get_async(store, path)
    except FileNotFoundError:
        raise Damaged(f"{path} is missing") from None
    async for chunk in answer.stream(min_chunk_size=_READ):
        yield bytes(chunk)
