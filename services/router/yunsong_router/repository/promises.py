"""The promises of conversations."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from yunsong_common.db import Transaction
from yunsong_router.domain.promises import Clock, Clocks, Promise, Status


@dataclass(slots=True)
class Promises:
    """A conversation's clocks and whom they concern."""

    conversation_id: str
    queue_id: str | None = None
    agent_id: str | None = None
    running: bool = False  # people have the conversation: it waits, or an agent has it
    answered_rev: int = 0  # the conversation's revision of the agent's last answer
    clocks: Clocks = field(default_factory=Clocks)


_COLUMNS = (
    "conversation_id::text AS conversation_id, queue_id::text AS queue_id, agent_id::text AS agent_id, running, answered, answered_rev, "
    "first_status, first_due_at, first_warn_at, next_status, next_due_at, next_warn_at"
)


async def lock(tx: Transaction, conversation_ids: Iterable[str]) -> dict[str, Promises]:
    """The promises of conversations, locked in the order of their ids."""
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM promises WHERE conversation_id = ANY($1) ORDER BY conversation_id FOR UPDATE",
        list(conversation_ids),
    )
    return {row["conversation_id"]: _promises_of(row) for row in rows}


async def due(tx: Transaction, now: dt.datetime, limit: int) -> list[Promises]:
    """Those whose timer has come, locked; what somebody else holds is left to them."""
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM promises WHERE timer_at <= $1 ORDER BY timer_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        now, limit,
    )  # fmt: skip
    return [_promises_of(row) for row in rows]


async def save(tx: Transaction, promises: Sequence[Promises]) -> None:
    """Writes them."""
    await tx.raw.executemany(
        "INSERT INTO promises (conversation_id, queue_id, agent_id, running, answered, answered_rev, first_status, first_due_at, "
        "first_warn_at, next_status, next_due_at, next_warn_at, timer_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (conversation_id) DO UPDATE SET "
        "queue_id = excluded.queue_id, agent_id = excluded.agent_id, running = excluded.running, answered = excluded.answered, "
        "answered_rev = excluded.answered_rev, first_status = excluded.first_status, first_due_at = excluded.first_due_at, "
        "first_warn_at = excluded.first_warn_at, next_status = excluded.next_status, next_due_at = excluded.next_due_at, "
        "next_warn_at = excluded.next_warn_at, timer_at = excluded.timer_at",
        [
            (
                p.conversation_id, p.queue_id, p.agent_id, p.running, p.clocks.answered, p.answered_rev,
                *_values(p.clocks.first), *_values(p.clocks.next), p.clocks.timer,
            )
            for p in promises
        ],
    )  # fmt: skip


def _values(clock: Clock | None) -> tuple[str | None, dt.datetime | None, dt.datetime | None]:
    return (None, None, None) if clock is None else (clock.status.value, clock.due_at, clock.warn_at)


def _promises_of(row: Any) -> Promises:
    return Promises(
        conversation_id=row["conversation_id"],
        queue_id=row["queue_id"],
        agent_id=row["agent_id"],
        running=row["running"],
        answered_rev=row["answered_rev"],
        clocks=Clocks(_clock(row, Promise.FIRST), _clock(row, Promise.NEXT), row["answered"]),
    )


def _clock(row: Any, promise: Promise) -> Clock | None:
    status = row[f"{promise.value}_status"]
    if status is None:
        return None
    return Clock(promise, Status(status), row[f"{promise.value}_due_at"], row[f"{promise.value}_warn_at"])
