"""Which webhooks there are, as every replica may rely on without asking the database for each event.

A replica's list holds for a lease and is read again well before its end. Who makes or changes a webhook answers its caller only
once every list that is older has run out: no event after the answer is passed over by a replica that did not hear of it. A replica
whose list ran out, because the database is slow, decides nothing by it.
"""

from __future__ import annotations

import logging

from yunsong_common.clock import Clock
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import YunsongError
from yunsong_gateway.webhooks import repository
from yunsong_gateway.webhooks.repository import Webhook

log = logging.getLogger(__name__)

LEASE_S = 1.0
_READ_EVERY_S = 0.4


class KnownWebhooks:
    """The enabled webhooks. `run` keeps the list; without it nothing is passed over."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._hooks: list[Webhook] = []
        self._until = float("-inf")

    async def run(self) -> None:
        """Reads the list again and again until cancelled."""
        while True:
            try:
                async with self._database.read() as tx:
                    await self._read(tx)
            except YunsongError as error:
                log.warning("webhooks are not known just now", extra={"reason": error.reason})
            await self._clock.sleep(_READ_EVERY_S)

    def may_want(self, event_type: str) -> bool:
        """False only when surely no webhook wants events of this type."""
        return self._clock.monotonic() >= self._until or any(wants(hook, event_type) for hook in self._hooks)

    async def enabled(self, tx: Transaction) -> list[Webhook]:
        """The list, read in `tx` when it has run out."""
        return self._hooks if self._clock.monotonic() < self._until else await self._read(tx)

    async def spread(self) -> None:
        """Returns once no replica relies on what was known before this call."""
        self._until = float("-inf")
        await self._clock.sleep(LEASE_S)

    async def _read(self, tx: Transaction) -> list[Webhook]:
        began = self._clock.monotonic()  # what changes from here on may not be in the list
        self._hooks = [hook for hook in await repository.all_hooks(tx) if hook.enabled]
        self._until = began + LEASE_S
        return self._hooks


def wants(hook: Webhook, event_type: str) -> bool:
    """Whether a webhook is to get events of this type; one that names no types gets all."""
    return not hook.event_types or event_type in hook.event_types
