"""Keys for integrations: `ysk_<prefix>_<secret>`, stored as a hash."""

# ruff: noqa: S608 - the column lists are constants of this module

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from yunsong.gateway.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_common.errors import InvalidArgument, NotFound, PermissionDenied, Violation
from yunsong_common.ids import new_id
from yunsong_gateway.identity.vault import new_token, token_hash

MARK = "ysk_"
_COLUMNS = "id, name, permissions, prefix, expires_at, created_at, last_used_at, rate_per_minute"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row of `api_keys`, without its secret."""

    id: str
    name: str
    permissions: tuple[str, ...]
    prefix: str
    expires_at: dt.datetime | None
    created_at: dt.datetime
    last_used_at: dt.datetime | None
    rate_per_minute: int


def _key(row: Any) -> ApiKey:
    values = {name: row[name] for name in _COLUMNS.split(", ")}
    return ApiKey(**{**values, "id": str(values["id"]), "permissions": tuple(values["permissions"])})


async def create(
    tx: Transaction,
    *,
    name: str,
    permissions: Collection[str],
    granter: Collection[str],
    known: Collection[str],
    created_by: str,
    expires_at: dt.datetime | None = None,
    rate_per_minute: int = 0,
) -> tuple[ApiKey, str]:
    """Makes a key: (its description, the key itself).

    Raises InvalidArgument / PERMISSION_UNKNOWN or EXPIRY_PAST, PermissionDenied / PERMISSION_ABOVE_OWN.
    """
    if expires_at is not None and expires_at <= await tx.now():
        raise InvalidArgument(
            reason="EXPIRY_PAST",
            message="The key would have ended before its first use.",
            violations=[Violation("api_key.expires_at", "is in the past", "EXPIRY_PAST")],
        )
    # What the caller holds exists, also while the service that names it is away.
    unknown = set(permissions) - set(known) - set(granter)
    if unknown:
        raise InvalidArgument(
            reason="PERMISSION_UNKNOWN",
            message=f"There is no permission {', '.join(sorted(unknown)[:5])}; see /api/v1/permissions.",
            violations=[
                Violation(f"api_key.permissions[{index}]", "is no permission", "PERMISSION_UNKNOWN")
                for index, name in enumerate(permissions)
                if name in unknown
            ],
        )
    missing = set(permissions) - set(granter)
    if missing:
        raise PermissionDenied(
            reason="PERMISSION_ABOVE_OWN",
            message=f"The key would hold {min(missing)}, which the caller does not hold.",
        )
    prefix = secrets.token_hex(6)
    secret = new_token()
    row = await tx.raw.fetchrow(
        "INSERT INTO api_keys (id, name, permissions, prefix, secret_hash, expires_at, created_at, created_by, rate_per_minute) "
        f"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_COLUMNS}",
        UUID(new_id()),
        name,
        sorted(set(permissions)),
        prefix,
        token_hash(secret),
        expires_at,
        await tx.now(),
        UUID(created_by) if created_by else None,
        rate_per_minute,
    )
    return _key(row), f"{MARK}{prefix}_{secret}"


async def find(tx: Transaction, token: str) -> ApiKey | None:
    """The key that a token is, unless it has ended."""
    prefix, _, secret = token.removeprefix(MARK).partition("_")
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS}, secret_hash FROM api_keys WHERE prefix = $1", prefix)
    if row is None or not secrets.compare_digest(row["secret_hash"], token_hash(secret)):
        return None
    if row["expires_at"] is not None and row["expires_at"] <= await tx.now():
        return None
    return _key(row)


async def note_use(tx: Transaction, key_id: str) -> None:
    """Remembers the use, to the minute."""
    now = await tx.now()
    await tx.raw.execute(
        "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)",
        UUID(key_id),
        now,
        now - dt.timedelta(minutes=1),
    )


async def all_keys(tx: Transaction) -> list[ApiKey]:
    rows = await tx.raw.fetch(f"SELECT {_COLUMNS} FROM api_keys ORDER BY name, id LIMIT 1000")
    return [_key(row) for row in rows]


async def delete(tx: Transaction, key_id: str) -> None:
    """Ends a key; its sockets close once this commits. Raises NotFound / API_KEY_UNKNOWN."""
    if await tx.raw.fetchval("DELETE FROM api_keys WHERE id = $1 RETURNING 1", UUID(key_id)) is None:
        raise NotFound(reason="API_KEY_UNKNOWN", message=f"There is no API key {key_id}.", api_key_id=key_id)
    tx.publish_after_commit(events_pb2.AccessRevoked(actor_id=key_id, reason="revoked"))
