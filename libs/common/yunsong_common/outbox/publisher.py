"""From the outbox to JetStream: right after each commit, and by a relay for what that left behind.

Three modes keep an entity's events in order:

    DIRECT    a commit's events are sent at once; confirmations come back later and rows are marked in bulk
    RELAYING  after any doubt (NATS away, no confirmation, too much unconfirmed) commits only store; the relay sends
              what is stored, in order
    HOLDING   the relay is almost through: commits wait in a bounded list while it makes its last pass, then DIRECT
              goes on with the list

Nothing here is needed for durability: a row is in PostgreSQL until its confirmation is, and NATS drops what it got twice by the event's id.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from google.protobuf.message import Message

from yunsong_common.bus.connection import Bus
from yunsong_common.bus.jetstream import call
from yunsong_common.bus.nats import STATUS_NO_RESPONDERS, Msg
from yunsong_common.bus.streams import declare_stream
from yunsong_common.clock import Clock, SystemClock
from yunsong_common.db.database import Database
from yunsong_common.errors import NotFound, Unavailable, YunsongError
from yunsong_common.outbox.rows import OutboxRow
from yunsong_common.outbox.store import lock_leftovers, mark_published, oldest_unpublished_s, rows_after
from yunsong_common.telemetry import Metrics

LOG = logging.getLogger(__name__)

_MAX_UNCONFIRMED = 5_000
_MAX_HELD = 5_000
_CONFIRM_S = 5.0
_MARK_EVERY_S = 0.25
_RELAY_EVERY_S = 2.0
_RELAY_AFTER_S = 5.0
_AGE_EVERY_S = 10.0
_BATCH = 500


class Mode(enum.Enum):
    """How events leave this process just now."""

    DIRECT = "direct"
    RELAYING = "relaying"
    HOLDING = "holding"


@dataclass(slots=True)
class _Sent:
    seq: int
    at: float
    waiter: asyncio.Future[None] | None


class Publisher:
    """Publishes one service's outbox. `run` works until cancelled; `committed` is the database's listener."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        package: str,
        metrics: Metrics,
        clock: Clock | None = None,
        max_age_days: int = 7,
    ) -> None:
        self._database = database
        self._bus = bus
        self._client = bus.client
        self._package = package
        self._stream = f"YUNSONG_{package.upper()}"
        self._max_age_days = max_age_days
        self._clock = clock or SystemClock()
        self._unconfirmed: dict[str, _Sent] = {}
        self._confirmed: list[int] = []
        self._held: list[OutboxRow] = []
        self._mode = Mode.RELAYING
        self._inbox = self._client.new_inbox()
        self._number = 0
        self._client.subscribe(f"{self._inbox}.*", self._on_confirmation)
        self._wake_relay = asyncio.Event()
        self._stream_checked = False
        self._client.listeners.append(self._on_connection)
        self._count_direct = metrics.counter("yunsong_outbox_published_total", "direct")
        self._count_relay = metrics.counter("yunsong_outbox_published_total", "relay")
        self._gauge_direct = metrics.gauge("yunsong_outbox_direct")
        self._gauge_oldest = metrics.gauge("yunsong_outbox_oldest_seconds")
        metrics.gauge("yunsong_outbox_pending").set_function(lambda: len(self._unconfirmed))

    @property
    def mode(self) -> Mode:
        """How events leave just now."""
        return self._mode

    def committed(self, rows: Sequence[OutboxRow], live: Sequence[tuple[Message, str]]) -> None:
        """Sends what a transaction emitted. Called right after its commit; does not wait and does not fail."""
        if rows:
            self._publish(rows)
        for message, traceparent in live:
            self._bus.publish_live(message, traceparent)

    async def run(self) -> None:
        """Relays, marks and watches confirmations until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relay_forever())
            group.create_task(self._mark_forever())
            group.create_task(self._watch_age_forever())

    async def flush(self, timeout_s: float) -> None:
        """Waits for confirmations and marks them; what is not confirmed by then stays for a relay."""
        deadline = self._clock.monotonic() + timeout_s
        while self._unconfirmed and self._bus.connected and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)
        await self._mark()

    async def replay(self) -> None:
        """Declares the stream when it is missing and fills a new one from the outbox, from the oldest row that is kept.

        Which stream was filled how far is in the table `streams`, known by the stream's time of creation; replicas take turns,
        so a crash or a second replica neither loses nor reorders anything. Consumers have recorded what they handled, so a
        replay has no effect twice.
        """
        try:
            info = await call(self._client, f"STREAM.INFO.{self._stream}")
        except NotFound:
            info = await declare_stream(self._client, self._package, max_age_days=self._max_age_days)
            LOG.warning("stream %s was missing and is declared again", self._stream)
        while not await self._replay_step(str(info["created"])):
            pass

    async def _replay_step(self, created: str) -> bool:
        """Publishes the next rows of a replay; True when it is complete."""
        schema = self._database.schema
        async with self._database.transaction() as tx:
            await tx.raw.execute(
                f'INSERT INTO "{schema}".streams (stream, created, replayed_seq, complete) VALUES ($1, $2, 0, false) '  # noqa: S608
                "ON CONFLICT (stream) DO NOTHING",
                self._stream, created,
            )  # fmt: skip
            state = await tx.raw.fetchrow(
                f'SELECT created, replayed_seq, complete FROM "{schema}".streams WHERE stream = $1 FOR UPDATE',  # noqa: S608
                self._stream,
            )
            assert state is not None
            same = state["created"] == created
            if same and state["complete"]:
                return True
            after = state["replayed_seq"] if same else 0
            rows = await rows_after(tx.raw, schema, after, _BATCH)
            if rows:
                await self._send_and_confirm(rows)
                await mark_published(tx.raw, schema, [row.seq for row in rows])
            complete = len(rows) < _BATCH
            await tx.raw.execute(
                f'UPDATE "{schema}".streams SET created = $2, replayed_seq = $3, complete = $4 WHERE stream = $1',  # noqa: S608
                self._stream, created, rows[-1].seq if rows else after, complete,
            )  # fmt: skip
        if rows:
            LOG.info("stream %s: %d events published again", self._stream, len(rows))
        return complete

    def _publish(self, rows: Sequence[OutboxRow]) -> None:
        if self._mode is Mode.DIRECT:
            if self._bus.connected and len(self._unconfirmed) + len(rows) <= _MAX_UNCONFIRMED:
                for row in rows:
                    if not self._send(row):
                        self._doubt("NATS does not take more")
                        return
                self._count_direct.inc(len(rows))
                return
            self._doubt("NATS is away or slow")
        elif self._mode is Mode.HOLDING:
            if len(self._held) + len(rows) <= _MAX_HELD:
                self._held.extend(rows)
            else:
                self._doubt("too many events wait for the relay")

    def _send(self, row: OutboxRow, waiter: asyncio.Future[None] | None = None) -> bool:
        self._number += 1
        reply = f"{self._inbox}.{self._number}"
        headers = {
            "Nats-Msg-Id": str(row.event_id),
            "Yunsong-Event": f"{row.seq} {row.occurred_at.isoformat()}",
        }
        if row.traceparent:
            headers["traceparent"] = row.traceparent
        if not self._client.publish(row.subject, row.payload, reply=reply, headers=headers):
            return False
        self._unconfirmed[reply] = _Sent(row.seq, self._clock.monotonic(), waiter)
        return True

    def _on_confirmation(self, msg: Msg) -> None:
        sent = self._unconfirmed.pop(msg.subject, None)
        if sent is None:
            return
        if msg.status == STATUS_NO_RESPONDERS or b'"error"' in msg.data:
            # No stream, or it refuses: the stream may be gone.
            self._stream_checked = False
            if sent.waiter is not None and not sent.waiter.done():
                sent.waiter.set_exception(_refused(msg))
            self._doubt("JetStream refused an event")
        elif sent.waiter is not None:
            if not sent.waiter.done():
                sent.waiter.set_result(None)
        else:
            self._confirmed.append(sent.seq)

    def _doubt(self, reason: str) -> None:
        if self._mode is not Mode.RELAYING:
            LOG.warning("%s: events wait in the outbox for the relay: %s", self._stream, reason)
        self._mode = Mode.RELAYING
        self._gauge_direct.set(0)
        self._held.clear()
        self._wake_relay.set()

    def _on_connection(self, up: bool) -> None:
        if up:
            # The server may have come back without its data.
            self._stream_checked = False
            self._wake_relay.set()
        else:
            for sent in self._unconfirmed.values():
                if sent.waiter is not None and not sent.waiter.done():
                    sent.waiter.set_exception(
                        Unavailable(reason="NATS_UNAVAILABLE", message="the connection to NATS was lost")
                    )
            self._unconfirmed.clear()
            self._doubt("the connection to NATS was lost")

    async def _relay_forever(self) -> None:
        while True:
            await self._bus.wait_connected()
            try:
                await self._relay_once()
                pause = _RELAY_EVERY_S
            except YunsongError as error:
                LOG.warning("%s: the relay stopped: %s", self._stream, error)
                pause = 0.5
            self._wake_relay.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._wake_relay.wait()
            except TimeoutError:
                continue
            await self._clock.sleep(0.05)

    async def _relay_once(self) -> None:
        self._expire()
        if not self._stream_checked:
            await self.replay()
            self._stream_checked = True
        if self._mode is Mode.DIRECT:
            await self._pass(_RELAY_AFTER_S)
            return
        await self._mark()
        await self._pass(0)
        self._held.clear()
        self._mode = Mode.HOLDING
        await self._pass(0)
        if self._mode is Mode.HOLDING:
            self._mode = Mode.DIRECT
            self._gauge_direct.set(1)
            held, self._held = self._held, []
            self._publish(held)

    async def _pass(self, older_than_s: float) -> None:
        """Publishes the unpublished rows of that age, oldest first, until there are only a few."""
        count = _BATCH
        while count == _BATCH:
            async with self._database.transaction() as tx:
                rows = await lock_leftovers(
                    tx.raw, self._database.schema, older_than_s=older_than_s, limit=_BATCH
                )
                count = len(rows)
                if rows:
                    await self._send_and_confirm(rows)
                    await mark_published(tx.raw, self._database.schema, [row.seq for row in rows])
            self._count_relay.inc(count)

    async def _send_and_confirm(self, rows: Sequence[OutboxRow]) -> None:
        loop = asyncio.get_running_loop()
        waiters: list[asyncio.Future[None]] = []
        for row in rows:
            waiter: asyncio.Future[None] = loop.create_future()
            if not self._send(row, waiter):
                raise Unavailable(
                    reason="NATS_UNAVAILABLE", message="NATS does not take more", retry_after_s=1.0
                )
            waiters.append(waiter)
        done, pending = await asyncio.wait(waiters, timeout=_CONFIRM_S)
        errors = [waiter.exception() for waiter in done]
        if pending or any(errors):
            for waiter in pending:
                waiter.cancel()
            raise Unavailable(
                reason="NATS_UNAVAILABLE",
                message=f"{len(pending) + sum(e is not None for e in errors)} of {len(rows)} events were not confirmed",
                retry_after_s=1.0,
            )

    def _expire(self) -> None:
        limit = self._clock.monotonic() - _CONFIRM_S
        late = [reply for reply, sent in self._unconfirmed.items() if sent.at < limit]
        for reply in late:
            del self._unconfirmed[reply]
        if late:
            self._doubt(f"{len(late)} events were not confirmed in {_CONFIRM_S:g} s")

    async def _mark_forever(self) -> None:
        while True:
            await self._clock.sleep(_MARK_EVERY_S)
            try:
                await self._mark()
            except YunsongError as error:
                LOG.warning("%s: published events cannot be marked: %s", self._stream, error)
                # Those that are forgotten are published once more by a relay; NATS or the consumers drop them.
                del self._confirmed[: -10 * _MAX_UNCONFIRMED]
                await self._clock.sleep(1)

    async def _watch_age_forever(self) -> None:
        """Measured in the database, so it shows what any process left, and grows while NATS is away."""
        while True:
            try:
                async with self._database.read() as tx:
                    self._gauge_oldest.set(await oldest_unpublished_s(tx.raw, self._database.schema))
            except (YunsongError, asyncpg.UndefinedTableError) as error:  # also before the first migration
                LOG.debug("the outbox's age cannot be measured just now: %s", error)
            await self._clock.sleep(_AGE_EVERY_S)

    async def _mark(self) -> None:
        if not self._confirmed:
            return
        seqs = self._confirmed
        self._confirmed = []
        try:
            async with self._database.read() as tx:
                await mark_published(tx.raw, self._database.schema, seqs)
        except BaseException:
            self._confirmed[:0] = seqs
            raise


def _refused(msg: Msg) -> Unavailable:
    text = msg.data[:200].decode(errors="replace") or "no stream takes the subject"
    return Unavailable(
        reason="NATS_UNAVAILABLE", message=f"JetStream refused an event: {text}", retry_after_s=1.0
    )
