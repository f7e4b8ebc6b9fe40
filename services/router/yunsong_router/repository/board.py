"""Queues in numbers, and who stands where in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from yunsong_common.db import Transaction


@dataclass(frozen=True, slots=True)
class Numbers:
    """One queue in numbers."""

    queue_id: str
    name: str
    group_id: str
    priority: int
    open: bool
    rev: int
    waiting: int
    first_since: dt.datetime | None
    active: int
    online: int
    free: int
    slots: int
    free_slots: int


async def numbers(tx: Transaction) -> list[Numbers]:
    """All queues by name."""
    rows = await tx.raw.fetch(
        "WITH items AS ("
        "  SELECT queue_id, count(*) FILTER (WHERE state IN ('waiting', 'offered')) AS waiting,"
        "  min(waiting_since) FILTER (WHERE state IN ('waiting', 'offered')) AS first_since,"
        "  count(*) FILTER (WHERE state IN ('assigning', 'assigned')) AS active"
        "  FROM work_items WHERE state <> 'done' GROUP BY queue_id"
        "), staff AS ("
        "  SELECT m.queue_id, count(*) AS online, count(*) FILTER (WHERE a.capacity > a.load) AS free,"
        "  sum(a.capacity) AS slots, sum(greatest(0, a.capacity - a.load)) AS free_slots"
        "  FROM queue_members m JOIN agents a ON a.id = m.agent_id"
        "  WHERE a.enabled AND a.connected AND a.presence = 'online' GROUP BY m.queue_id"
        ") SELECT q.id::text AS queue_id, q.name, q.group_id::text AS group_id, q.priority, q.open, q.board_rev AS rev,"
        "  coalesce(i.waiting, 0)::int AS waiting, i.first_since, coalesce(i.active, 0)::int AS active,"
        "  coalesce(s.online, 0)::int AS online, coalesce(s.free, 0)::int AS free, coalesce(s.slots, 0)::int AS slots,"
        "  coalesce(s.free_slots, 0)::int AS free_slots"
        " FROM queues q LEFT JOIN items i ON i.queue_id = q.id LEFT JOIN staff s ON s.queue_id = q.id ORDER BY q.name, q.id"
    )
    return [Numbers(**dict(row.items())) for row in rows]


async def shared_slots(tx: Transaction) -> dict[tuple[str, str], int]:
    """For each pair of queues the slots of the online agents who serve both."""
    rows = await tx.raw.fetch(
        "SELECT m.queue_id::text AS one, n.queue_id::text AS other, sum(a.capacity)::int AS slots FROM queue_members m "
        "JOIN queue_members n ON n.agent_id = m.agent_id JOIN agents a ON a.id = m.agent_id "
        "WHERE a.enabled AND a.connected AND a.presence = 'online' GROUP BY m.queue_id, n.queue_id"
    )
    return {(row["one"], row["other"]): row["slots"] for row in rows}


async def totals(tx: Transaction) -> tuple[int, int, int]:
    """Load and capacity of the agents who take work, and how many items wait for want of any queue."""
    row = await tx.raw.fetchrow(
        "SELECT coalesce(sum(load), 0)::int AS load, coalesce(sum(capacity), 0)::int AS capacity, "
        "(SELECT count(*) FROM work_items WHERE state = 'waiting' AND queue_id IS NULL)::int AS homeless "
        "FROM agents WHERE enabled AND connected AND presence = 'online'"
    )
    assert row is not None
    return row["load"], row["capacity"], row["homeless"]


async def raise_revs(tx: Transaction, queue_ids: Sequence[str]) -> dict[str, int]:
    """The boards of these queues changed; gives their new revisions."""
    rows = await tx.raw.fetch(
        "UPDATE queues SET board_rev = board_rev + 1 WHERE id = ANY($1) RETURNING id::text AS id, board_rev",
        queue_ids,
    )
    return {row["id"]: row["board_rev"] for row in rows}


async def line(tx: Transaction, depth: int) -> list[tuple[str, str, int]]:
    """The first `depth` conversations of every queue: conversation, queue, position."""
    rows = await tx.raw.fetch(
        "SELECT i.conversation_id::text AS conversation_id, q.id::text AS queue_id, i.position::int AS position FROM queues q "
        "CROSS JOIN LATERAL (SELECT conversation_id, row_number() OVER (ORDER BY (NOT at_head), priority, waiting_since, id) AS position "
        "FROM work_items WHERE queue_id = q.id AND state IN ('waiting', 'offered') "
        "ORDER BY (NOT at_head), priority, waiting_since, id LIMIT $1) i",
        depth,
    )
    return [(row["conversation_id"], row["queue_id"], row["position"]) for row in rows]


async def try_lead(tx: Transaction, what: str) -> bool:
    """Whether this replica does a periodic job this time; until the transaction ends."""
    leads: bool = await tx.raw.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtext('yunsong.router.job'), hashtext($1))", what
    )
    return leads
