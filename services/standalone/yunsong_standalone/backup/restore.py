"""`yunsong restore`: makes a copy out of a backup, after it has proved that the backup is whole."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yunsong_common.bus import declare_streams
from yunsong_common.db import has_revision
from yunsong_common.errors import YunsongError
from yunsong_common.settings import SettingsError
from yunsong_standalone.backup.database import refuse_unless_ready, restore_schema
from yunsong_standalone.backup.errors import BackupError
from yunsong_standalone.backup.files import check_files, restore_files
from yunsong_standalone.backup.installation import (
    ENCRYPTION_KEY,
    PREVIOUS_KEYS,
    Installation,
    installation,
    keep_keys,
)
from yunsong_standalone.backup.manifest import Manifest, list_backups, read_manifest
from yunsong_standalone.backup.parts import check_part, read_part
from yunsong_standalone.backup.sealing import BackupKey, fingerprint
from yunsong_standalone.backup.settings import settings_alone
from yunsong_standalone.catalogue import BY_NAME, SERVICES
from yunsong_standalone.embedded import ServerFailed
from yunsong_standalone.home import Home


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What the command line says."""

    source: str
    backup: str  # its id; empty = the newest
    replace: bool
    check: bool
    list: bool
    show_keys: bool
    other_keys: bool


def restore_command(options: RestoreOptions, home: Home, environment: Mapping[str, str]) -> int:
    """Restore and print what came back; 1 when it did not, with the reason."""
    try:
        if options.list or options.check or options.show_keys:
            return asyncio.run(_look(options))
        with installation(home, environment, alone=True) as copy:
            return asyncio.run(_restore(options, copy))
    except (BackupError, ServerFailed, SettingsError) as error:
        print(f"Nothing was restored: {error}", file=sys.stderr)
    except YunsongError as error:
        print(f"The restore is not complete: {error}. Run it again with --replace.", file=sys.stderr)
    return 1


async def _look(options: RestoreOptions) -> int:
    """What needs no installation: list, check, show the keys."""
    settings = settings_alone()
    store, key = settings.open(options.source), settings.backup_key()
    if options.list:
        for backup_id, finished in (await list_backups(store)).items():
            print(backup_id if finished else f"{backup_id}  (not finished)")
        return 0
    manifest = await _manifest(store, options, key)
    if options.show_keys:
        for name, value in (await _sealed_keys(store, manifest, key)).items():
            print(f"{name}={value}")
        return 0
    await check_backup(store, manifest)
    await check_files(store, manifest.files, key if manifest.sealed_with else None)
    print(f"Backup {manifest.id} is whole.")
    return 0


async def _restore(options: RestoreOptions, copy: Installation) -> int:
    began = time.monotonic()
    store, key = copy.backup.open(options.source), copy.backup.backup_key()
    manifest = await _manifest(store, options, key)
    print(f"Backup {manifest.id} of Yunsong {manifest.product}", flush=True)
    keys = await _keys_to_use(store, manifest, key, copy, accept_other=options.other_keys)
    await check_backup(store, manifest)
    await refuse_unless_ready(copy.database_urls, replace=options.replace)
    rows = await restore_backup(copy, store, manifest, key, replace=options.replace)
    if copy.home is not None:
        keep_keys(copy.home, keys)
        # The restored copy has its administrators: the first start's would be one more, with a new password.
        copy.home.mark_done("first_start")
    print(f"  database   {rows} rows")
    print(f"  files      {manifest.files.count}")
    print("  streams    declared anew; the services fill them from the database when they start")
    print(f"  took       {time.monotonic() - began:.1f} s")
    return 0


async def check_backup(store: Any, manifest: Manifest) -> None:
    """Raise BackupError unless each part is what was written and this release has each schema's revision."""
    if {schema.service for schema in manifest.schemas} != set(BY_NAME):
        raise BackupError(f"the backup has other services: {', '.join(s.service for s in manifest.schemas)}")
    for schema in manifest.schemas:
        if not has_revision(BY_NAME[schema.service].migrations, schema.revision):
            raise BackupError(
                f"{schema.service} was at {schema.revision}, which this release does not know: "
                f"restore with release {manifest.product} or a newer one"
            )
    for part in manifest.parts():
        await check_part(store, part)


async def restore_backup(
    copy: Installation, store: Any, manifest: Manifest, key: BackupKey | None, *, replace: bool
) -> int:
    """Files first, because each is checked on its way and other files stay; then the database, then the streams."""
    sealed = key if manifest.sealed_with else None
    await restore_files(store, manifest.files, copy.files, sealed)
    rows = 0
    for schema in manifest.schemas:
        rows += await restore_schema(
            copy.database_urls[schema.service], schema, store, sealed, replace=replace
        )
    # What NATS still holds may come from a time that the backup does not know.
    await declare_streams(copy.nats_url, [service.package for service in SERVICES], afresh=True)
    return rows


async def _manifest(store: Any, options: RestoreOptions, key: BackupKey | None) -> Manifest:
    backup_id = options.backup
    if not backup_id:
        finished = [item for item, is_finished in (await list_backups(store)).items() if is_finished]
        if not finished:
            raise BackupError(f"there is no finished backup at {options.source}")
        backup_id = finished[-1]
    return await read_manifest(store, backup_id, key)


async def _sealed_keys(store: Any, manifest: Manifest, key: BackupKey | None) -> dict[str, str]:
    if manifest.keys is None:
        raise BackupError(f"backup {manifest.id} is not encrypted and has no keys in it")
    content = b"".join([piece async for piece in read_part(store, manifest.keys, key)])
    keys: dict[str, str] = json.loads(content)
    return keys


async def _keys_to_use(
    store: Any, manifest: Manifest, key: BackupKey | None, copy: Installation, *, accept_other: bool
) -> dict[str, str]:
    """The keys that the restored copy will have. Raises BackupError when they would not open what the backup holds."""
    inside = await _sealed_keys(store, manifest, key) if manifest.keys is not None else {}
    if copy.home is not None and inside:
        return inside
    wrong = [
        name for name, wanted in manifest.key_fingerprints.items() if not _opens(copy.keys, name, wanted)
    ]
    if wrong and not accept_other:
        how = (
            "`yunsong restore --show-keys` prints them"
            if inside
            else "they are where the copy that was backed up kept them"
        )
        raise BackupError(
            f"{' and '.join(wrong)} must be set to the keys of that time ({how}), or two-factor secrets, webhooks' secrets and "
            "inboxes' credentials cannot be read; --other-keys restores all the same"
        )
    return copy.keys


def _opens(keys: Mapping[str, str], name: str, wanted: str) -> bool:
    candidates = [keys.get(name, "")]
    if name == ENCRYPTION_KEY:
        # One that was changed since is among those of before.
        candidates += keys.get(PREVIOUS_KEYS, "").split(",")
    return any(candidate and fingerprint(candidate.strip()) == wanted for candidate in candidates)
