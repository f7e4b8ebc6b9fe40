"""Sends deliveries: one at a time per conversation, many conversations at once.

An attempt is recorded before anything goes out. So what a crash leaves in flight is known, and is sent again only where the
channel takes a message once however often it comes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from yunsong_channel_adapter.domain.delivery import Delivery, Outcome, RetryPolicy, Status
from yunsong_channel_adapter.outgoing import death_of
from yunsong_channel_adapter.owner import Owner
from yunsong_channel_adapter.repository import deliveries, inboxes, lanes, reports
from yunsong_channel_adapter.repository.lanes import Lane, LaneState
from yunsong_channel_adapter.transport import Transport
from yunsong_common.clock import Clock
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import Aborted, ResourceExhausted, Unavailable, YunsongError
from yunsong_common.telemetry import Metrics

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_CLAIM = 16
# After a wake-up the transaction that caused it may still be committing; then the pauses grow.
_SOON_S, _IDLE_S = 0.01, 1.0
_STATES = {Status.SENT: "SENT", Status.DEAD: "FAILED", Status.UNCERTAIN: "UNCERTAIN"}
_PASSING = (Unavailable, ResourceExhausted, Aborted)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one process sends at once, and how long it may hold a lane without a sign of life."""

    sending: int
    sending_per_inbox: int
    lease_s: float
    attempt_s: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """A delivery that is marked as being sent."""

    delivery: Delivery
    identity: str


@dataclass(frozen=True, slots=True)
class _Unread:
    """The owner has to be asked before the head of a lane can go."""

    state: LaneState
    delivery: Delivery


class Sender:
    """Works on lanes that are due. Several replicas share them."""

    def __init__(
        self,
        *,
        database: Database,
        owner: Owner,
        transport: Transport,
        policy: RetryPolicy,
        bounds: Bounds,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._database = database
        self._owner = owner
        self._transport = transport
        self._policy = policy
        self._bounds = bounds
        self._metrics = metrics
        self._clock = clock
        self._wake = asyncio.Event()
        self._running: dict[asyncio.Task[None], str] = {}
        self._settled: Callable[[], None] = lambda: None

    def on_settled(self, listener: Callable[[], None]) -> None:
        """Calls `listener` whenever there is something to report."""
        self._settled = listener

    def wake(self) -> None:
        """Says that a lane may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Runs until cancelled; then lets what is on the wire come to its end."""
        async with asyncio.TaskGroup() as group:
            try:
                await self._claim_forever(group)
            except asyncio.CancelledError:
                if self._running:
                    await asyncio.wait(list(self._running), timeout=self._bounds.attempt_s)
                raise

    async def _claim_forever(self, group: asyncio.TaskGroup) -> None:
        pause = _SOON_S
        while True:
            woken = self._wake.is_set()
            self._wake.clear()
            taken = await self._claim()
            for lane in taken:
                task = group.create_task(self._work(lane))
                self._running[task] = lane.inbox_id
                task.add_done_callback(self._finished)
            self._metrics.gauge("yunsong_channel_sending").set(len(self._running))
            pause = _SOON_S if woken or taken else min(pause * 2, _IDLE_S)
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim(self) -> list[Lane]:
        limit = min(_CLAIM, self._bounds.sending - len(self._running))
        if limit <= 0:
            return []
        counts = Counter(self._running.values())
        busy = [inbox_id for inbox_id, count in counts.items() if count >= self._bounds.sending_per_inbox]

        async def work(tx: Transaction) -> list[Lane]:
            return await lanes.claim(tx, limit=limit, lease_s=self._bounds.lease_s, busy_inboxes=busy)

        try:
            return await self._database.run(work)
        except _PASSING as error:
            # Raising would cancel what is on the wire; the pause grows until the database is back.
            LOG.warning("no deliveries can be claimed: %s", error)
            return []

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.set()

    async def _work(self, lane: Lane) -> None:
        try:
            attempt = await self._next(lane, None)
            while attempt is not None:
                outcome = await self._transport.send(attempt.delivery, attempt.identity)
                settled = self._policy.settle(outcome, attempt.delivery.attempts)
                attempt = await self._next(lane, (attempt.delivery, settled))
        except YunsongError as error:
            LOG.warning(
                "a lane waits for its lease to end: %s",
                error,
                extra={"conversation_id": lane.conversation_id},
            )

    async def _next(self, lane: Lane, finished: tuple[Delivery, Outcome] | None) -> Attempt | None:
        """Records what is finished and begins the next attempt, in one transaction; None when the lane was given back."""
        step = await self._until_done(lambda tx: self._step(tx, lane, finished))
        if finished is not None:
            self._settled()
        while isinstance(step, _Unread):
            step = await self._read_owner(lane, step)
        return step

    async def _step(
        self,
        tx: Transaction,
        lane: Lane,
        finished: tuple[Delivery, Outcome] | None,
        *,
        identity: str | None = None,
    ) -> Attempt | _Unread | None:
        if finished is not None:
            await self._settle(tx, *finished)
        state = await lanes.lock(tx, lane)
        if state is None:
            return None
        now = await tx.now()
        while (delivery := await lanes.head(tx, lane.conversation_id)) is not None:
            if delivery.status is Status.SENDING:
                # Nobody else holds this lane, so a crash left it.
                if not await self._is_idempotent(tx, lane.inbox_id):
                    await self._settle(
                        tx, delivery, Outcome(Status.UNCERTAIN, "a crash left unknown whether it was sent")
                    )
                    continue
            elif delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
                await lanes.release(tx, lane, delivery.next_attempt_at)
                return None
            if identity is None and (not state.identity or delivery.rev > state.seen_rev + 1):
                return _Unread(state, delivery)
            await lanes.begin_attempt(tx, lane, delivery, lease_s=self._bounds.lease_s)
            begun = replace(delivery, status=Status.SENDING, attempts=delivery.attempts + 1)
            return Attempt(begun, identity or state.identity)
        await lanes.release(tx, lane, None)
        return None

    async def _read_owner(self, lane: Lane, unread: _Unread) -> Attempt | _Unread | None:
        """Asks who the contact is, and for messages before the head whose events have not come yet."""
        state, delivery = unread.state, unread.delivery
        try:
            identity = state.identity or await self._owner.identity(state.contact_id, lane.inbox_id)
            missed = await self._owner.missed(
                lane.conversation_id, after_rev=state.seen_rev, before_rev=delivery.rev
            )
        except _PASSING:
            await self._until_done(lambda tx: self._defer(tx, lane))
            return None

        async def work(tx: Transaction) -> Attempt | _Unread | None:
            if await lanes.lock(tx, lane) is None:
                return None
            if missed:
                await deliveries.insert(tx, missed)
            await lanes.learn(tx, lane, identity=identity, seen_rev=delivery.rev - 1)
            return await self._step(tx, lane, None, identity=identity)

        return await self._until_done(work)

    async def _defer(self, tx: Transaction, lane: Lane) -> None:
        pause = dt.timedelta(seconds=self._policy.pause_s(1, None, random.random()))  # noqa: S311 - no secret
        await lanes.release(tx, lane, await tx.now() + pause)

    async def _settle(self, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
        chance = random.random()  # noqa: S311 - no secret
        pause = self._policy.pause_s(delivery.attempts, outcome.retry_after_s, chance)
        if not await lanes.record(tx, delivery, outcome, pause_s=pause):
            return
        inbox = await inboxes.find(tx, delivery.inbox_id)
        channel = inbox.channel if inbox else "deleted"
        self._metrics.counter("yunsong_channel_deliveries_total", channel, str(outcome.status).lower()).inc()
        state = _STATES.get(outcome.status)
        if state is not None:
            await reports.put(
                tx,
                message_id=delivery.message_id,
                conversation_id=delivery.conversation_id,
                state=state,
                error=outcome.error,
                external_id=outcome.external_id,
            )
        if outcome.status is Status.SENT:
            waited = (await tx.now() - delivery.created_at).total_seconds()
            self._metrics.histogram("yunsong_channel_delivery_seconds", channel).observe(waited)
        if outcome.status is Status.DEAD:
            self._metrics.counter("yunsong_channel_dead_letters_total", channel).inc()
            tx.emit(death_of(delivery, outcome.error, await tx.now()))

    async def _until_done(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs a transaction until PostgreSQL takes it: what an attempt came to is known here alone."""
        pause = _SOON_S
        while True:
            try:
                return await self._database.run(work)
            except _PASSING as error:
                LOG.warning("a delivery's state waits for PostgreSQL: %s", error)
            await self._clock.sleep(pause)
            pause = min(pause * 2, _IDLE_S)

    async def _is_idempotent(self, tx: Transaction, inbox_id: str) -> bool:
        inbox = await inboxes.find(tx, inbox_id)
        return inbox is not None and self._transport.is_idempotent(inbox.channel)
