"""Events that a consumer could not handle: listed, and tried again on request."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from yunsong_common.db.database import Database


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
    database: Database, *, limit: int = 50, after: str = "", waiting: bool = False
) -> list[DeadLetter]:
    """Dead letters by event id, after that id; with `waiting` also those that are still being tried."""
    rows = await _rows(database, limit, after, waiting)
    return rows


async def _rows(database: Database, limit: int, after: str, waiting: bool) -> list[DeadLetter]:
    raise NotImplementedError


async def replay_dead_letter(database: Database, consumer: str, event_id: str) -> bool:
    """Makes a dead letter due at once, with its attempts counted from zero; False when there is none."""
    raise NotImplementedError
