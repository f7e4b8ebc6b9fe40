"""The stored files: each is copied once for all backups, because a file never changes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import obstore

from yunsong_standalone.backup.errors import BackupError, Damaged
from yunsong_standalone.backup.manifest import FilesDump
from yunsong_standalone.backup.parts import PartWriter, read_object, read_part
from yunsong_standalone.backup.sealing import BackupKey, Opener, Sealer, sealed_size

_AT_ONCE = 8
_LISTED_AT_ONCE = 500


async def copy_files(
    connection: asyncpg.Connection, source: Any, target: Any, folder: str, key: BackupKey | None
) -> FilesDump:
    """Copy what the snapshot's table names and the backups don't have yet; `folder` is this backup's own."""
    shared = shared_folder(key)
    listing = PartWriter(target, f"{folder}/files.jsonl.gz", key)
    count, size, missing = 0, 0, []
    async for rows in _batches(connection):
        found = await _all([_copy(row, source, target, f"{shared}/{row['object_key']}", key) for row in rows])
        for row, there in zip(rows, found, strict=True):
            if not there:
                missing.append(row["object_key"])
                continue
            count, size = count + 1, size + row["size"]
            entry = {"key": row["object_key"], "size": row["size"], "sha256": row["sha256"]}
            await listing.write(json.dumps(entry).encode() + b"\n")
    return FilesDump(count, size, await listing.close(), shared, missing)


async def check_files(store: Any, dump: FilesDump, key: BackupKey | None) -> None:
    """Read every file of a backup and compare. Raises Damaged."""
    async for entries in listed(store, dump, key):
        await _all([_check(store, dump.folder, entry, key) for entry in entries])


async def restore_files(store: Any, dump: FilesDump, target: Any, key: BackupKey | None) -> None:
    """Put every file where the product looks for it; one that differs from its hash is not put. Raises Damaged."""
    async for entries in listed(store, dump, key):
        await _all([_put_back(store, dump.folder, entry, target, key) for entry in entries])


async def listed(store: Any, dump: FilesDump, key: BackupKey | None) -> AsyncIterator[list[dict[str, Any]]]:
    """The files of a backup, in batches."""
    rest, batch = b"", []
    async for data in read_part(store, dump.listing, key):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            batch.append(json.loads(line))
            if len(batch) == _LISTED_AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


def shared_folder(key: BackupKey | None) -> str:
    """Where files of all backups under one key are."""
    return f"files/{key.id if key is not None else 'plain'}"


async def _batches(connection: asyncpg.Connection) -> AsyncIterator[list[asyncpg.Record]]:
    statement = "SELECT object_key, size, sha256 FROM gateway.files ORDER BY id"
    batch: list[asyncpg.Record] = []
    # The snapshot's transaction is open already, which a cursor needs.
    async for row in connection.cursor(statement, prefetch=_LISTED_AT_ONCE):
        batch.append(row)
        if len(batch) == _LISTED_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _copy(row: asyncpg.Record, source: Any, target: Any, path: str, key: BackupKey | None) -> bool:
    """False when the store has no such file: erased since the snapshot, or lost before."""
    wanted = sealed_size(row["size"]) if key is not None else row["size"]
    try:
        if (await obstore.head_async(target, path))["size"] == wanted:
            return True
    except FileNotFoundError:
        pass
    try:
        answer = await obstore.get_async(source, row["object_key"])
    except FileNotFoundError:
        return False
    digest = hashlib.sha256()
    sealer = Sealer(key, path) if key is not None else None
    writer = obstore.open_writer_async(target, path)
    async for chunk in answer.stream():
        digest.update(chunk)
        await writer.write(sealer.feed(bytes(chunk)) if sealer is not None else bytes(chunk))
    if sealer is not None:
        await writer.write(sealer.finish())
    await writer.close()
    if digest.hexdigest() != row["sha256"]:
        await obstore.delete_async(target, path)
        raise BackupError(
            f"the stored file {row['object_key']} is not what was uploaded: its store has damage"
        )
    return True


async def _plain(
    store: Any, folder: str, entry: dict[str, Any], key: BackupKey | None
) -> AsyncIterator[bytes]:
    path = f"{folder}/{entry['key']}"
    opener = Opener(key, path) if key is not None else None
    digest = hashlib.sha256()
    async for data in read_object(store, path):
        piece = opener.feed(data) if opener is not None else data
        digest.update(piece)
        yield piece
    if opener is not None:
        piece = opener.finish()
        digest.update(piece)
        yield piece
    if digest.hexdigest() != entry["sha256"]:
        raise Damaged(f"{path} is not what was written")


async def _check(store: Any, folder: str, entry: dict[str, Any], key: BackupKey | None) -> None:
    async for _ in _plain(store, folder, entry, key):
        pass


async def _put_back(
    store: Any, folder: str, entry: dict[str, Any], target: Any, key: BackupKey | None
) -> None:
    writer = obstore.open_writer_async(target, entry["key"])
    async for piece in _plain(store, folder, entry, key):
        await writer.write(piece)
    await writer.close()  # not reached by a damaged one, and an unfinished one is not there


async def _all(work: list[Any]) -> list[Any]:
    """The results in order, some at a time."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def bounded(item: Any) -> Any:
        async with room:
            return await item

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bounded(item)) for item in work]
    except* BackupError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
