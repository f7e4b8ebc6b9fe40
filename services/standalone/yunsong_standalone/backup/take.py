"""`yunsong backup`: one consistent copy of everything, while the product runs."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.metadata
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yunsong_common.settings import SettingsError
from yunsong_standalone.backup.database import dump_schema, snapshot
from yunsong_standalone.backup.errors import BackupError
from yunsong_standalone.backup.files import copy_files
from yunsong_standalone.backup.installation import Installation, installation
from yunsong_standalone.backup.manifest import Manifest, folder_of, write_manifest
from yunsong_standalone.backup.parts import Part, PartWriter
from yunsong_standalone.backup.retention import prune
from yunsong_standalone.backup.sealing import BackupKey
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.embedded import ServerFailed
from yunsong_standalone.home import Home


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """What the command line says."""

    to: str
    keep: int  # backups that stay; 0 = all
    plain: bool


def backup_command(options: BackupOptions, home: Home, environment: Mapping[str, str]) -> int:
    """Take a backup and print what it holds; 1 when there is none, with the reason."""
    try:
        with installation(home, environment, alone=False) as copy:
            asyncio.run(_take(options, copy))
    except (BackupError, ServerFailed, SettingsError) as error:
        print(f"No backup was made: {error}", file=sys.stderr)
        return 1
    return 0


async def _take(options: BackupOptions, copy: Installation) -> None:
    key = copy.backup.backup_key()
    if key is None and not options.plain:
        raise BackupError(
            "a backup holds what customers wrote, so it is encrypted: set YUNSONG_BACKUP_KEY (`openssl rand -hex 32` makes one) and "
            "keep it elsewhere too; or say --plain for one that is not, and that lacks the keys"
        )
    store = copy.backup.open(options.to)
    began = time.monotonic()
    manifest = await take_backup(copy, store, None if options.plain else key)
    rows = sum(table.rows for schema in manifest.schemas for table in schema.tables)
    size = sum(part.size for part in manifest.parts())
    print(f"Backup {manifest.id} at {options.to}")
    print(f"  database   {rows} rows, {size / 1e6:.1f} MB as stored")
    print(f"  files      {manifest.files.count}, {manifest.files.size / 1e6:.1f} MB")
    print(
        f"  encrypted  {'yes, with the keys in it' if manifest.sealed_with else 'no, and without the keys'}"
    )
    print(f"  took       {time.monotonic() - began:.1f} s")
    if manifest.files.missing:
        print(
            f"  WARNING    {len(manifest.files.missing)} files are named in the database and not in the store",
            file=sys.stderr,
        )
    if options.keep:
        for backup_id in await prune(store, options.keep, key):
            print(f"  removed    {backup_id}")


async def take_backup(copy: Installation, store: Any, key: BackupKey | None) -> Manifest:
    """Write every part, then the manifest. What fails midway leaves no backup."""
    now = dt.datetime.now(dt.UTC)
    backup_id = now.strftime("%Y-%m-%dT%H-%M-%S.%fZ")
    folder = folder_of(backup_id)
    async with snapshot(copy.database_urls) as instant:
        schemas = [
            await dump_schema(instant.of(service.name), service, store, folder, key) for service in SERVICES
        ]
        # After the snapshot: each file that it names was stored before its row was written.
        files = await copy_files(instant.of("gateway"), copy.files, store, folder, key)
    manifest = Manifest(
        id=backup_id,
        created_at=now.isoformat(),
        product=importlib.metadata.version("yunsong-standalone"),
        postgresql=instant.postgresql,
        schemas=schemas,
        files=files,
        key_fingerprints=copy.fingerprints(),
        keys=await _keys(copy, store, folder, key),
        sealed_with=key.id if key is not None else "",
    )
    await write_manifest(store, manifest, key)
    return manifest


async def _keys(copy: Installation, store: Any, folder: str, key: BackupKey | None) -> Part | None:
    if key is None:
        return None
    writer = PartWriter(store, f"{folder}/keys.json.gz", key)
    await writer.write(json.dumps({name: value for name, value in copy.keys.items() if value}).encode())
    return await writer.close()
