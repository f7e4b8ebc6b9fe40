"""Commands on deliveries, and what happens to messages while they wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from yunsong_channel_adapter.domain.delivery import Delivery, Status
from yunsong_channel_adapter.repository import deliveries, reports
from yunsong_common.db import Database, Transaction


@dataclass(frozen=True)
class Deliveries:
    """What people do about deliveries. `wake` tells the sender that a lane may be due."""

    database: Database
    wake: Callable[[], None]

    async def replay(self, delivery_id: str) -> Delivery:
        """Sends a delivery that was given up again, in its order: before those behind it that still wait."""

        async def work(tx: Transaction) -> Delivery:
            delivery = await deliveries.get(tx, delivery_id, lock=True)
            delivery.must_be_replayable()
            await deliveries.requeue(tx, delivery)
            return await deliveries.get(tx, delivery_id)

        replayed = await self.database.run(work)
        self.wake()
        return replayed

    async def skip(self, delivery_id: str) -> Delivery:
        """Gives a delivery up that blocks those behind it."""

        async def work(tx: Transaction) -> Delivery:
            delivery = await deliveries.get(tx, delivery_id, lock=True)
            delivery.must_be_open()
            await give_up(tx, delivery, "given up by a person")
            return replace(
                delivery, status=Status.SKIPPED, error="given up by a person", next_attempt_at=None
            )

        skipped = await self.database.run(work)
        self.wake()
        return skipped


async def give_up(tx: Transaction, delivery: Delivery, reason: str) -> None:
    """Skips a delivery and reports that its message did not go out."""
    await deliveries.skip(tx, delivery, reason)
    await reports.put(
        tx,
        message_id=delivery.message_id,
        conversation_id=delivery.conversation_id,
        state="FAILED",
        error=reason,
    )
