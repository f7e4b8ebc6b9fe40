"""Full-text search over messages, newest first.

PostgreSQL cannot read a GIN index in an order, so a frequent word would mean fetching and sorting every hit. Frequent words
are dense, rare ones few: first the newest messages are looked through, then all hits are taken if they are few, else older
messages are looked through in growing steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from yunsong_common.db import Transaction
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.domain.messages import Message
from yunsong_conversation.domain.states import State
from yunsong_conversation.repository.messages import COLUMNS, message_from

RECENT = 4_000  # messages looked through at first
FEW = 3_000  # hits that can be fetched and sorted
_STEPS = 6
_OWN = 1_000  # conversations of a restricted viewer, newest first

_FROM = (
    "FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN contacts k ON k.id = c.contact_id "
)
_SELECT = f"SELECT {COLUMNS}, c.contact_id, k.name AS contact_name, c.state "


@dataclass(frozen=True, slots=True)
class Hit:
    """One message that was found."""

    message: Message
    contact_id: str
    contact_name: str
    state: State


async def find(
    tx: Transaction,
    viewer: Viewer,
    terms: Sequence[str],
    *,
    conversation_id: str = "",
    contact_id: str = "",
    before_id: str = "",
    limit: int,
) -> list[Hit]:
    """Messages that hold all terms and that the viewer may see, newest first, older than `before_id`.

    Wants a snapshot: `db.read(snapshot=True)`.
    """
    # How many messages hold a word decides which way is short, so a plan that fits every word fits none.
    await tx.raw.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    query = " & ".join(_quoted(term) for term in terms)
    if conversation_id:
        return await _within(tx, viewer, query, "c.id = $4::uuid", conversation_id, before_id, limit)
    if contact_id:
        return await _within(tx, viewer, query, "c.contact_id = $4::uuid", contact_id, before_id, limit)
    if not viewer.sees_all:
        return await _of_viewer(tx, viewer, query, before_id, limit)
    return await _anywhere(tx, query, before_id, limit)


async def _anywhere(tx: Transaction, query: str, before_id: str, limit: int) -> list[Hit]:
    ids, edge = await _look_through(tx, query, before_id, RECENT, limit)
    if len(ids) < limit and edge:
        few = await tx.raw.fetch(
            "SELECT m.id FROM messages m WHERE m.search @@ $1::text::tsquery LIMIT $2", query, FEW + 1
        )
        if len(few) <= FEW:
            hits = sorted((str(row["id"]) for row in few), reverse=True)
            ids = [one for one in hits if not before_id or one < before_id][:limit]
        else:
            ids = await _further(tx, query, ids, edge, limit)
    rows = await tx.raw.fetch(f"{_SELECT}{_FROM}WHERE m.id = ANY($1::uuid[]) ORDER BY m.id DESC", ids)
    return [_hit(row) for row in rows]


async def _further(tx: Transaction, query: str, ids: list[str], edge: str, limit: int) -> list[str]:
    count = RECENT
    for _ in range(_STEPS):
        count *= 4
        more, edge = await _look_through(tx, query, edge, count, limit - len(ids))
        ids = [*ids, *more]
        if len(ids) >= limit or not edge:
            break
    return ids


async def _look_through(
    tx: Transaction, query: str, before_id: str, count: int, limit: int
) -> tuple[list[str], str]:
    """Hits among the `count` newest messages older than `before_id`, and the oldest of those; empty when there are no more."""
    edge = await tx.raw.fetchval(
        "SELECT id FROM messages WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC OFFSET $2 LIMIT 1",
        before_id or None, count,
    )  # fmt: skip
    rows = await tx.raw.fetch(
        # The coalesce keeps the planner from the GIN index, which would fetch every hit there is.
        "SELECT m.id FROM messages m WHERE ($2::uuid IS NULL OR m.id < $2) AND ($3::uuid IS NULL OR m.id >= $3) "
        "AND coalesce(m.search, '') @@ $1::text::tsquery ORDER BY m.id DESC LIMIT $4",
        query, before_id or None, edge, limit,
    )  # fmt: skip
    return [str(row["id"]) for row in rows], str(edge) if edge else ""


async def _within(
    tx: Transaction, viewer: Viewer, query: str, condition: str, value: str, before_id: str, limit: int
) -> list[Hit]:
    access, params = _access(viewer, 5)
    rows = await tx.raw.fetch(
        f"{_SELECT}{_FROM}WHERE {condition} AND coalesce(m.search, '') @@ $1::text::tsquery "
        f"AND ($2::uuid IS NULL OR m.id < $2) {access}ORDER BY m.id DESC LIMIT $3",
        query, before_id or None, limit, value, *params,
    )  # fmt: skip
    return [_hit(row) for row in rows]


async def _of_viewer(tx: Transaction, viewer: Viewer, query: str, before_id: str, limit: int) -> list[Hit]:
    rows = await tx.raw.fetch(
        "WITH own AS MATERIALIZED (SELECT id FROM ("  # noqa: S608 - parts of our own, values as parameters
        "SELECT id, last_message_at FROM conversations WHERE participant_ids @> ARRAY[$4::uuid] "
        "UNION SELECT id, last_message_at FROM conversations WHERE mentioned_ids @> ARRAY[$4::uuid] AND mentioned_ids <> '{}' "
        "UNION SELECT id, last_message_at FROM conversations WHERE state IN (2, 3) AND queue_id = ANY($5::uuid[])) u "
        f"ORDER BY last_message_at DESC LIMIT {_OWN}), "
        # The inner LIMIT keeps the planner to one index scan per conversation; a prepared plan would else read all messages.
        "found AS MATERIALIZED (SELECT m.id FROM own CROSS JOIN LATERAL (SELECT id FROM messages WHERE conversation_id = own.id "
        "AND coalesce(search, '') @@ $1::text::tsquery AND ($2::uuid IS NULL OR id < $2) ORDER BY rev DESC LIMIT $3) m "
        "ORDER BY m.id DESC LIMIT $3) "
        f"{_SELECT}{_FROM}WHERE m.id IN (SELECT id FROM found) ORDER BY m.id DESC",
        query, before_id or None, limit, viewer.actor.id, sorted(viewer.queue_ids),
    )  # fmt: skip
    return [_hit(row) for row in rows]


def _access(viewer: Viewer, first: int) -> tuple[str, list[object]]:
    if viewer.sees_all:
        return "", []
    user, queues = f"${first}::uuid", f"${first + 1}::uuid[]"
    return (
        f"AND (c.participant_ids @> ARRAY[{user}] OR c.mentioned_ids @> ARRAY[{user}] "
        f"OR (c.state IN (2, 3) AND c.queue_id = ANY({queues}))) "
    ), [viewer.actor.id, sorted(viewer.queue_ids)]


def _hit(row: asyncpg.Record) -> Hit:
    return Hit(message_from(row), str(row["contact_id"]), row["contact_name"], State(row["state"]))


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


__all__ = ["Hit", "find"]
