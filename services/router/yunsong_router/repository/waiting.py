"""What waits, looked at by rule and by clock."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from yunsong_common.db import Transaction
from yunsong_router.domain.model import WorkItem
from yunsong_router.repository.items import COLUMNS, item_of


async def adopt_homeless(tx: Transaction, queue_id: str) -> None:
    """Puts what waits without a queue into this one."""
    await tx.raw.execute(
        "UPDATE work_items SET queue_id = $1 WHERE queue_id IS NULL AND state = 'waiting'", queue_id
    )


async def look_again(tx: Transaction, queue_id: str) -> None:
    """The queue's rules changed: every item gets its look now, which sets the time of the next."""
    await tx.raw.execute(
        "UPDATE work_items SET due_at = $2 WHERE queue_id = $1 AND state = 'waiting'",
        queue_id,
        await tx.now(),
    )


async def lock_due(tx: Transaction, now: dt.datetime, limit: int) -> list[WorkItem]:
    """Waiting items whose rules need a look."""
    return await _locked(
        tx, "state = 'waiting' AND NOT moving AND due_at <= $1 ORDER BY due_at LIMIT $2", now, limit
    )


async def set_due(tx: Transaction, due: Mapping[str, dt.datetime | None]) -> None:
    """Writes when items need their next look."""
    await tx.raw.execute(
        "UPDATE work_items w SET due_at = n.due_at FROM unnest($1::uuid[], $2::timestamptz[]) AS n(id, due_at) WHERE w.id = n.id",
        list(due), list(due.values()),
    )  # fmt: skip


async def lock_expired_offers(tx: Transaction, now: dt.datetime, limit: int) -> list[WorkItem]:
    """Offers that nobody answered."""
    return await _locked(
        tx, "state = 'offered' AND offer_expires_at <= $1 ORDER BY offer_expires_at LIMIT $2", now, limit
    )


async def lock_off_hours(tx: Transaction, queue_id: str, limit: int) -> list[WorkItem]:
    """What waits for a queue's opening, the oldest first."""
    return await _locked(
        tx,
        "queue_id = $1 AND state = 'off_hours' AND NOT moving ORDER BY waiting_since, id LIMIT $2",
        queue_id,
        limit,
    )


async def lock_unattended(tx: Transaction, limit: int) -> list[WorkItem]:
    """What waits in a closed queue with no member online."""
    return await _locked(
        tx,
        "state = 'waiting' AND NOT moving AND queue_id IN (SELECT q.id FROM queues q WHERE NOT q.open AND NOT EXISTS ("
        "SELECT 1 FROM queue_members m JOIN agents a ON a.id = m.agent_id "
        "WHERE m.queue_id = q.id AND a.enabled AND a.connected AND a.presence = 'online')) ORDER BY id LIMIT $1",
        limit,
    )


async def queues_with_room_for_off_hours(tx: Transaction) -> list[tuple[str, int]]:
    """Open queues that nothing waits in, though something waits for their opening, and how many items each has members free for."""
    rows = await tx.raw.fetch(
        "SELECT q.id::text AS id, count(a.id)::int AS free FROM queues q JOIN queue_members m ON m.queue_id = q.id "
        "JOIN agents a ON a.id = m.agent_id AND a.enabled AND a.connected AND a.presence = 'online' "
        "WHERE q.open AND EXISTS (SELECT 1 FROM work_items w WHERE w.queue_id = q.id AND w.state = 'off_hours' AND NOT w.moving) "
        "AND NOT EXISTS (SELECT 1 FROM work_items w WHERE w.queue_id = q.id "
        "AND (w.state = 'waiting' OR w.moving AND w.state = 'off_hours')) "
        "AND a.capacity > a.load GROUP BY q.id"
    )
    return [(row["id"], row["free"]) for row in rows]


async def queues_that_change(tx: Transaction, now: dt.datetime) -> list[str]:
    """Queues that open or close about now."""
    rows = await tx.raw.fetch(
        "SELECT id::text AS id FROM queues WHERE next_change_at <= $1 ORDER BY id FOR UPDATE", now
    )
    return [row["id"] for row in rows]


async def set_open(tx: Transaction, queue_id: str, is_open: bool, next_change_at: dt.datetime | None) -> None:
    """Whether a queue is open, and until when."""
    await tx.raw.execute(
        "UPDATE queues SET open = $2, next_change_at = $3 WHERE id = $1", queue_id, is_open, next_change_at
    )


async def earliest_exclusion(
    tx: Transaction, item_ids: Sequence[str], now: dt.datetime
) -> dict[str, dt.datetime]:
    """When somebody may be given an item again."""
    rows = await tx.raw.fetch(
        "SELECT work_item_id::text AS id, min(until) AS until FROM exclusions WHERE work_item_id = ANY($1) AND until > $2 GROUP BY 1",
        item_ids, now,
    )  # fmt: skip
    return {row["id"]: row["until"] for row in rows}


async def drop_exclusions(tx: Transaction, now: dt.datetime) -> None:
    """Forgets exclusions that are over."""
    await tx.raw.execute("DELETE FROM exclusions WHERE until <= $1", now)


async def prune(tx: Transaction, before: dt.datetime, limit: int) -> None:
    """Forgets conversations that are done since long; one that is reopened later begins anew here."""
    rows = await tx.raw.fetch(
        "DELETE FROM work_items WHERE id IN (SELECT id FROM work_items WHERE state = 'done' AND updated_at < $1 LIMIT $2) "
        "RETURNING conversation_id",
        before,
        limit,
    )
    await tx.raw.execute(
        "DELETE FROM promises WHERE conversation_id = ANY($1)", [row["conversation_id"] for row in rows]
    )


async def _locked(tx: Transaction, where: str, *args: Any) -> list[WorkItem]:
    rows = await tx.raw.fetch(f"SELECT {COLUMNS} FROM work_items WHERE {where} FOR UPDATE SKIP LOCKED", *args)
    return [item_of(row) for row in rows]
