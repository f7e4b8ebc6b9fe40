"""What is done beside the messages: old deliveries go, credentials under a key of before are encrypted anew."""

from __future__ import annotations

import datetime as dt
import logging

from yunsong_channel_adapter.repository import credentials, deliveries
from yunsong_channel_adapter.vault import Vault
from yunsong_common.clock import Clock
from yunsong_common.db import Database, Transaction

LOG = logging.getLogger(__name__)

_PRUNE_EVERY_S = 600.0
_PRUNE_BATCH = 1000


class Housekeeping:
    """Tasks of one service."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, *, delivery_days: int) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._keep = dt.timedelta(days=delivery_days)

    async def reseal(self) -> None:
        """Encrypts anew; fails the start with a sentence when a key is missing."""

        async def work(tx: Transaction) -> int:
            return await credentials.reseal(tx, self._vault)

        count = await self._database.run(work)
        if count:
            LOG.info("encrypted %d sets of credentials under the current key", count)

    async def prune(self) -> None:
        """Deletes what is done and older than the retention, in small steps."""
        while True:

            async def work(tx: Transaction) -> int:
                return await deliveries.prune(tx, await tx.now() - self._keep, _PRUNE_BATCH)

            while await self._database.run(work) >= _PRUNE_BATCH:
                pass
            await self._clock.sleep(_PRUNE_EVERY_S)
