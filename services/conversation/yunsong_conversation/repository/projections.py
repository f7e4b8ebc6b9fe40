"""What other services tell: inboxes, queues and their members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import asyncpg
import orjson

from yunsong_common.db import Transaction
from yunsong_conversation.domain.inboxes import Inbox


async def inboxes(tx: Transaction, ids: Iterable[str]) -> dict[str, Inbox]:
    """The known ones of these inboxes."""
    rows = await tx.raw.fetch("SELECT * FROM inboxes WHERE id = ANY($1::uuid[])", list(ids))
    return {str(row["id"]): _inbox(row) for row in rows}


async def save_inbox(tx: Transaction, inbox: Inbox) -> None:
    """Keeps an inbox, unless a newer revision is known."""
    await tx.raw.execute(
        "INSERT INTO inboxes (id, rev, channel, enabled, deleted, bot_enabled, queue_id, reopen_window_s, idle_reminder_s, "
        "idle_close_s, required_skills) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
        "ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, channel = excluded.channel, enabled = excluded.enabled, "
        "deleted = excluded.deleted, bot_enabled = excluded.bot_enabled, queue_id = excluded.queue_id, "
        "reopen_window_s = excluded.reopen_window_s, idle_reminder_s = excluded.idle_reminder_s, "
        "idle_close_s = excluded.idle_close_s, required_skills = excluded.required_skills "
        "WHERE inboxes.rev <= excluded.rev AND NOT inboxes.deleted",
        inbox.id, inbox.rev, inbox.channel, inbox.enabled, inbox.deleted, inbox.bot_enabled, inbox.queue_id or None,
        inbox.reopen_window_s, inbox.idle_reminder_s, inbox.idle_close_s, orjson.dumps(inbox.required_skills).decode(),
    )  # fmt: skip


async def save_queue(
    tx: Transaction, queue_id: str, name: str, member_ids: Sequence[str], seq: int, *, deleted: bool
) -> None:
    """Keeps a queue and its members, unless a later event was seen."""
    kept = await tx.raw.fetchval(
        "INSERT INTO queues (id, name, seq, deleted) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE "
        "SET name = excluded.name, seq = excluded.seq, deleted = excluded.deleted WHERE queues.seq < excluded.seq RETURNING 1",
        queue_id, name, seq, deleted,
    )  # fmt: skip
    if kept is None:
        return
    members = [] if deleted else list(dict.fromkeys(member_ids))
    await tx.raw.execute(
        "DELETE FROM queue_members WHERE queue_id = $1 AND agent_id <> ALL($2::uuid[])", queue_id, members
    )
    await tx.raw.execute(
        "INSERT INTO queue_members (queue_id, agent_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        queue_id, members,
    )  # fmt: skip


async def queues_of(tx: Transaction, agent_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """The queues that each of these agents serves."""
    rows = await tx.raw.fetch(
        "SELECT agent_id, array_agg(queue_id) AS queue_ids FROM queue_members WHERE agent_id = ANY($1::uuid[]) GROUP BY agent_id",
        list(agent_ids),
    )
    return {str(row["agent_id"]): frozenset(str(queue) for queue in row["queue_ids"]) for row in rows}


async def queue_name(tx: Transaction, queue_id: str) -> str:
    """A queue's name; empty when it is not known."""
    if not queue_id:
        return ""
    return await tx.raw.fetchval("SELECT name FROM queues WHERE id = $1", queue_id) or ""


def _inbox(row: asyncpg.Record) -> Inbox:
    return Inbox(
        id=str(row["id"]),
        rev=row["rev"],
        channel=row["channel"],
        enabled=row["enabled"],
        deleted=row["deleted"],
        bot_enabled=row["bot_enabled"],
        queue_id=str(row["queue_id"]) if row["queue_id"] else "",
        reopen_window_s=row["reopen_window_s"],
        idle_reminder_s=row["idle_reminder_s"],
        idle_close_s=row["idle_close_s"],
        required_skills=row["required_skills"],
    )
