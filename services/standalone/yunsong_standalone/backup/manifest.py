"""What a backup says of itself. It is written last: without it there is no backup."""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import obstore

from yunsong_standalone.backup.errors import BackupError, Damaged
from yunsong_standalone.backup.parts import Part
from yunsong_standalone.backup.sealing import BackupKey

FORMAT = 1
_NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class TableDump:
    """One table: the rows, in the order of `columns`, as PostgreSQL's COPY writes them."""

    name: str
    columns: list[str]
    rows: int
    part: Part


@dataclass(frozen=True, slots=True)
class SchemaDump:
    """One service's schema at one revision of its migrations."""

    service: str
    schema: str
    revision: str
    tables: list[TableDump]
    sequences: dict[str, int | None]  # the last value; None = never used


@dataclass(frozen=True, slots=True)
class FilesDump:
    """The stored files; `listing` names each with its size and SHA-256, `folder` holds them for all backups together."""

    count: int
    size: int
    listing: Part
    folder: str
    missing: list[str]  # were not in the store though the database names them


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup."""

    id: str
    created_at: str
    product: str
    postgresql: str
    schemas: list[SchemaDump]
    files: FilesDump
    # Fingerprints of the keys that the data needs, by the name of the setting.
    key_fingerprints: dict[str, str]
    # The keys themselves; only in a sealed backup.
    keys: Part | None
    sealed_with: str  # the backup key's fingerprint; empty = not encrypted
    format: int = field(default=FORMAT)

    def parts(self) -> list[Part]:
        """Every part but the files."""
        parts = [table.part for schema in self.schemas for table in schema.tables]
        return [*parts, self.files.listing, *([self.keys] if self.keys is not None else [])]


def folder_of(backup_id: str) -> str:
    return f"backups/{backup_id}"


async def write_manifest(store: Any, manifest: Manifest, key: BackupKey | None) -> None:
    body = json.dumps(asdict(manifest), indent=1, ensure_ascii=False)
    proof = key.mac(body.encode()) if key is not None else ""
    content = json.dumps({"manifest": body, "proof": proof}, ensure_ascii=False).encode()
    await obstore.put_async(store, f"{folder_of(manifest.id)}/{_NAME}", content)


async def read_manifest(store: Any, backup_id: str, key: BackupKey | None) -> Manifest:
    """Raises BackupError: there is none, it is of another format, sealed under another key, or changed."""
    try:
        answer = await obstore.get_async(store, f"{folder_of(backup_id)}/{_NAME}")
    except FileNotFoundError:
        raise BackupError(
            f"there is no finished backup {backup_id}; `--list` shows those there are"
        ) from None
    try:
        envelope = json.loads(bytes(await answer.bytes_async()))
        content: dict[str, Any] = json.loads(envelope["manifest"])
    except (ValueError, KeyError, TypeError):
        raise Damaged(f"the manifest of {backup_id} cannot be read") from None
    if content.get("format") != FORMAT:
        raise BackupError(
            f"backup {backup_id} has format {content.get('format')}, this release reads {FORMAT}: "
            f"use the release that made it ({content.get('product')})"
        )
    manifest = _manifest(content)
    if manifest.sealed_with:
        if key is None:
            raise BackupError(f"backup {backup_id} is encrypted: set YUNSONG_BACKUP_KEY to its key")
        if key.id != manifest.sealed_with:
            raise BackupError(
                f"backup {backup_id} is encrypted under the key {manifest.sealed_with}, YUNSONG_BACKUP_KEY is {key.id}"
            )
        if not hmac.compare_digest(key.mac(envelope["manifest"].encode()), str(envelope["proof"])):
            raise Damaged(f"the manifest of {backup_id} was changed after it was written")
    return manifest


async def list_backups(store: Any) -> dict[str, bool]:
    """Every backup by id, oldest first, and whether it is finished."""
    found: dict[str, bool] = {}
    listing = await obstore.list_with_delimiter_async(store, "backups")
    for prefix in sorted(listing["common_prefixes"]):
        backup_id = prefix.rstrip("/").rpartition("/")[2]
        try:
            await obstore.head_async(store, f"{folder_of(backup_id)}/{_NAME}")
        except FileNotFoundError:
            found[backup_id] = False
        else:
            found[backup_id] = True
    return found


def _manifest(content: dict[str, Any]) -> Manifest:
    schemas = [
        SchemaDump(
            **{
                **schema,
                "tables": [
                    TableDump(**{**table, "part": Part(**table["part"])}) for table in schema["tables"]
                ],
            }
        )
        for schema in content["schemas"]
    ]
    files = FilesDump(**{**content["files"], "listing": Part(**content["files"]["listing"])})
    keys = Part(**content["keys"]) if content["keys"] is not None else None
    return Manifest(**{**content, "schemas": schemas, "files": files, "keys": keys})
