"""Inboxes in PostgreSQL."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import asyncpg

from yunsong_channel_adapter.domain.inbox import Inbox
from yunsong_common.db import Transaction
from yunsong_common.errors import AlreadyExists, NotFound

_COLUMNS = (
    "id, name, channel, key, enabled, bot_enabled, queue_id, allowed_origins, identity_required, reopen_window_s, "
    "idle_reminder_s, idle_close_s, greeting, widget, config, required_skills, created_at, rev"
)


async def insert(tx: Transaction, inbox: Inbox) -> None:
    """Stores a new inbox. Raises `AlreadyExists` (INBOX_NAME_TAKEN)."""
    try:
        await tx.raw.execute(
            f"INSERT INTO inboxes ({_COLUMNS}) VALUES "  # noqa: S608 - our columns
            "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            *_values(inbox),
        )
    except asyncpg.UniqueViolationError as error:
        raise _name_taken(inbox) from error


async def update(tx: Transaction, inbox: Inbox) -> None:
    """Stores all that can change. Raises `AlreadyExists` (INBOX_NAME_TAKEN)."""
    try:
        await tx.raw.execute(
            "UPDATE inboxes SET name = $2, enabled = $5, bot_enabled = $6, queue_id = $7, allowed_origins = $8, "
            "identity_required = $9, reopen_window_s = $10, idle_reminder_s = $11, idle_close_s = $12, "
            "greeting = $13, widget = $14, config = $15, required_skills = $16, rev = $18 "
            "WHERE id = $1 AND channel = $3 AND key = $4 AND created_at = $17",
            *_values(inbox),
        )
    except asyncpg.UniqueViolationError as error:
        raise _name_taken(inbox) from error


async def delete(tx: Transaction, inbox_id: str) -> None:
    """Deletes an inbox and its credentials."""
    await tx.raw.execute("DELETE FROM inboxes WHERE id = $1", inbox_id)


async def find(tx: Transaction, inbox_id: str) -> Inbox | None:
    """The inbox, or None."""
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM inboxes WHERE id = $1", inbox_id)  # noqa: S608
    return None if row is None else _inbox(row)


async def get(tx: Transaction, inbox_id: str, *, lock: bool = False) -> Inbox:
    """The inbox, locked for a change when asked. Raises `NotFound` (INBOX_UNKNOWN)."""
    row = await tx.raw.fetchrow(
        f"SELECT {_COLUMNS} FROM inboxes WHERE id = $1" + (" FOR UPDATE" if lock else ""),  # noqa: S608
        inbox_id,
    )
    if row is None:
        raise NotFound(reason="INBOX_UNKNOWN", message=f"there is no inbox {inbox_id}", inbox_id=inbox_id)
    return _inbox(row)


async def get_by_key(tx: Transaction, key: str) -> Inbox:
    """The inbox with this public key. Raises `NotFound` (INBOX_UNKNOWN)."""
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM inboxes WHERE key = $1", key)  # noqa: S608
    if row is None:
        raise NotFound(reason="INBOX_UNKNOWN", message="there is no inbox with this key")
    return _inbox(row)


async def list_by_name(tx: Transaction, after: str, limit: int) -> list[Inbox]:
    """The next inboxes by name, after a name."""
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM inboxes WHERE name > $1 ORDER BY name LIMIT $2",  # noqa: S608
        after,
        limit,
    )
    return [_inbox(row) for row in rows]


def _values(inbox: Inbox) -> tuple[Any, ...]:
    return (
        inbox.id,
        inbox.name,
        inbox.channel,
        inbox.key,
        inbox.enabled,
        inbox.bot_enabled,
        inbox.queue_id or None,
        json.dumps(list(inbox.allowed_origins)),
        inbox.identity_required,
        inbox.reopen_window_s,
        inbox.idle_reminder_s,
        inbox.idle_close_s,
        json.dumps(dict(inbox.greeting)),
        json.dumps(dict(inbox.widget)),
        json.dumps(dict(inbox.config)),
        json.dumps(dict(inbox.required_skills)),
        inbox.created_at or dt.datetime.now(dt.UTC),
        inbox.rev,
    )


def _inbox(row: asyncpg.Record) -> Inbox:
    return Inbox(
        id=str(row["id"]),
        name=row["name"],
        channel=row["channel"],
        key=row["key"],
        enabled=row["enabled"],
        bot_enabled=row["bot_enabled"],
        queue_id=str(row["queue_id"] or ""),
        allowed_origins=tuple(row["allowed_origins"]),
        identity_required=row["identity_required"],
        reopen_window_s=row["reopen_window_s"],
        idle_reminder_s=row["idle_reminder_s"],
        idle_close_s=row["idle_close_s"],
        greeting=row["greeting"],
        widget=row["widget"],
        config=row["config"],
        required_skills=row["required_skills"],
        created_at=row["created_at"],
        rev=row["rev"],
    )


def _name_taken(inbox: Inbox) -> AlreadyExists:
    return AlreadyExists(
        reason="INBOX_NAME_TAKEN",
        message=f"another inbox is called “{inbox.name}”; choose another name",
        name=inbox.name,
    )
