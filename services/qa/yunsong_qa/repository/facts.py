"""The fact table and the figures folded from it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby
from typing import Any

import asyncpg

from yunsong_qa.domain.facts import Fact, FactKind
from yunsong_qa.domain.figures import Figures

_FACT = {
    "entity_id": "uuid",
    "rev": "bigint",
    "event_id": "uuid",
    "kind": "smallint",
    "occurred_at": "timestamptz",
    "state": "smallint",
    "from_state": "smallint",
    "author": "smallint",
    "author_id": "uuid",
    "internal": "boolean",
    "message_id": "uuid",
    "content_kind": "smallint",
    "text_length": "integer",
    "queue_id": "uuid",
    "agent_id": "uuid",
    "inbox_id": "uuid",
    "contact_id": "uuid",
    "reason": "text",
    "category": "text",
    "close_reason": "smallint",
    "value": "double precision",
}
_FIGURES = {
    "conversation_id": "uuid",
    "applied_rev": "bigint",
    "created_at": "timestamptz",
    "inbox_id": "uuid",
    "contact_id": "uuid",
    "queue_id": "uuid",
    "agent_id": "uuid",
    "state": "smallint",
    "queued_since": "timestamptz",
    "first_queued_at": "timestamptz",
    "first_assigned_at": "timestamptz",
    "first_reply_at": "timestamptz",
    "resolved_at": "timestamptz",
    "close_reason": "smallint",
    "wait_s": "double precision",
    "first_wait_s": "double precision",
    "first_response_s": "double precision",
    "handling_s": "double precision",
    "csat_score": "smallint",
    "category": "text",
    "handed_off": "boolean",
    "abandoned": "boolean",
    "bot_resolved": "boolean",
    "messages": "integer",
    "contact_messages": "integer",
    "agent_messages": "integer",
    "bot_messages": "integer",
    "transfers": "integer",
    "unanswered_since": "timestamptz",
    "unanswered_rev": "bigint",
}
assert [field.name for field in fields(Figures)] == list(_FIGURES)


def _unnest(columns: dict[str, str]) -> str:
    return ", ".join(f"${index}::{kind}[]" for index, kind in enumerate(columns.values(), start=1))


_INSERT_FACTS = (
    f"INSERT INTO facts ({', '.join(_FACT)}) SELECT new.* FROM unnest({_unnest(_FACT)}) AS new({', '.join(_FACT)}) "  # noqa: S608 - our names
    "WHERE NOT EXISTS (SELECT FROM erased_conversations e WHERE e.conversation_id = new.entity_id) "
    "ON CONFLICT DO NOTHING RETURNING event_id"
)
_WRITE_FIGURES = (
    f"UPDATE conversation_figures f SET {', '.join(f'{name} = new.{name}' for name in _FIGURES if name != 'conversation_id')} "  # noqa: S608
    f"FROM unnest({_unnest(_FIGURES)}) AS new({', '.join(_FIGURES)}) WHERE f.conversation_id = new.conversation_id"
)


async def insert(conn: asyncpg.Connection, facts: Sequence[Fact]) -> set[str]:
    """Appends facts in one statement; returns the event ids of those that were not there yet."""
    arrays = [[getattr(fact, name) for fact in facts] for name in _FACT]
    return {str(row[0]) for row in await conn.fetch(_INSERT_FACTS, *arrays)}


async def history(conn: asyncpg.Connection, entity_ids: Iterable[str]) -> dict[str, list[Fact]]:
    """Every fact of some conversations that changes their figures, by revision."""
    rows = await conn.fetch(
        f"SELECT {', '.join(_FACT)} FROM facts WHERE entity_id = ANY($1::uuid[]) AND rev > 0 ORDER BY entity_id, rev",  # noqa: S608
        list(entity_ids),
    )
    return {
        str(entity_id): [_fact(row) for row in own]
        for entity_id, own in groupby(rows, lambda row: row["entity_id"])
    }


async def conversations_after(conn: asyncpg.Connection, after: str, limit: int) -> list[str]:
    """The next conversations that have facts, by id; skips from one to the next instead of reading every fact."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE next(id) AS (
            (SELECT entity_id FROM facts WHERE entity_id > $1 AND rev > 0 ORDER BY entity_id LIMIT 1)
            UNION ALL
            SELECT (SELECT entity_id FROM facts WHERE entity_id > next.id AND rev > 0 ORDER BY entity_id LIMIT 1)
            FROM next WHERE next.id IS NOT NULL
        )
        SELECT id FROM next WHERE id IS NOT NULL LIMIT $2
        """,
        uuid.UUID(after) if after else uuid.UUID(int=0),
        limit,
    )
    return [str(row["id"]) for row in rows]


async def lock_figures(conn: asyncpg.Connection, conversation_ids: Iterable[str]) -> dict[str, Figures]:
    """Locks the figures of some conversations, in one order for everybody; new ones begin empty."""
    ids = sorted(conversation_ids)
    # The rows must be there before they can be locked: two consumers may meet a new conversation at once.
    await conn.execute(
        "INSERT INTO conversation_figures (conversation_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        ids,
    )
    rows = await conn.fetch(
        f"SELECT {', '.join(_FIGURES)} FROM conversation_figures WHERE conversation_id = ANY($1::uuid[]) "  # noqa: S608
        "ORDER BY conversation_id FOR UPDATE",
        ids,
    )
    return {figures.conversation_id: figures for figures in map(_figures, rows)}


async def write_figures(conn: asyncpg.Connection, figures: Sequence[Figures]) -> None:
    """Writes figures whose rows this transaction holds."""
    arrays = [[getattr(one, name) for one in figures] for name in _FIGURES]
    await conn.execute(_WRITE_FIGURES, *arrays)


async def figures_of(conn: asyncpg.Connection, conversation_id: str) -> Figures | None:
    """One conversation's figures."""
    row = await conn.fetchrow(
        f"SELECT {', '.join(_FIGURES)} FROM conversation_figures WHERE conversation_id = $1",  # noqa: S608
        conversation_id,
    )
    return None if row is None else _figures(row)


async def erase(conn: asyncpg.Connection, conversation_ids: Sequence[str]) -> None:
    """Forgets conversations: no facts, no texts, nothing that leads to the contact. Their numbers stay in the reports."""
    ids = sorted(conversation_ids)
    await conn.execute(
        "INSERT INTO erased_conversations (conversation_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        ids,
    )
    # Whoever writes figures of these finishes first, and whoever comes later finds them erased.
    await conn.execute(
        "WITH held AS (SELECT conversation_id FROM conversation_figures WHERE conversation_id = ANY($1::uuid[]) "
        "ORDER BY conversation_id FOR UPDATE) "
        "UPDATE conversation_figures SET contact_id = NULL WHERE conversation_id IN (SELECT conversation_id FROM held)",
        ids,
    )
    await conn.execute("DELETE FROM facts WHERE entity_id = ANY($1::uuid[])", ids)
    await conn.execute("DELETE FROM inspection_jobs WHERE conversation_id = ANY($1::uuid[])", ids)
    await conn.execute("UPDATE alerts SET matched = '' WHERE conversation_id = ANY($1::uuid[])", ids)
    await conn.execute(
        "UPDATE inspections SET hits = (SELECT coalesce(jsonb_agg(jsonb_set(hit, '{hit,matched}', '\"\"')), '[]') "
        "FROM jsonb_array_elements(hits) AS hit) WHERE conversation_id = ANY($1::uuid[])",
        ids,
    )


async def names_of(conn: asyncpg.Connection, ids: Iterable[str | None]) -> dict[str, str]:
    """The last known names of queues, agents and inboxes by id; those never heard of are left out."""
    wanted = sorted({one for one in ids if one})
    rows = await conn.fetch(
        "SELECT id, name FROM names WHERE kind IN ('agent', 'inbox', 'queue') AND id = ANY($1::uuid[])",
        wanted,
    )
    return {str(row["id"]): row["name"] for row in rows}


async def set_names(conn: asyncpg.Connection, kind: str, names: dict[str, tuple[str, int]]) -> None:
    """What queues, agents or inboxes are called from now on; an older event never wins over a newer one."""
    ids = sorted(names)
    await conn.execute(
        "INSERT INTO names (kind, id, name, seq) SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::bigint[]) "
        "ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, seq = excluded.seq WHERE names.seq <= excluded.seq",
        kind,
        ids,
        [names[one][0] for one in ids],
        [names[one][1] for one in ids],
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _fact(row: asyncpg.Record) -> Fact:
    values: dict[str, Any] = {
        name: _text(row[name]) if kind == "uuid" else row[name] for name, kind in _FACT.items()
    }
    values["kind"] = FactKind(values["kind"])
    return Fact(**values)


def _figures(row: asyncpg.Record) -> Figures:
    values: dict[str, Any] = {
        name: _text(row[name]) if kind == "uuid" else row[name] for name, kind in _FIGURES.items()
    }
    return Figures(**values)
