"""Events that a consumer could not handle: listed, and tried again on request."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from yunsong_common.db.database import Database

_FIRST = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event that failed too often, or still waits for its next attempt (`dead_at` is None)."""

    consumer: str
    event_id: str
    subject: str
    attempts: int
    error: str
    first_failed_at: dt.datetime
    next_attempt_at: dt.datetime | None
    dead_at: dt.datetime | None


async def list_dead_letters(
    database: Database, *, limit: int = 50, after: tuple[str, str] | None = None, waiting: bool = False
) -> list[DeadLetter]:
    """Dead letters by event id and consumer, after that pair; with `waiting` also those that are still being tried."""
    async with database.read() as tx:
        rows = await tx.raw.fetch(
            "SELECT consumer, event_id::text, subject, attempts, error, first_failed_at, next_attempt_at, dead_at "  # noqa: S608
            f'FROM "{database.schema}".dead_letters WHERE (event_id, consumer) > ($1::uuid, $2) AND (dead_at IS NOT NULL OR $3) '
            "ORDER BY event_id, consumer LIMIT $4",
            *(after or (_FIRST, "")), waiting, limit,
        )  # fmt: skip
    return [DeadLetter(**row) for row in rows]


async def replay_dead_letter(database: Database, consumer: str, event_id: str) -> bool:
    """Makes a dead letter due at once, with its attempts counted from zero; False when there is none."""
    async with database.transaction() as tx:
        status = await tx.raw.execute(
            f'UPDATE "{database.schema}".dead_letters SET attempts = 0, dead_at = NULL, next_attempt_at = clock_timestamp() '  # noqa: S608
            "WHERE consumer = $1 AND event_id = $2",
            consumer, event_id,
        )  # fmt: skip
    return bool(status != "UPDATE 0")
