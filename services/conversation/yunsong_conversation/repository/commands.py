"""Commands of other services that were carried out, so that a repetition gets the first answer."""

from __future__ import annotations

from dataclasses import dataclass

from yunsong_common.db import Transaction


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a command."""

    rev: int
    epoch: int


async def find(tx: Transaction, command_id: str) -> Done | None:
    """The first answer; None for a new command."""
    row = await tx.raw.fetchrow("SELECT rev, epoch FROM commands WHERE id = $1", command_id)
    return None if row is None else Done(row["rev"], row["epoch"])


async def keep(tx: Transaction, command_id: str, conversation_id: str, done: Done) -> None:
    """Keeps the answer."""
    await tx.raw.execute(
        "INSERT INTO commands (id, conversation_id, rev, epoch) VALUES ($1, $2, $3, $4)",
        command_id, conversation_id, done.rev, done.epoch,
    )  # fmt: skip


async def prune(tx: Transaction, *, days: int, limit: int = 5000) -> int:
    """Deletes at most `limit` of those older than `days`; returns how many."""
    status = await tx.raw.execute(
        "DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE created_at < clock_timestamp() - make_interval(days => $1) "
        "LIMIT $2)",
        days, limit,
    )  # fmt: skip
    return int(status.rpartition(" ")[2])
