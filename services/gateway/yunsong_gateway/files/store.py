"""Stored files: a row in `files`, the bytes in a folder or an S3-compatible store, signed addresses."""

# ruff: noqa: S608 - the column lists are constants of this module

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import obstore
from obstore.store import LocalStore, S3Store

from yunsong.auth.v1 import principal_pb2
from yunsong.gateway.v1 import model_pb2
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import NotFound, PermissionDenied, Unavailable
from yunsong_common.ids import new_id
from yunsong_gateway.files import sniff
from yunsong_gateway.identity.vault import derive
from yunsong_gateway.times import stamp

_URL_S = 3600
_CHUNK = 256 * 1024
_DELETED_AT_ONCE = 100
_COLUMNS = "id, name, media_type, size, sha256, object_key, owner_kind, owner_id, created_at"


@dataclass(frozen=True, slots=True)
class File:
    """One row of `files`."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str
    object_key: str
    owner_kind: str
    owner_id: str
    created_at: dt.datetime


def open_store(url: str, options: Mapping[str, str], access_key_id: str, secret_access_key: str) -> Any:
    """A folder's path, or s3://bucket/prefix with options such as endpoint and region."""
    if not url.startswith("s3://"):
        return LocalStore(Path(url).absolute(), mkdir=True)
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    config: dict[str, Any] = {"bucket": bucket, **options}
    if access_key_id:
        config |= {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
    return S3Store(prefix=prefix or None, config=cast("Any", config))


class Files:
    """Takes and gives files."""

    def __init__(self, database: Database, store: Any, release_key: str) -> None:
        self._database = database
        self._store = store
        self._key = derive(release_key, "file addresses")

    async def put(self, name: str, content: bytes, owner: principal_pb2.Principal) -> File:
        """Stores a file. Raises InvalidArgument / FILE_TYPE_REFUSED, Unavailable when the store does not take it."""
        media_type = sniff.media_type(content)
        file_id = new_id()
        # The id's end is random: folders of equal size.
        key = f"{file_id[-2:]}/{file_id}"
        try:
            await obstore.put_async(self._store, key, content)
        except (OSError, obstore.exceptions.BaseError) as error:
            raise _unavailable("The file could not be stored; try again.") from error
        kind = principal_pb2.ActorKind.Name(owner.kind).removeprefix("ACTOR_KIND_").lower()
        async with self._database.transaction() as tx:
            row = await tx.raw.fetchrow(
                f"INSERT INTO files ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_COLUMNS}",
                UUID(file_id),
                _clean_name(name),
                media_type,
                len(content),
                hashlib.sha256(content).hexdigest(),
                key,
                kind,
                owner.actor_id,
                await tx.now(),
            )
        return _file(row)

    async def get(self, tx: Transaction, file_id: str) -> File:
        """Raises NotFound / FILE_UNKNOWN."""
        row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM files WHERE id = $1", UUID(file_id))
        if row is None:
            raise self.unknown(file_id)
        return _file(row)

    def unknown(self, file_id: str) -> NotFound:
        return NotFound(reason="FILE_UNKNOWN", message=f"There is no file {file_id}.", file_id=file_id)

    async def find(self, file_id: str) -> File:
        """A file, whoever may read it. Raises NotFound / FILE_UNKNOWN."""
        async with self._database.read() as tx:
            return await self.get(tx, file_id)

    async def forget_owner(self, kind: str, owner_id: str) -> None:
        """Deletes all files of an owner; can be repeated. Raises Unavailable when the store does not take part."""
        while True:
            async with self._database.read() as tx:
                rows = await tx.raw.fetch(
                    "SELECT id, object_key FROM files WHERE owner_id = $1 AND owner_kind = $2 LIMIT $3",
                    owner_id, kind, _DELETED_AT_ONCE,
                )  # fmt: skip
            if not rows:
                return
            try:
                for row in rows:
                    with contextlib.suppress(FileNotFoundError):
                        await obstore.delete_async(self._store, row["object_key"])
            except (OSError, obstore.exceptions.BaseError) as error:
                raise _unavailable("The files cannot be deleted just now.") from error
            # The rows last: without them nobody would know what is left in the store.
            async with self._database.transaction() as tx:
                await tx.raw.execute("DELETE FROM files WHERE id = ANY ($1)", [row["id"] for row in rows])

    async def content(self, file_id: str, expires: str, signature: str) -> tuple[File, AsyncIterator[bytes]]:
        """A file by its signed address, its bytes as they come out of the store.

        Raises PermissionDenied / FILE_LINK_INVALID, NotFound / FILE_UNKNOWN.
        """
        right = hmac.compare_digest(self._signature(file_id, expires).encode(), signature.encode())
        if not right or not expires.isascii() or not expires.isdigit() or int(expires) < time.time():
            raise PermissionDenied(
                reason="FILE_LINK_INVALID",
                message="The address has ended or is not right; ask for the file again.",
            )
        async with self._database.read() as tx:
            file = await self.get(tx, file_id)
        try:
            answer = await obstore.get_async(self._store, file.object_key)
        except FileNotFoundError as error:
            raise self.unknown(file_id) from error
        except (OSError, obstore.exceptions.BaseError) as error:
            raise _unavailable("The file cannot be read just now.") from error
        return file, _chunks(answer)

    def message(self, file: File) -> model_pb2.File:
        return model_pb2.File(
            id=file.id,
            name=file.name,
            media_type=file.media_type,
            size=file.size,
            sha256=file.sha256,
            created_at=stamp(file.created_at),
            url=self._address(file.id),
        )

    def _address(self, file_id: str) -> str:
        # Rounded, so that the same address comes again for a while and caches work.
        expires = str((int(time.time()) // 600 + 1) * 600 + _URL_S)
        return (
            f"/api/v1/files/{file_id}/content?expires={expires}&signature={self._signature(file_id, expires)}"
        )

    def _signature(self, file_id: str, expires: str) -> str:
        return hmac.new(self._key, f"{file_id} {expires}".encode(), "sha256").hexdigest()


async def _chunks(answer: Any) -> AsyncIterator[bytes]:
    async for chunk in answer.stream(min_chunk_size=_CHUNK):
        yield bytes(chunk)


def _unavailable(message: str) -> Unavailable:
    return Unavailable(reason="FILE_STORE_UNAVAILABLE", message=message, retry_after_s=5)


def _file(row: Any) -> File:
    return File(**{**dict(row), "id": str(row["id"])})


def _clean_name(name: str) -> str:
    """The last part of a path, without control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:255] or "file"
