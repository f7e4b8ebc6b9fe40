"""Conversations: reading, locking, writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import orjson

from yunsong_common.db import Transaction
from yunsong_conversation.domain.access import unknown_conversation
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import AuthorKind
from yunsong_conversation.domain.states import CloseReason, State

# What `save` writes of a conversation that did more than take a message: column, and how to read it from the object.
_WRITTEN = (
    "state", "queue_id", "assignee_id", "assignee_name", "last_assignee_id", "participant_ids", "mentioned_ids",
    "priority", "subject", "attributes", "label_ids", "required_skills", "locale", "rev", "public_rev", "epoch",
    "agent_read_rev", "agent_read_public_rev", "contact_read_rev", "contact_read_public_rev", "unread_count",
    "contact_unread_count", "last_message_preview", "last_author_kind", "last_message_at", "queued_at",
    "first_assigned_at", "first_reply_at", "due_at", "due_seq", "snoozed_until", "idle_reminded_at", "resolved_at",
    "close_reason", "wrap_up_category_id", "wrap_up_category_name", "summary", "csat_score", "csat_comment", "spam",
    "contact_id",
)  # fmt: skip
_UUIDS = frozenset({"queue_id", "assignee_id", "last_assignee_id", "wrap_up_category_id"})
# The object holds attributes as text: most readers only pass them on.
_COLUMNS = ", ".join(
    f"c.{name}::text AS {name}" if name == "attributes" else f"c.{name}"
    for name in ("id", "inbox_id", "channel", "created_at", *_WRITTEN)
)
_CONTACT = "k.name AS contact_name, k.blocked AS contact_blocked, k.last_seen_at AS contact_seen_at"
_FROM = "FROM conversations c JOIN contacts k ON k.id = c.contact_id "
SELECT = f"SELECT {_COLUMNS}, {_CONTACT} {_FROM}"
# The clock comes along, which saves the batch a statement of its own.
_LOCK_MANY = (
    f"SELECT {_COLUMNS}, {_CONTACT}, clock_timestamp() AS now {_FROM}"
    "WHERE c.id = ANY($1::uuid[]) ORDER BY c.id FOR UPDATE OF c"
)
_SAVE = (
    "UPDATE conversations SET "  # noqa: S608 - column names of our own
    + ", ".join(f"{name} = ${number}" for number, name in enumerate(_WRITTEN, start=2))
    + " WHERE id = $1"
)


async def find(tx: Transaction, conversation_id: str) -> Conversation | None:
    """Reads one conversation without a lock."""
    row = await tx.raw.fetchrow(SELECT + "WHERE c.id = $1", conversation_id)
    return None if row is None else conversation_from(row)


async def get(tx: Transaction, conversation_id: str) -> Conversation:
    """Reads one conversation. Raises NOT_FOUND / CONVERSATION_UNKNOWN."""
    conversation = await find(tx, conversation_id)
    if conversation is None:
        raise unknown_conversation(conversation_id)
    return conversation


async def lock(tx: Transaction, conversation_id: str) -> Conversation:
    """Reads one conversation for writing; waits for who holds it. Raises NOT_FOUND / CONVERSATION_UNKNOWN."""
    row = await tx.raw.fetchrow(SELECT + "WHERE c.id = $1 FOR UPDATE OF c", conversation_id)
    if row is None:
        raise unknown_conversation(conversation_id)
    return conversation_from(row)


async def lock_many(tx: Transaction, ids: Iterable[str], *, wait: bool = False) -> dict[str, Conversation]:
    """Locks conversations in the order of their ids. Those that others hold are left out, unless `wait`."""
    rows = await tx.raw.fetch(_LOCK_MANY + ("" if wait else " SKIP LOCKED"), list(ids))
    if rows and not wait:  # after a wait it would be the time before it
        tx.told_now(rows[0]["now"])
    return {str(row["id"]): conversation_from(row) for row in rows}


async def existing(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Which of these conversations there are."""
    rows = await tx.raw.fetch("SELECT id FROM conversations WHERE id = ANY($1::uuid[])", list(ids))
    return {str(row["id"]) for row in rows}


async def insert_new(tx: Transaction, conversations: Sequence[Conversation]) -> set[str]:
    """Stores conversations that begin; answers with the ids of those that could.

    One is left out when the contact has an open conversation on the inbox meanwhile. Sorted, so that two writers wait for each other in the
    same order.
    """
    ordered = sorted(conversations, key=lambda c: (c.inbox_id, c.contact_id))
    rows = await tx.raw.fetch(
        "INSERT INTO conversations (id, inbox_id, channel, contact_id, state, queue_id, required_skills, locale, rev, "
        "public_rev, epoch, last_message_at, created_at) "
        "SELECT id, inbox_id, channel, contact_id, state, queue_id, required_skills, locale, 0, 0, 0, created_at, created_at "
        "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::smallint[], $6::uuid[], $7::jsonb[], $8::text[], "
        "$9::timestamptz[]) "
        "AS t(id, inbox_id, channel, contact_id, state, queue_id, required_skills, locale, created_at) "
        "ON CONFLICT (inbox_id, contact_id) WHERE state <> 6 DO NOTHING RETURNING id",
        [c.id for c in ordered],
        [c.inbox_id for c in ordered],
        [c.channel for c in ordered],
        [c.contact_id for c in ordered],
        [c.state for c in ordered],
        [c.queue_id or None for c in ordered],
        [orjson.dumps(c.required_skills).decode() for c in ordered],
        [c.locale for c in ordered],
        [c.created_at for c in ordered],
    )
    return {str(row["id"]) for row in rows}


async def save(tx: Transaction, conversations: Iterable[Conversation]) -> None:
    """Writes what changed: one statement for all that only took messages, one each for those that moved."""
    quiet: list[Conversation] = []
    moved: list[Conversation] = []
    for conversation in conversations:
        (moved if conversation.moved else quiet).append(conversation)
    if quiet:
        await _save_counters(tx.raw, quiet)
    if moved:
        await tx.raw.executemany(_SAVE, [_values(conversation) for conversation in moved])


async def _save_counters(conn: asyncpg.Connection, conversations: list[Conversation]) -> None:
    await conn.execute(
        "UPDATE conversations c SET rev = t.rev, public_rev = t.public_rev, unread_count = t.unread, "
        "contact_unread_count = t.contact_unread, last_message_preview = t.preview, last_author_kind = t.author, "
        "last_message_at = t.last_at, first_reply_at = t.reply_at, idle_reminded_at = t.reminded_at "
        "FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::text[], $7::smallint[], "
        "$8::timestamptz[], $9::timestamptz[], $10::timestamptz[]) "
        "AS t(id, rev, public_rev, unread, contact_unread, preview, author, last_at, reply_at, reminded_at) "
        "WHERE c.id = t.id",
        [c.id for c in conversations],
        [c.rev for c in conversations],
        [c.public_rev for c in conversations],
        [c.unread_count for c in conversations],
        [c.contact_unread_count for c in conversations],
        [c.last_message_preview for c in conversations],
        [c.last_author_kind for c in conversations],
        [c.last_message_at for c in conversations],
        [c.first_reply_at for c in conversations],
        [c.idle_reminded_at for c in conversations],
    )


async def heads(tx: Transaction, ids: Sequence[str]) -> list[tuple[str, int, int]]:
    """Id, rev and public rev of those that exist."""
    rows = await tx.raw.fetch(
        "SELECT id, rev, public_rev FROM conversations WHERE id = ANY($1::uuid[])", list(dict.fromkeys(ids))
    )
    return [(str(row["id"]), row["rev"], row["public_rev"]) for row in rows]


async def count_by_state(tx: Transaction) -> dict[State, int]:
    """How many conversations are in each open state."""
    rows = await tx.raw.fetch(
        "SELECT state, count(*) AS n FROM conversations WHERE state <> 6 GROUP BY state"
    )
    counts = {State(row["state"]): int(row["n"]) for row in rows}
    return {state: counts.get(state, 0) for state in State if state not in (State.NEW, State.RESOLVED)}


def conversation_from(row: asyncpg.Record) -> Conversation:
    """The conversation of a row that `SELECT` gave."""
    return Conversation(
        id=str(row["id"]),
        inbox_id=str(row["inbox_id"]),
        channel=row["channel"],
        contact_id=str(row["contact_id"]),
        created_at=row["created_at"],
        last_message_at=row["last_message_at"],
        state=State(row["state"]),
        contact_name=row["contact_name"],
        contact_blocked=row["contact_blocked"],
        contact_seen_at=row["contact_seen_at"],
        queue_id=_text(row["queue_id"]),
        assignee_id=_text(row["assignee_id"]),
        assignee_name=row["assignee_name"],
        last_assignee_id=_text(row["last_assignee_id"]),
        participant_ids=[str(user) for user in row["participant_ids"]],
        mentioned_ids=[str(user) for user in row["mentioned_ids"]],
        priority=row["priority"],
        subject=row["subject"],
        attributes=row["attributes"],
        label_ids=[str(label) for label in row["label_ids"]],
        required_skills=row["required_skills"],
        locale=row["locale"],
        rev=row["rev"],
        public_rev=row["public_rev"],
        epoch=row["epoch"],
        agent_read_rev=row["agent_read_rev"],
        agent_read_public_rev=row["agent_read_public_rev"],
        contact_read_rev=row["contact_read_rev"],
        contact_read_public_rev=row["contact_read_public_rev"],
        unread_count=row["unread_count"],
        contact_unread_count=row["contact_unread_count"],
        last_message_preview=row["last_message_preview"],
        last_author_kind=AuthorKind(row["last_author_kind"]),
        queued_at=row["queued_at"],
        first_assigned_at=row["first_assigned_at"],
        first_reply_at=row["first_reply_at"],
        due_at=row["due_at"],
        due_seq=row["due_seq"],
        snoozed_until=row["snoozed_until"],
        idle_reminded_at=row["idle_reminded_at"],
        resolved_at=row["resolved_at"],
        close_reason=CloseReason(row["close_reason"]),
        wrap_up_category_id=_text(row["wrap_up_category_id"]),
        wrap_up_category_name=row["wrap_up_category_name"],
        summary=row["summary"],
        csat_score=row["csat_score"],
        csat_comment=row["csat_comment"],
        spam=row["spam"],
    )


def _values(conversation: Conversation) -> tuple[Any, ...]:
    return (conversation.id, *(_value(conversation, name) for name in _WRITTEN))


def _value(conversation: Conversation, name: str) -> Any:
    value = getattr(conversation, name)
    if name in _UUIDS:
        return value or None
    return orjson.dumps(value).decode() if name == "required_skills" else value


def _text(value: object) -> str:
    return "" if value is None else str(value)
