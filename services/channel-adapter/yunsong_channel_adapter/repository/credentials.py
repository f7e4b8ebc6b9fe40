"""Sealed credentials in PostgreSQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from yunsong_channel_adapter.vault import Vault
from yunsong_common.db import Transaction
from yunsong_common.ids import new_id


@dataclass(frozen=True, slots=True)
class CredentialSets:
    """An inbox's credentials, opened."""

    current: Mapping[str, str] = field(repr=False)
    # Replaced ones that still work, newest first.
    previous: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    created_at: dt.datetime | None = None

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of one credential that works just now, newest first."""
        return tuple(each[name] for each in (self.current, *self.previous) if each.get(name))


async def put(tx: Transaction, vault: Vault, inbox_id: str, secrets: Mapping[str, str]) -> None:
    """Stores the current set of an inbox that has none."""
    await tx.raw.execute(
        "INSERT INTO credentials (id, inbox_id, key_id, sealed, created_at) VALUES ($1, $2, $3, $4, $5)",
        new_id(), inbox_id, vault.key_id, vault.seal(secrets, inbox_id), await tx.now(),
    )  # fmt: skip


async def replace(
    tx: Transaction, vault: Vault, inbox_id: str, secrets: Mapping[str, str], *, overlap: dt.timedelta
) -> None:
    """Stores a new current set; the one of before works until the overlap ends, longer-ended ones are deleted."""
    now = await tx.now()
    await tx.raw.execute("DELETE FROM credentials WHERE inbox_id = $1 AND valid_until <= $2", inbox_id, now)
    if overlap > dt.timedelta(0):
        await tx.raw.execute(
            "UPDATE credentials SET valid_until = $2 WHERE inbox_id = $1 AND valid_until IS NULL",
            inbox_id, now + overlap,
        )  # fmt: skip
    else:
        await tx.raw.execute("DELETE FROM credentials WHERE inbox_id = $1 AND valid_until IS NULL", inbox_id)
    await put(tx, vault, inbox_id, secrets)


async def load(tx: Transaction, vault: Vault, inbox_id: str) -> CredentialSets:
    """All sets that work just now."""
    rows = await tx.raw.fetch(
        "SELECT key_id, sealed, created_at, valid_until FROM credentials "
        "WHERE inbox_id = $1 AND (valid_until IS NULL OR valid_until > $2) "
        "ORDER BY valid_until IS NOT NULL, created_at DESC",
        inbox_id, await tx.now(),
    )  # fmt: skip
    sets = [vault.open(row["sealed"], row["key_id"], inbox_id) for row in rows]
    if not rows or rows[0]["valid_until"] is not None:
        return CredentialSets({}, tuple(sets))
    return CredentialSets(sets[0], tuple(sets[1:]), rows[0]["created_at"])


async def reseal(tx: Transaction, vault: Vault) -> int:
    """Encrypts what is under a key of before anew under the current one; returns how many sets."""
    rows = await tx.raw.fetch(
        "SELECT id, inbox_id, key_id, sealed FROM credentials WHERE key_id <> $1 FOR UPDATE SKIP LOCKED",
        vault.key_id,
    )
    for row in rows:
        owner = str(row["inbox_id"])
        secrets = vault.open(row["sealed"], row["key_id"], owner)
        await tx.raw.execute(
            "UPDATE credentials SET key_id = $2, sealed = $3 WHERE id = $1",
            row["id"], vault.key_id, vault.seal(secrets, owner),
        )  # fmt: skip
    return len(rows)
