"""Deliveries in PostgreSQL: written by the events' handlers, read by lists, changed by the sender and by people."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from yunsong_channel_adapter.domain.delivery import Delivery, Status
from yunsong_common.db import Transaction
from yunsong_common.errors import NotFound
from yunsong_common.ids import new_id

_COLUMNS = (
    "id, inbox_id, conversation_id, message_id, rev, status, attempts, error, next_attempt_at, created_at, sent_at, "
    "message"
)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message that has to go out."""

    inbox_id: str
    conversation_id: str
    contact_id: str
    message_id: str
    rev: int
    message: Mapping[str, Any]


async def insert(tx: Transaction, new: Sequence[NewDelivery]) -> int:
    """Stores deliveries that are not there yet, and makes their lanes due; returns how many were new.

    Lanes first and sorted: everyone locks them before deliveries, and in this order.
    """
    now = await tx.now()
    lanes = {each.conversation_id: each for each in new}
    ordered = [lanes[conversation_id] for conversation_id in sorted(lanes)]
    await tx.raw.execute(
        "INSERT INTO lanes (conversation_id, inbox_id, contact_id, due_at, touched_at) "
        "SELECT c, i, p, $4, $4 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS t (c, i, p) "
        "ON CONFLICT (conversation_id) DO UPDATE SET due_at = COALESCE(lanes.due_at, excluded.due_at), "
        "contact_id = excluded.contact_id, touched_at = excluded.touched_at",
        [each.conversation_id for each in ordered],
        [each.inbox_id for each in ordered],
        [each.contact_id or None for each in ordered],
        now,
    )
    status: str = await tx.raw.execute(
        "INSERT INTO deliveries (id, inbox_id, conversation_id, message_id, rev, status, message, created_at, "
        "next_attempt_at) "
        "SELECT d, i, c, m, r, 'QUEUED', b, $7, $7 "
        "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::jsonb[]) "
        "AS t (d, i, c, m, r, b) ON CONFLICT (message_id) DO NOTHING",
        # Ids of the same millisecond are in no order; lists show these in the order of their messages.
        sorted(new_id() for _ in new),
        [each.inbox_id for each in new],
        [each.conversation_id for each in new],
        [each.message_id for each in new],
        [each.rev for each in new],
        [json.dumps(dict(each.message)) for each in new],
        now,
    )
    return int(status.rpartition(" ")[2])


async def get(tx: Transaction, delivery_id: str, *, lock: bool = False) -> Delivery:
    """The delivery. With `lock` its lane is locked first, as everyone does. Raises `NotFound` (DELIVERY_UNKNOWN)."""
    if lock:
        await tx.raw.execute(
            "SELECT 1 FROM lanes WHERE conversation_id = (SELECT conversation_id FROM deliveries WHERE id = $1) "
            "FOR UPDATE",
            delivery_id,
        )
    row = await tx.raw.fetchrow(
        f"SELECT {_COLUMNS} FROM deliveries WHERE id = $1" + (" FOR UPDATE" if lock else ""),  # noqa: S608
        delivery_id,
    )
    if row is None:
        raise NotFound(
            reason="DELIVERY_UNKNOWN", message=f"there is no delivery {delivery_id}", delivery_id=delivery_id
        )
    return delivery_of(row)


async def lock_by_message(
    tx: Transaction, inbox_id: str, *, message_id: str = "", external_id: str = ""
) -> Delivery | None:
    """The delivery of a message of this inbox, by our id or the channel's, locked with its lane; None when unknown."""
    if not message_id and not external_id:
        return None
    by = ("message_id", message_id) if message_id else ("external_id <> '' AND external_id", external_id)
    found = await tx.raw.fetchval(
        f"SELECT id FROM deliveries WHERE inbox_id = $1 AND {by[0]} = $2 ORDER BY id DESC LIMIT 1",  # noqa: S608
        inbox_id, by[1],
    )  # fmt: skip
    return None if found is None else await get(tx, str(found), lock=True)


async def list_newest(
    tx: Transaction,
    *,
    limit: int,
    before: str = "",
    inbox_id: str = "",
    conversation_id: str = "",
    statuses: Sequence[Status] = (),
) -> list[Delivery]:
    """Deliveries, newest first, older than the id `before`."""
    clauses, values = ["true"], list[object]()

    def clause(text: str, value: object) -> None:
        values.append(value)
        clauses.append(text.format(f"${len(values)}"))

    if before:
        clause("id < {}::uuid", before)
    if inbox_id:
        clause("inbox_id = {}::uuid", inbox_id)
    if conversation_id:
        clause("conversation_id = {}::uuid", conversation_id)
    if statuses:
        clause("status = ANY({}::text[])", [str(status) for status in statuses])
    if statuses and all(status in GIVEN_UP for status in statuses):
        # Says what the partial index says, so that the planner may use it.
        clauses.append("status IN ('DEAD', 'UNCERTAIN', 'SKIPPED')")
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM deliveries WHERE {' AND '.join(clauses)} "  # noqa: S608 - values are parameters
        f"ORDER BY id DESC LIMIT {int(limit)}",
        *values,
    )
    return [delivery_of(row) for row in rows]


GIVEN_UP = (Status.DEAD, Status.UNCERTAIN, Status.SKIPPED)


async def requeue(tx: Transaction, delivery: Delivery) -> None:
    """Makes a delivery due at once, with its attempts counted from zero."""
    now = await tx.now()
    await tx.raw.execute(
        "UPDATE deliveries SET status = 'QUEUED', attempts = 0, error = '', next_attempt_at = $2 WHERE id = $1",
        delivery.id, now,
    )  # fmt: skip
    await _make_due(tx, delivery.conversation_id, now)


async def skip(tx: Transaction, delivery: Delivery, reason: str) -> None:
    """Gives a delivery up and lets the next one go."""
    await tx.raw.execute(
        "UPDATE deliveries SET status = 'SKIPPED', error = $2, next_attempt_at = NULL WHERE id = $1",
        delivery.id, reason,
    )  # fmt: skip
    await _make_due(tx, delivery.conversation_id, await tx.now())


async def mark_dead(tx: Transaction, delivery: Delivery, error: str) -> None:
    """Records that the channel gave a delivery up after it had taken it."""
    await tx.raw.execute(
        "UPDATE deliveries SET status = 'DEAD', error = $2, next_attempt_at = NULL WHERE id = $1",
        delivery.id, error,
    )  # fmt: skip


async def replace_message(tx: Transaction, message_id: str, message: Mapping[str, Any]) -> None:
    """Changes what a delivery will say, as long as it has not been tried."""
    await tx.raw.execute(
        "UPDATE deliveries SET message = $2 WHERE message_id = $1 AND status = 'QUEUED'",
        message_id, json.dumps(dict(message)),
    )  # fmt: skip


async def find_open(tx: Transaction, message_id: str) -> Delivery | None:
    """The delivery of a message while it waits for its turn or its next attempt, locked with its lane."""
    found = await tx.raw.fetchval(
        "SELECT id FROM deliveries WHERE message_id = $1 AND status IN ('QUEUED', 'RETRYING')", message_id
    )
    if found is None:
        return None
    delivery = await get(tx, str(found), lock=True)
    return delivery if delivery.status in (Status.QUEUED, Status.RETRYING) else None


async def delete_of_conversations(tx: Transaction, conversation_ids: Sequence[str]) -> None:
    """Deletes everything that is kept of conversations."""
    for table in ("lanes", "deliveries", "reports"):
        await tx.raw.execute(
            f"DELETE FROM {table} WHERE conversation_id = ANY($1::uuid[])",  # noqa: S608 - our tables
            conversation_ids,
        )


async def delete_of_inbox(tx: Transaction, inbox_id: str) -> None:
    """Deletes an inbox's lanes and deliveries: without the inbox they can neither be sent nor shown."""
    for table in ("lanes", "deliveries"):
        await tx.raw.execute(f"DELETE FROM {table} WHERE inbox_id = $1", inbox_id)  # noqa: S608 - our tables


async def prune(tx: Transaction, older_than: dt.datetime, limit: int) -> int:
    """Deletes at most `limit` deliveries that are done, and lanes that were idle as long; returns how many."""
    status: str = await tx.raw.execute(
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE created_at < $1 "
        "AND status NOT IN ('QUEUED', 'SENDING', 'RETRYING') LIMIT $2)",
        older_than, limit,
    )  # fmt: skip
    lanes: str = await tx.raw.execute(
        "DELETE FROM lanes WHERE conversation_id IN (SELECT conversation_id FROM lanes "
        "WHERE due_at IS NULL AND touched_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        older_than, limit,
    )  # fmt: skip
    return int(status.rpartition(" ")[2]) + int(lanes.rpartition(" ")[2])


def delivery_of(row: asyncpg.Record) -> Delivery:
    """The delivery of a row with all columns."""
    return Delivery(
        id=str(row["id"]),
        inbox_id=str(row["inbox_id"]),
        conversation_id=str(row["conversation_id"]),
        message_id=str(row["message_id"]),
        rev=row["rev"],
        status=Status(row["status"]),
        attempts=row["attempts"],
        error=row["error"],
        next_attempt_at=row["next_attempt_at"],
        created_at=row["created_at"],
        sent_at=row["sent_at"],
        message=row["message"],
    )


async def _make_due(tx: Transaction, conversation_id: str, now: dt.datetime) -> None:
    # Whoever holds the lease looks at the lane again by itself.
    await tx.raw.execute(
        "UPDATE lanes SET due_at = $2, touched_at = $2 WHERE conversation_id = $1 AND lease_id IS NULL",
        conversation_id, now,
    )  # fmt: skip
