"""Intents: what the conversation service has to accept or refuse."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from yunsong_common.db import Transaction

CHANNEL = "yunsong_router_commands"

# Whoever made or claimed a command works on it; after that long somebody else may, for the first may have died.
CLAIM = dt.timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Command:
    """One intent. `kind` says which call it becomes: SetAssignment or MoveConversation."""

    id: str
    kind: Literal["assign", "move"]
    work_item_id: str
    conversation_id: str
    epoch: int
    reason: str
    agent_id: str | None = None
    agent_name: str = ""
    queue_id: str | None = None
    queue_name: str = ""
    to_state: str = ""
    actor_id: str | None = None
    attempts: int = 0


async def add(tx: Transaction, commands: Sequence[Command], *, claimed: bool = False) -> None:
    """Records commands. `claimed`: the caller runs them once the transaction is committed; else whoever comes first does."""
    now = await tx.now()
    if not claimed:
        await tx.raw.execute(f"SELECT pg_notify('{CHANNEL}', '')")
    await tx.raw.execute(
        "INSERT INTO commands (id, kind, work_item_id, conversation_id, epoch, agent_id, queue_id, to_state, reason, actor_id, "
        "next_attempt_at) SELECT *, $11 FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::int[], $6::uuid[], "
        "$7::uuid[], $8::text[], $9::text[], $10::uuid[])",
        [c.id for c in commands], [c.kind for c in commands], [c.work_item_id for c in commands],
        [c.conversation_id for c in commands], [c.epoch for c in commands], [c.agent_id for c in commands],
        [c.queue_id for c in commands], [c.to_state for c in commands], [c.reason for c in commands],
        [c.actor_id for c in commands], now + CLAIM if claimed else now,
    )  # fmt: skip


async def claim(tx: Transaction, limit: int) -> list[Command]:
    """Takes commands that are due; nobody else gets them for a while."""
    now = await tx.now()
    rows = await tx.raw.fetch(
        "WITH claimed AS (UPDATE commands SET attempts = attempts + 1, next_attempt_at = $2 WHERE id IN ("
        "SELECT id FROM commands WHERE next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) "
        "RETURNING *) SELECT c.id::text, c.kind, c.work_item_id::text, c.conversation_id::text, c.epoch, c.agent_id::text, "
        "c.queue_id::text, c.to_state, c.reason, c.actor_id::text, c.attempts, coalesce(a.name, '') AS agent_name, "
        "coalesce(q.name, '') AS queue_name "
        "FROM claimed c LEFT JOIN agents a ON a.id = c.agent_id LEFT JOIN queues q ON q.id = c.queue_id",
        now, now + CLAIM, limit,
    )  # fmt: skip
    return [_command(row) for row in rows]


async def delete(tx: Transaction, ids: Sequence[str]) -> None:
    """These were accepted, refused or have become pointless."""
    await tx.raw.execute("DELETE FROM commands WHERE id = ANY($1)", ids)


async def delete_of_item(tx: Transaction, work_item_id: str) -> None:
    """What was asked for this item has become pointless."""
    await tx.raw.execute("DELETE FROM commands WHERE work_item_id = $1", work_item_id)


async def postpone(tx: Transaction, command_id: str, until: dt.datetime) -> None:
    """The conversation service did not answer: again later."""
    await tx.raw.execute("UPDATE commands SET next_attempt_at = $2 WHERE id = $1", command_id, until)


def _command(row: Any) -> Command:
    return Command(**dict(row.items()))
