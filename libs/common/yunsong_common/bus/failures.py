"""Events that failed: stored before they are acknowledged, tried again with growing pauses, given up after enough attempts."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from yunsong_common.bus.subscription import EventMeta
from yunsong_common.db.database import Database, Transaction
from yunsong_common.errors import Unavailable, YunsongError
from yunsong_common.telemetry import Metrics

if TYPE_CHECKING:
    from yunsong_common.bus.consumer import Consumer, Item

LOG = logging.getLogger(__name__)

_EVERY_S = 1.0
_AT_ONCE = 50
# While an attempt runs, no other replica takes the event; a crash frees it after this long.
_LEASE_S = 60


def pause_before(attempt: int) -> float:
    """Seconds before an attempt: 1, 2, 4, … at most 60. Twelve attempts take about six minutes."""
    return float(min(2 ** max(0, attempt - 2), 60))


def describe(error: Exception) -> str:
    """What is kept about an error: its type, and our own reason and message; other errors' texts may hold content."""
    if isinstance(error, YunsongError):
        return f"{error.kind.value} {error.reason}: {error.message}"[:500]
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = f" in {traceback.tb_frame.f_code.co_qualname}:{traceback.tb_lineno}" if traceback else ""
    return f"{type(error).__name__}{place}"


async def store_failures(
    database: Database, consumer: str, failures: Sequence[tuple[Item, Exception]]
) -> None:
    """Stores events that failed for the first time, due again in a second, and marks them processed."""
    schema = database.schema
    async with database.transaction() as tx:
        for item, error in sorted(failures, key=lambda failure: failure[0].meta.event_id):
            fresh = await tx.raw.fetchval(
                f'INSERT INTO "{schema}".processed_events (consumer, event_id) VALUES ($1, $2) '  # noqa: S608
                "ON CONFLICT DO NOTHING RETURNING 1",
                consumer, item.meta.event_id,
            )  # fmt: skip
            if fresh is None:
                continue  # another replica has handled it meanwhile
            await tx.raw.execute(
                f'INSERT INTO "{schema}".dead_letters (consumer, event_id, subject, payload, headers, attempts, error, next_attempt_at) '  # noqa: S608
                "VALUES ($1, $2, $3, $4, $5::text::jsonb, 1, $6, clock_timestamp() + make_interval(secs => $7)) ON CONFLICT DO NOTHING",
                consumer, item.meta.event_id, item.meta.subject, item.payload, _headers(item), describe(error), pause_before(2),
            )  # fmt: skip


class Retries:
    """Tries one consumer's failed events again. `run` works until cancelled."""

    def __init__(self, consumer: Consumer, database: Database, metrics: Metrics) -> None:
        self._consumer = consumer
        self._database = database
        self._schema = database.schema
        self._dead = metrics.counter("yunsong_consumer_dead_letters_total", consumer.name)

    async def run(self) -> None:
        """Looks once a second for events that are due."""
        while True:
            try:
                while await self._round() == _AT_ONCE:
                    pass
            except Unavailable as error:
                LOG.debug("retries of %s wait: %s", self._consumer.name, error)
            await asyncio.sleep(_EVERY_S)

    async def _round(self) -> int:
        prefixes = [f"{subject}." for subject in self._consumer.subscriptions]
        # One statement, so it needs no transaction around it; every consumer does this every second.
        async with self._database.read() as tx:
            rows = await tx.raw.fetch(
                f'UPDATE "{self._schema}".dead_letters SET next_attempt_at = clock_timestamp() + make_interval(secs => $3) '  # noqa: S608
                f'WHERE (consumer, event_id) IN (SELECT consumer, event_id FROM "{self._schema}".dead_letters '
                "WHERE consumer = $1 AND dead_at IS NULL AND next_attempt_at <= clock_timestamp() "
                "AND regexp_replace(subject, '[^.]+$', '') = ANY($4::text[]) ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED) "
                "RETURNING event_id, subject, payload, headers::text, attempts",
                self._consumer.name, _AT_ONCE, float(_LEASE_S), prefixes,
            )  # fmt: skip
        for row in sorted(rows, key=lambda row: str(row["event_id"])):
            await self._again(row)
        return len(rows)

    async def _again(self, row: asyncpg.Record) -> None:
        headers: dict[str, Any] = json.loads(row["headers"])
        event_id = str(row["event_id"])
        attempt = row["attempts"] + 1
        meta = EventMeta(
            event_id,
            row["subject"],
            dt.datetime.fromisoformat(headers["occurred_at"]),
            attempt,
            int(headers["seq"]),
        )
        item = self._consumer.item_of(meta, row["payload"], headers.get("traceparent", ""))
        if item is None:
            return

        async def claim(tx: Transaction) -> bool:
            status = await tx.raw.execute(
                f'DELETE FROM "{self._schema}".dead_letters WHERE consumer = $1 AND event_id = $2',  # noqa: S608
                self._consumer.name, event_id,
            )  # fmt: skip
            return bool(status != "DELETE 0")

        try:
            await self._consumer.retry(item, claim)
        except Exception as error:  # noqa: BLE001 - it is stored with the event
            await self._failed_again(item, attempt, error)

    async def _failed_again(self, item: Item, attempt: int, error: Exception) -> None:
        dead = attempt >= item.subscription.max_attempts
        async with self._database.transaction() as tx:
            await tx.raw.execute(
                f'UPDATE "{self._schema}".dead_letters SET attempts = $3, error = $4, '  # noqa: S608
                "next_attempt_at = CASE WHEN $5 THEN NULL ELSE clock_timestamp() + make_interval(secs => $6) END, "
                "dead_at = CASE WHEN $5 THEN clock_timestamp() END WHERE consumer = $1 AND event_id = $2",
                self._consumer.name, item.meta.event_id, attempt, describe(error), dead, pause_before(attempt + 1),
            )  # fmt: skip
        if dead:
            self._dead.inc()
            LOG.error(
                "consumer %s gives up event %s after %d attempts",
                self._consumer.name,
                item.meta.event_id,
                attempt,
            )


def _headers(item: Item) -> str:
    return json.dumps(
        {
            "occurred_at": item.meta.occurred_at.isoformat(),
            "seq": item.meta.seq,
            "traceparent": item.traceparent,
        }
    )
