"""Lanes in PostgreSQL: one per conversation, so that its deliveries go one after the other.

A lane's lease says which process works on it. Whoever changes a lane or its deliveries locks the lane's row first; what is
read after that is not changed by others until the commit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from yunsong_channel_adapter.domain.delivery import Delivery, Outcome, Status
from yunsong_channel_adapter.repository.deliveries import delivery_of
from yunsong_common.db import Transaction
from yunsong_common.ids import new_id


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that this process holds."""

    conversation_id: str
    inbox_id: str
    lease_id: str


@dataclass(frozen=True, slots=True)
class LaneState:
    """What is known of a lane, read under its lock."""

    contact_id: str
    identity: str
    seen_rev: int


async def claim(
    tx: Transaction, *, limit: int, lease_s: float, busy_inboxes: Sequence[str] = ()
) -> list[Lane]:
    """Takes lanes that are due, or whose holder's lease has run out, the longest due first."""
    now = await tx.now()
    lease_id = new_id()
    rows = await tx.raw.fetch(
        "UPDATE lanes SET lease_id = $3, due_at = $4 WHERE conversation_id IN ("
        "SELECT conversation_id FROM lanes WHERE due_at <= $1 AND NOT inbox_id = ANY($5::uuid[]) "
        "ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING conversation_id, inbox_id",
        now, limit, lease_id, now + dt.timedelta(seconds=lease_s), busy_inboxes,
    )  # fmt: skip
    return [Lane(str(row["conversation_id"]), str(row["inbox_id"]), lease_id) for row in rows]


async def lock(tx: Transaction, lane: Lane) -> LaneState | None:
    """Locks a lane; None when this process no longer holds it."""
    row = await tx.raw.fetchrow(
        "SELECT contact_id, identity, seen_rev FROM lanes WHERE conversation_id = $1 AND lease_id = $2 FOR UPDATE",
        lane.conversation_id, lane.lease_id,
    )  # fmt: skip
    return None if row is None else LaneState(str(row["contact_id"] or ""), row["identity"], row["seen_rev"])


async def head(tx: Transaction, conversation_id: str) -> Delivery | None:
    """The first delivery of a conversation that is not done."""
    row = await tx.raw.fetchrow(
        "SELECT id, inbox_id, conversation_id, message_id, rev, status, attempts, error, next_attempt_at, created_at, "
        "sent_at, message FROM deliveries WHERE conversation_id = $1 AND status IN ('QUEUED', 'SENDING', 'RETRYING') "
        "ORDER BY rev LIMIT 1",
        conversation_id,
    )
    return None if row is None else delivery_of(row)


async def begin_attempt(tx: Transaction, lane: Lane, delivery: Delivery, *, lease_s: float) -> None:
    """Records that an attempt starts now, before anything goes out, and renews the lease."""
    await tx.raw.execute(
        "UPDATE deliveries SET status = 'SENDING', attempts = attempts + 1, next_attempt_at = NULL WHERE id = $1",
        delivery.id,
    )
    await tx.raw.execute(
        "UPDATE lanes SET due_at = $2, seen_rev = GREATEST(seen_rev, $3) WHERE conversation_id = $1",
        lane.conversation_id, await tx.now() + dt.timedelta(seconds=lease_s), delivery.rev,
    )  # fmt: skip


async def record(tx: Transaction, delivery: Delivery, outcome: Outcome, *, pause_s: float) -> bool:
    """Records what the attempt `delivery.attempts` came to; False when it is settled otherwise meanwhile.

    Another process may have found the attempt after the lease ran out and called it uncertain; this one knows better.
    """
    now = await tx.now()
    await tx.raw.execute(
        "SELECT 1 FROM lanes WHERE conversation_id = $1 FOR UPDATE", delivery.conversation_id
    )
    retrying = outcome.status is Status.RETRYING
    status: str = await tx.raw.execute(
        "UPDATE deliveries SET status = $3, error = $4, external_id = $5, next_attempt_at = $6, sent_at = $7 "
        "WHERE id = $1 AND attempts = $2 AND status IN ('SENDING', 'UNCERTAIN')",
        delivery.id,
        delivery.attempts,
        str(outcome.status),
        outcome.error,
        outcome.external_id,
        now + dt.timedelta(seconds=pause_s) if retrying else None,
        now if outcome.status is Status.SENT else None,
    )
    return status.endswith("1")


async def release(tx: Transaction, lane: Lane, due_at: dt.datetime | None) -> None:
    """Gives a lane back; somebody looks at it at `due_at`, or when a new delivery comes."""
    await tx.raw.execute(
        "UPDATE lanes SET lease_id = NULL, due_at = $3, touched_at = $4 WHERE conversation_id = $1 AND lease_id = $2",
        lane.conversation_id, lane.lease_id, due_at, await tx.now(),
    )  # fmt: skip


async def learn(tx: Transaction, lane: Lane, *, identity: str, seen_rev: int) -> None:
    """Keeps what the conversation service said about a lane."""
    await tx.raw.execute(
        "UPDATE lanes SET identity = $3, seen_rev = GREATEST(seen_rev, $4) WHERE conversation_id = $1 AND lease_id = $2",
        lane.conversation_id, lane.lease_id, identity, seen_rev,
    )  # fmt: skip


async def identity_of(tx: Transaction, conversation_id: str) -> str:
    """Who gets a conversation's answers; empty when that is not known here yet."""
    found = await tx.raw.fetchval("SELECT identity FROM lanes WHERE conversation_id = $1", conversation_id)
    return found or ""


async def remember_identity(tx: Transaction, conversation_id: str, inbox_id: str, identity: str) -> None:
    """Keeps who wrote in a conversation last: that is who gets the answers."""
    await tx.raw.execute(
        "INSERT INTO lanes (conversation_id, inbox_id, identity, touched_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (conversation_id) DO UPDATE SET identity = excluded.identity "
        "WHERE lanes.identity <> excluded.identity",
        conversation_id, inbox_id, identity, await tx.now(),
    )  # fmt: skip
