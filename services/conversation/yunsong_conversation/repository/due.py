"""What is due by the database's clock. Rows that another replica holds are left to it."""

from __future__ import annotations

import datetime as dt

from yunsong_common.db import Transaction
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.repository.conversations import SELECT, conversation_from


async def snoozed(tx: Transaction, now: dt.datetime, limit: int) -> list[Conversation]:
    """Conversations to wake."""
    rows = await tx.raw.fetch(
        f"{SELECT}WHERE c.state = 5 AND c.snoozed_until <= $1 ORDER BY c.snoozed_until LIMIT $2 FOR UPDATE OF c SKIP LOCKED",
        now, limit,
    )  # fmt: skip
    return [conversation_from(row) for row in rows]


async def to_remind(tx: Transaction, now: dt.datetime, limit: int) -> list[Conversation]:
    """Conversations whose contact has been silent since somebody else wrote, for the inbox's time, and was not reminded."""
    rows = await tx.raw.fetch(
        f"{SELECT}JOIN inboxes i ON i.id = c.inbox_id AND i.idle_reminder_s > 0 "
        "WHERE c.state IN (1, 4) AND c.state <> 6 AND c.last_message_at <= $1::timestamptz - make_interval(secs => i.idle_reminder_s) "
        # What is about to be closed is not reminded in the same moment.
        "AND (i.idle_close_s = 0 OR c.last_message_at > $1::timestamptz - make_interval(secs => i.idle_close_s)) "
        "AND c.idle_reminded_at IS NULL AND c.last_author_kind <> 1 LIMIT $2 FOR UPDATE OF c SKIP LOCKED",
        now, limit,
    )  # fmt: skip
    return [conversation_from(row) for row in rows]


async def to_close(tx: Transaction, now: dt.datetime, limit: int) -> list[Conversation]:
    """Conversations in which nobody wrote for the inbox's time."""
    rows = await tx.raw.fetch(
        f"{SELECT}JOIN inboxes i ON i.id = c.inbox_id AND i.idle_close_s > 0 "
        "WHERE c.state IN (1, 4) AND c.state <> 6 AND c.last_message_at <= $1::timestamptz - make_interval(secs => i.idle_close_s) "
        "LIMIT $2 FOR UPDATE OF c SKIP LOCKED",
        now, limit,
    )  # fmt: skip
    return [conversation_from(row) for row in rows]


async def to_forget(tx: Transaction, before: dt.datetime, limit: int) -> list[str]:
    """Resolved conversations without a change since `before`."""
    rows = await tx.raw.fetch(
        "SELECT id FROM conversations WHERE state = 6 AND resolved_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED",
        before,
        limit,
    )
    return [str(row["id"]) for row in rows]


async def forget(tx: Transaction, ids: list[str]) -> None:
    """Deletes conversations with their messages and change log."""
    await tx.raw.execute("DELETE FROM outbox WHERE entity_id = ANY($1::text[])", ids)
    await tx.raw.execute("DELETE FROM messages WHERE conversation_id = ANY($1::uuid[])", ids)
    await tx.raw.execute("DELETE FROM conversations WHERE id = ANY($1::uuid[])", ids)
