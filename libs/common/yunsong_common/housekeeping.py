"""What a service's tables and pool need now and then: old rows deleted, idle connections closed."""

from __future__ import annotations

import asyncio
import logging

from yunsong_common.db.database import Database
from yunsong_common.errors import YunsongError
from yunsong_common.outbox.store import prune

LOG = logging.getLogger(__name__)

_SHRINK_EVERY_S = 15.0
_PRUNE_EVERY = 240  # turns: an hour
_AT_ONCE = 5000
_IDEMPOTENCY_DAYS = 2


class Housekeeping:
    """One service's. `run` works until cancelled."""

    def __init__(self, database: Database, *, outbox_days: int) -> None:
        self._database = database
        self._outbox_days = outbox_days

    async def run(self) -> None:
        """Shrinks the pool every 15 seconds and prunes every hour."""
        turn = 1
        while True:
            await asyncio.sleep(_SHRINK_EVERY_S)
            await self._database.pool.shrink()
            if turn % _PRUNE_EVERY == 0:
                try:
                    await self.prune()
                except YunsongError as error:
                    LOG.warning("old rows stay for another hour: %s", error)
            turn += 1

    async def prune(self) -> None:
        """Deletes outbox rows that are old enough, what was processed a day before those, and old idempotency keys."""
        schema = self._database.schema
        count = _AT_ONCE
        while count == _AT_ONCE:
            count = await self._prune_outbox()
        # A replay sends what the outbox holds, so what was processed must be known longer.
        for table, column, days in (
            ("processed_events", "processed_at", self._outbox_days + 1),
            ("idempotency_keys", "created_at", _IDEMPOTENCY_DAYS),
        ):
            statement = (
                f'DELETE FROM "{schema}".{table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM "{schema}".{table} '  # noqa: S608
                f"WHERE {column} < clock_timestamp() - make_interval(days => $1) LIMIT $2))"
            )
            count = _AT_ONCE
            while count == _AT_ONCE:
                async with self._database.read() as tx:
                    status = await tx.raw.execute(statement, days, _AT_ONCE)
                count = int(status.rpartition(" ")[2])

    async def _prune_outbox(self) -> int:
        async with self._database.read() as tx:
            return await prune(tx.raw, self._database.schema, days=self._outbox_days, limit=_AT_ONCE)
