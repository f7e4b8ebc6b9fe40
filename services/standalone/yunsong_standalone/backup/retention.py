"""Removes backups that are older than the newest few, and files that no backup that stays names."""

from __future__ import annotations

import datetime as dt
from typing import Any

import obstore

from yunsong_standalone.backup.errors import BackupError
from yunsong_standalone.backup.files import listed
from yunsong_standalone.backup.manifest import folder_of, list_backups, read_manifest
from yunsong_standalone.backup.sealing import BackupKey

_UNFINISHED_FOR = dt.timedelta(days=1)
_AT_ONCE = 500


async def prune(store: Any, keep: int, key: BackupKey | None) -> list[str]:
    """Keep the newest `keep` finished backups; returns the ids of those removed.

    An unfinished one is removed a day after it began. Until then it may be one that another process is writing, whose files no
    manifest names yet: then only backups go, and the files wait for the next time.
    """
    known = await list_backups(store)
    finished = [backup_id for backup_id, is_finished in known.items() if is_finished]
    stale = [
        item for item in known if not known[item] and _began(item) < dt.datetime.now(dt.UTC) - _UNFINISHED_FOR
    ]
    removed = [*finished[:-keep], *stale]
    for backup_id in removed:
        await _remove_below(store, folder_of(backup_id), set())
    if all(known[item] or item in stale for item in known):
        await _prune_files(store, finished[-keep:], key)
    return removed


async def _prune_files(store: Any, kept: list[str], key: BackupKey | None) -> None:
    named: set[str] = set()
    for backup_id in kept:
        try:
            manifest = await read_manifest(store, backup_id, key)
        except BackupError:
            return  # of another key or format: nobody knows what it needs
        sealed = key if manifest.sealed_with else None
        async for entries in listed(store, manifest.files, sealed):
            named.update(f"{manifest.files.folder}/{entry['key']}" for entry in entries)
    await _remove_below(store, "files", named)


async def _remove_below(store: Any, prefix: str, but: set[str]) -> None:
    paths = []
    async for batch in obstore.list(store, prefix, chunk_size=_AT_ONCE):
        paths += [meta["path"] for meta in batch if meta["path"] not in but]
    # The manifest first: a removal that is cut short leaves no backup that looks whole.
    paths.sort(key=lambda path: not path.endswith("manifest.json"))
    for start in range(0, len(paths), _AT_ONCE):
        await obstore.delete_async(store, paths[start : start + _AT_ONCE])


def _began(backup_id: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(backup_id, "%Y-%m-%dT%H-%M-%S.%fZ").replace(tzinfo=dt.UTC)
    except ValueError:
        return dt.datetime.now(dt.UTC)  # not ours: leave it
