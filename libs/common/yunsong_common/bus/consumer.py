"""The runtime of a durable consumer: pulls batches, runs handlers so that each event has its effect once, acknowledges.

An event's life here: pulled -> effect and `processed_events` row in one commit -> acknowledged. A crash before the commit
leaves nothing, a crash after it is caught by the row. An event whose handler fails is stored in `dead_letters` with its next
attempt (and marked processed, so that a
redelivery does not run it too), acknowledged, and tried again from there by `retries`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message

from yunsong_common.bus.connection import Bus
from yunsong_common.bus.failures import store_failures
from yunsong_common.bus.jetstream import call
from yunsong_common.bus.nats import Msg
from yunsong_common.bus.subscription import AnySubscription, Delivery, EventMeta
from yunsong_common.clock import Clock, SystemClock
from yunsong_common.db.database import Database, Transaction
from yunsong_common.errors import Kind, NotFound, Unavailable, YunsongError
from yunsong_common.outbox.subjects import route_of
from yunsong_common.telemetry import Metrics, Telemetry

LOG = logging.getLogger(__name__)

# After a crash, what was in work waits this long for another process.
_ACK_WAIT_S = 15
# While a process lives, it says this often that it still has its events.
_PROGRESS_S = 5.0
_PULL_S = 30
_HEARTBEAT_S = 5
_PULL_BYTES = 8 * 1024 * 1024
_LAG_EVERY_S = 5.0
# A batch in which nothing works because something is away is held this long before its events are stored as failed.
_HOLD_S = 20.0
# The publisher's and NATS' clocks may differ by this much when a consumer starts at "new".
_CLOCK_SKEW_S = 5
_TRANSIENT = frozenset({Kind.UNAVAILABLE, Kind.RESOURCE_EXHAUSTED, Kind.DEADLINE_EXCEEDED, Kind.ABORTED})


@dataclass(slots=True)
class Item:
    """One event on its way through a consumer."""

    subscription: AnySubscription
    event: Message
    meta: EventMeta
    payload: bytes
    traceparent: str
    reply: str


class Consumer:
    """One durable consumer of one stream, with all subscriptions that share it. `run` works until cancelled; `stop` first lets
    it finish."""

    def __init__(
        self,
        subscriptions: Sequence[AnySubscription],
        *,
        name: str,
        stream: str,
        bus: Bus,
        database: Database,
        metrics: Metrics,
        telemetry: Telemetry,
        clock: Clock | None = None,
    ) -> None:
        _check(subscriptions, name, stream)
        self.name = name
        self.stream = stream
        self.lag = 0
        self.subscriptions = {route_of(item.event_type).prefix[:-1]: item for item in subscriptions}
        self._start = subscriptions[0].start
        self._transactional = subscriptions[0].transactional
        self._concurrency = min(item.concurrency for item in subscriptions)
        self._batch = min(item.batch for item in subscriptions)
        self._gather_s = min(item.gather_s for item in subscriptions)
        self._began_at = float("-inf")
        self._bus = bus
        self._client = bus.client
        self._database = database
        self._metrics = metrics
        self._telemetry = telemetry
        self._clock = clock or SystemClock()
        self._buffer: deque[Msg] = deque()
        self._in_work: list[Msg] = []
        self._arrived = asyncio.Event()
        self._requested = 0
        self._inbox = self._client.new_inbox()
        self._heard_at = 0.0
        self._missing = True
        self._stopping = False
        self._started_at = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._client.listeners.append(self._on_connection)
        self._handled = metrics.counter("yunsong_consumer_events_total", name, "handled")
        self._known = metrics.counter("yunsong_consumer_events_total", name, "known")
        self._passed = metrics.counter("yunsong_consumer_events_total", name, "passed")
        self._failed = metrics.counter("yunsong_consumer_events_total", name, "failed")
        self._repeated = metrics.counter("yunsong_consumer_redeliveries_total", name)
        self._seconds = metrics.histogram("yunsong_consumer_batch_seconds", name)
        self._lag_gauge = metrics.gauge("yunsong_consumer_lag", name, stream)

    async def run(self) -> None:
        """Consumes until `stop`, or until cancelled."""
        sid = self._client.subscribe(f"{self._inbox}.*", self._on_message)
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._watch_lag()), group.create_task(self._keep())]
                try:
                    await self._consume()
                    await self._give_back(sid)
                finally:
                    for task in beside:
                        task.cancel()
        finally:
            self._client.unsubscribe(sid)

    def stop(self) -> None:
        """Takes no more events; `run` returns when the batch in work is done. The rest goes back to NATS at once."""
        self._stopping = True
        self._arrived.set()

    async def pending(self) -> int:
        """Events in the stream that this consumer has not handled. Raises `Unavailable`, or `NotFound` before its first start."""
        info = await call(self._client, f"CONSUMER.INFO.{self.stream}.{self.name}")
        return int(info["num_pending"]) + int(info["num_ack_pending"])

    async def _consume(self) -> None:
        pause = 0.2
        while not self._stopping:
            try:
                if self._missing:
                    await self._bus.wait_connected()
                    await self._ensure()
                self._pull()
                batch = await self._next()
                if batch:
                    await self._handle(batch)
                pause = 0.2
            except (Unavailable, NotFound) as error:
                LOG.warning("consumer %s of %s pauses: %s", self.name, self.stream, error)
                await self._clock.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def _give_back(self, sid: int) -> None:
        # The request ends first: otherwise what is given back would come here again, and what is on its way would wait for its
        # time to run out.
        await self._client.drain(sid)
        for msg in self._buffer:
            self._client.publish(msg.reply, b"-NAK")
        self._buffer.clear()

    # Pulling

    def _pull(self) -> None:
        room = 2 * self._batch - self._requested - len(self._buffer)
        if room < self._batch or self._stopping or not self._client.connected:
            return
        request = {
            "batch": room,
            "max_bytes": _PULL_BYTES,
            "expires": _PULL_S * 1_000_000_000,
            "idle_heartbeat": _HEARTBEAT_S * 1_000_000_000,
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.name}"
        if self._client.publish(subject, json.dumps(request).encode(), reply=f"{self._inbox}.p"):
            self._requested += room
            self._heard_at = self._clock.monotonic()

    async def _next(self) -> list[Msg]:
        if not self._buffer:
            self._arrived.clear()
            try:
                async with asyncio.timeout(_HEARTBEAT_S):
                    await self._arrived.wait()
            except TimeoutError:
                if self._client.connected and self._clock.monotonic() - self._heard_at > 3 * _HEARTBEAT_S:
                    # Not even heartbeats: the server forgot the request, or the consumer is gone.
                    self._requested = 0
                    self._missing = True
        await self._gather()
        if self._stopping:
            return []
        return [self._buffer.popleft() for _ in range(min(len(self._buffer), self._batch))]

    async def _gather(self) -> None:
        """Lets more events join a batch that would begin too soon after the one before."""
        now = self._clock.monotonic()
        pause = self._began_at + self._gather_s - now
        if pause > 0 and 0 < len(self._buffer) < self._batch and not self._stopping:
            await self._clock.sleep(pause)
            now += pause
        if self._buffer:
            self._began_at = now

    def _on_message(self, msg: Msg) -> None:
        self._heard_at = self._clock.monotonic()
        if msg.reply and not msg.status:
            self._requested -= 1
            if _is_repeated(msg.reply):
                self._repeated.inc()
            self._buffer.append(msg)
            self._arrived.set()
        elif msg.status in ("408", "409", "404", "503", "400"):
            self._request_ended(msg)

    def _request_ended(self, msg: Msg) -> None:
        left = msg.headers.get("Nats-Pending-Messages")
        self._requested = max(0, self._requested - int(left)) if left else 0
        if msg.status == "503" or "Consumer" in msg.description or "Stream" in msg.description:
            self._missing = True
        self._arrived.set()

    def _on_connection(self, up: bool) -> None:
        self._requested = 0
        if up:
            # The server may have come back without its data.
            self._missing = True
            self._arrived.set()

    async def _ensure(self) -> None:
        """Creates the durable when it is missing, and tells it the subjects when they changed."""
        self._started_at = await self._first_start()
        subjects = sorted(f"{subject}.*" for subject in self.subscriptions)
        config: dict[str, Any] = {
            "durable_name": self.name,
            "name": self.name,
            "ack_policy": "explicit",
            "ack_wait": _ACK_WAIT_S * 1_000_000_000,
            "max_deliver": -1,
            "max_ack_pending": max(1000, 4 * self._batch),
            "replay_policy": "instant",
            "filter_subjects": subjects,
        }
        if self._start == "all":
            config["deliver_policy"] = "all"
        else:
            # Also for a durable that is created again: in a stream that was filled again everything is younger than the start,
            # and what happened before it is skipped by its own time.
            since = self._started_at - dt.timedelta(seconds=_CLOCK_SKEW_S)
            config |= {"deliver_policy": "by_start_time", "opt_start_time": since.isoformat()}
        try:
            info = await call(self._client, f"CONSUMER.INFO.{self.stream}.{self.name}")
        except NotFound as error:
            if error.reason == "STREAM_MISSING":
                raise  # its owner declares it
            action = "create"
        else:
            action = "update"
            known = info["config"]
            same = sorted(known.get("filter_subjects") or [known.get("filter_subject", "")]) == subjects
            if same and known.get("ack_wait") == config["ack_wait"]:
                self._missing = False
                return
            config |= {name: known[name] for name in ("deliver_policy", "opt_start_time") if name in known}
        body = {"stream_name": self.stream, "config": config, "action": action}
        await call(self._client, f"CONSUMER.CREATE.{self.stream}.{self.name}", body)
        self._missing = False

    async def _first_start(self) -> dt.datetime:
        schema = self._database.schema
        async with self._database.transaction() as tx:
            await tx.raw.execute(
                f'INSERT INTO "{schema}".consumers (consumer, stream, started_at) VALUES ($1, $2, clock_timestamp()) '  # noqa: S608
                "ON CONFLICT DO NOTHING",
                self.name, self.stream,
            )  # fmt: skip
            started_at: dt.datetime = await tx.raw.fetchval(
                f'SELECT started_at FROM "{schema}".consumers WHERE consumer = $1 AND stream = $2',  # noqa: S608
                self.name, self.stream,
            )  # fmt: skip
        return started_at

    async def _watch_lag(self) -> None:
        while True:
            try:
                self.lag = await self.pending()
                self._lag_gauge.set(self.lag)
            except (Unavailable, NotFound):
                LOG.debug("the lag of %s is not known just now", self.name)
            await self._clock.sleep(_LAG_EVERY_S)

    async def _keep(self) -> None:
        """Keeps NATS from giving what is here, in work or before it, to another process."""
        while True:
            await self._clock.sleep(_PROGRESS_S)
            for msg in (*self._in_work, *self._buffer):
                self._client.publish(msg.reply, b"+WPI")

    # Handling

    async def _handle(self, messages: list[Msg]) -> None:
        started = self._clock.monotonic()
        self._in_work = messages
        read = [item for msg in messages if (item := self._read(msg)) is not None]
        items = [item for item in read if item.subscription.concerns(item.event)]
        self._passed.inc(len(read) - len(items))
        # By entity, so that replicas lock in the same order; the sort keeps the order within an entity.
        items.sort(key=lambda item: item.meta.entity_id)
        try:
            if items:
                await self._settle(items)
        finally:
            self._in_work = []
        for msg in messages:
            self._client.publish(msg.reply, b"+ACK")
        self._seconds.observe(self._clock.monotonic() - started)

    async def _settle(self, items: list[Item]) -> None:
        """Returns once every item is handled or stored as failed. Holds on while the database is away."""
        deadline = self._clock.monotonic() + _HOLD_S
        pause = 0.1
        while True:
            try:
                failures = await self._attempt(items)
                if (
                    not self._should_hold(items, failures)
                    or self._clock.monotonic() > deadline
                    or self._stopping
                ):
                    if failures:
                        self._failed.inc(len(failures))
                        await store_failures(self._database, self.name, failures)
                    return
                items = [item for item, _ in failures]
            except Unavailable as error:
                if self._stopping:
                    raise
                LOG.warning("consumer %s waits: %s", self.name, error)
            await self._clock.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _should_hold(self, items: list[Item], failures: list[tuple[Item, Exception]]) -> bool:
        return len(failures) == len(items) and all(
            isinstance(error, YunsongError) and error.kind in _TRANSIENT for _, error in failures
        )

    async def _attempt(self, items: list[Item]) -> list[tuple[Item, Exception]]:
        """Runs the handlers; gives those that failed. Raises `Unavailable` when the database is away."""
        if not self._transactional:
            return await self._attempt_outside(items)
        try:
            async with self._database.transaction() as tx:
                await self._run_in(tx, items)
            return []
        except Exception as error:
            if _database_is_away(error):
                raise
            if len(items) == 1:
                _log_failure(self.name, items[0], error)
                return [(items[0], error)]
        failures: list[tuple[Item, Exception]] = []
        for item in items:
            failures += await self._attempt([item])
        return failures

    async def _run_in(self, tx: Transaction, items: list[Item]) -> None:
        fresh = await self._record(tx, items)
        position = 0
        while position < len(fresh):
            subscription = fresh[position].subscription
            if subscription.many:
                end = position
                while end < len(fresh) and fresh[end].subscription is subscription:
                    end += 1
                await subscription.handler(
                    tx, [Delivery(item.event, item.meta) for item in fresh[position:end]]
                )
                position = end
            else:
                item = fresh[position]
                with self._telemetry.event_span(item.meta.subject, item.traceparent):
                    await subscription.handler(tx, item.event, item.meta)
                position += 1
        self._handled.inc(len(fresh))
        self._known.inc(len(items) - len(fresh))

    async def _record(self, tx: Transaction, items: list[Item]) -> list[Item]:
        """Marks the items as processed and gives those that were not before."""
        ids = sorted({item.meta.event_id for item in items})
        rows = await tx.raw.fetch(
            f'INSERT INTO "{self._database.schema}".processed_events (consumer, event_id) '  # noqa: S608
            "SELECT $1, id FROM unnest($2::uuid[]) AS id ON CONFLICT DO NOTHING RETURNING event_id",
            self.name, ids,
        )  # fmt: skip
        new = {str(row[0]) for row in rows}
        fresh = []
        for item in items:
            if item.meta.event_id in new:
                new.discard(item.meta.event_id)
                fresh.append(item)
        return fresh

    async def _attempt_outside(self, items: list[Item]) -> list[tuple[Item, Exception]]:
        async with self._database.read() as tx:
            rows = await tx.raw.fetch(
                f'SELECT event_id FROM "{self._database.schema}".processed_events '  # noqa: S608
                "WHERE consumer = $1 AND event_id = ANY($2::uuid[])",
                self.name, [item.meta.event_id for item in items],
            )  # fmt: skip
        known = {str(row[0]) for row in rows}
        by_entity: dict[str, list[Item]] = {}
        for item in items:
            if item.meta.event_id not in known:
                known.add(item.meta.event_id)
                by_entity.setdefault(item.meta.entity_id, []).append(item)
        failures: list[tuple[Item, Exception]] = []
        done: list[Item] = []
        gate = asyncio.Semaphore(self._concurrency)

        async def one_entity(entity_items: list[Item]) -> None:
            async with gate:
                for item in entity_items:
                    try:
                        with self._telemetry.event_span(item.meta.subject, item.traceparent):
                            await item.subscription.handler(item.event, item.meta)
                        done.append(item)
                    except Exception as error:  # noqa: BLE001 - it is stored with the event
                        _log_failure(self.name, item, error)
                        failures.append((item, error))

        async with asyncio.TaskGroup() as group:
            for entity_items in by_entity.values():
                group.create_task(one_entity(entity_items))
        if done:
            async with self._database.transaction() as tx:
                await self._record(tx, done)
        self._handled.inc(len(done))
        return failures

    async def retry(self, item: Item, claim: Callable[[Transaction], Awaitable[bool]]) -> None:
        """Runs one stored event again, outside of the stream's order. Raises what the handler raises.

        `claim` removes the stored event and tells whether it was there; with a transactional handler both commit together.
        """
        subscription = item.subscription
        with self._telemetry.event_span(item.meta.subject, item.traceparent):
            if not self._transactional:
                await subscription.handler(item.event, item.meta)
            async with self._database.transaction() as tx:
                if not await claim(tx) or not self._transactional:
                    return
                if subscription.many:
                    await subscription.handler(tx, [Delivery(item.event, item.meta)])
                else:
                    await subscription.handler(tx, item.event, item.meta)

    def _read(self, msg: Msg) -> Item | None:
        event_id, seq, occurred_at, traceparent = _meta(msg.headers)
        if occurred_at < self._started_at - dt.timedelta(seconds=_CLOCK_SKEW_S) and self._start == "new":
            return None
        meta = EventMeta(event_id, msg.subject, occurred_at, 1, seq)
        return self.item_of(meta, msg.data, traceparent, msg.reply)

    def item_of(self, meta: EventMeta, payload: bytes, traceparent: str, reply: str = "") -> Item | None:
        """The event with its subscription; None when nobody subscribes to its type any more, or it cannot be read."""
        subscription = self.subscriptions.get(meta.subject.rpartition(".")[0])
        if subscription is None:
            return None
        try:
            event = subscription.event_type.FromString(payload)
        except DecodeError:
            LOG.error("consumer %s: event %s on %s cannot be read", self.name, meta.event_id, meta.subject)  # noqa: TRY400
            return None
        return Item(subscription, event, meta, payload, traceparent, reply)


def group_by_consumer(
    subscriptions: Sequence[AnySubscription],
) -> dict[tuple[str, str], list[AnySubscription]]:
    """Subscriptions by (consumer, stream)."""
    groups: dict[tuple[str, str], list[AnySubscription]] = {}
    for item in subscriptions:
        package = route_of(item.event_type).prefix.split(".")[1]
        groups.setdefault((item.consumer, f"YUNSONG_{package.upper()}"), []).append(item)
    return groups


def _check(subscriptions: Sequence[AnySubscription], name: str, stream: str) -> None:
    if len({item.start for item in subscriptions}) > 1:
        raise TypeError(f"subscriptions of consumer {name} to {stream} must agree on start")
    if len({item.transactional for item in subscriptions}) > 1:
        raise TypeError(
            f"subscriptions of consumer {name} to {stream} must agree on transactional; use two consumers"
        )
    types = [item.event_type for item in subscriptions]
    if len(set(types)) < len(types):
        raise TypeError(f"consumer {name} of {stream} subscribes to the same type twice")


def _database_is_away(error: Exception) -> bool:
    return isinstance(error, YunsongError) and error.reason in {
        "DATABASE_UNAVAILABLE",
        "DATABASE_POOL_EXHAUSTED",
    }


def _log_failure(consumer: str, item: Item, error: Exception) -> None:
    LOG.warning(
        "consumer %s: event %s on %s failed", consumer, item.meta.event_id, item.meta.subject, exc_info=error
    )


def _is_repeated(reply: str) -> bool:
    """Whether NATS has handed the event out before; the acknowledgement's subject counts it.

    `$JS.ACK.<stream>.<consumer>.<delivered>…`, or with domain and account hash before the stream.
    """
    parts = reply.split(".")
    return parts[4 if len(parts) < 11 else 6] != "1"


def _meta(headers: Mapping[str, str]) -> tuple[str, int, dt.datetime, str]:
    seq, _, occurred_at = headers["Yunsong-Event"].partition(" ")
    return (
        headers["Nats-Msg-Id"],
        int(seq),
        dt.datetime.fromisoformat(occurred_at),
        headers.get("traceparent", ""),
    )
