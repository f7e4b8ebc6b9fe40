"""The micro-batcher in front of `append`: while one commit is in flight the next batch gathers, and never waits for a timer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from opentelemetry.trace import SpanKind

from yunsong_common.clock import Clock, SystemClock
from yunsong_common.db import Database
from yunsong_common.errors import Aborted, Internal, NotFound, ResourceExhausted, Unavailable, YunsongError
from yunsong_common.telemetry import LongSpan, Metrics, Telemetry
from yunsong_conversation.handlers.append import append
from yunsong_conversation.handlers.entry import Appended, Entry, Left

LOG = logging.getLogger(__name__)

OrderKey = tuple[str, str, str]
LearnInbox = Callable[[str], Awaitable[bool]]
_TRIES = 4  # of a batch that met a conflict


class _Call:
    """One caller's entries; done when the last has its outcome."""

    def __init__(self, count: int) -> None:
        self.open = count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self) -> None:
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)


class Writer:
    """Appends the entries of all callers, at most `batch` in a transaction, by `workers` that take turns at the database.

    Entries with the same order key are written in the order they came. At `pending` entries a caller gets
    RESOURCE_EXHAUSTED. `learn_inbox` makes an inbox known that no event has told of yet, and says whether there is one.
    """

    def __init__(
        self,
        db: Database,
        learn_inbox: LearnInbox,
        metrics: Metrics | None = None,
        *,
        pending: int = 10_000,
        batch: int = 256,
        workers: int = 2,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._db = db
        self._learn_inbox = learn_inbox
        self._metrics = metrics
        self._max_pending = pending
        self._max_batch = batch
        self._workers = workers
        self._clock = clock or SystemClock()
        self._pending: deque[Entry] = deque()
        self._calls: dict[Entry, _Call] = {}
        self._skips: dict[Entry, int] = {}
        self._busy: set[OrderKey] = set()
        # Entries that wait behind one whose conversation is held elsewhere, by order key.
        self._parked: dict[OrderKey, list[Entry]] = {}
        self._wake = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    async def write(self, entries: Sequence[Entry]) -> list[Appended | YunsongError]:
        """Appends entries and answers with what became of each, in order, once all that were accepted are committed.

        Raises RESOURCE_EXHAUSTED / WRITER_FULL.
        """
        if len(self._calls) + len(entries) > self._max_pending:
            raise ResourceExhausted(
                reason="WRITER_FULL",
                message=f"{self._max_pending} messages wait to be written; try again in a moment",
                retry_after_s=0.5,
            )
        if not entries:
            return []
        call = _Call(len(entries))
        spans = self._begin_spans(entries)
        for entry in entries:
            self._calls[entry] = call
            self._pending.append(entry)
        self._wake.set()
        await call.done
        for entry, span in zip(entries, spans, strict=False):
            span.end(entry.outcome.reason if isinstance(entry.outcome, YunsongError) else "")
        return [_outcome(entry) for entry in entries]

    def _begin_spans(self, entries: Sequence[Entry]) -> list[LongSpan]:
        """A call brings entries of many traces: each gets a span in its own, from here to its commit."""
        if self._telemetry is None or not self._telemetry.enabled:
            return []
        spans = [
            self._telemetry.begin("append message", parent=entry.traceparent, kind=SpanKind.SERVER)
            for entry in entries
        ]
        for entry, span in zip(entries, spans, strict=True):
            entry.traceparent = span.traceparent
        return spans

    async def run(self) -> None:
        """Writes until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            for _ in range(self._workers):
                group.create_task(self._work())

    async def drain(self) -> None:
        """Returns when everything that was taken is written."""
        while self._calls:
            await asyncio.wait({call.done for call in self._calls.values()})

    async def _work(self) -> None:
        while True:
            entries = self._take()
            if not entries:
                self._wake.clear()
                await self._wake.wait()
                continue
            keys = {entry.order_key for entry in entries}
            self._busy |= keys
            try:
                await self._write(entries)
            finally:
                self._busy -= keys
                self._wake.set()

    def _take(self) -> list[Entry]:
        """The next batch, in order, without what must wait for another batch or a held conversation."""
        taken: list[Entry] = []
        kept: list[Entry] = []
        while self._pending and len(taken) < self._max_batch:
            entry = self._pending.popleft()
            key = entry.order_key
            if key in self._parked:
                self._parked[key].append(entry)
            elif key in self._busy:
                kept.append(entry)
            else:
                taken.append(entry)
        self._pending.extendleft(reversed(kept))
        return taken

    async def _write(self, entries: list[Entry]) -> None:
        started = self._clock.monotonic()
        try:
            left = await self._attempt(entries, wait=False)
        except YunsongError as error:
            self._fail(entries, error)
            return
        except asyncio.CancelledError:
            self._fail(entries, _stopped())
            raise
        except Exception:
            # A fault of ours must neither end the writer nor leave callers waiting.
            LOG.exception("a batch of %d messages failed", len(entries))
            self._fail(entries, Internal(reason="APPEND_FAILED", message="the messages could not be written"))
            return
        undecided = {*left.skipped, *left.unknown_inbox}
        self._settle(entry for entry in entries if entry not in undecided)
        self._observe(len(entries), self._clock.monotonic() - started)
        self._put_back(left.skipped)
        for entry in left.unknown_inbox:
            self._park([entry], self._write_after_learning)

    async def _attempt(self, entries: list[Entry], *, wait: bool) -> Left:
        for attempt in range(_TRIES):
            try:
                return await append(self._db, entries, wait=wait)
            except Aborted:
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _put_back(self, skipped: list[Entry]) -> None:
        """Once more with the next batch; whose conversation is still held then waits for it, beside the batches."""
        again: list[Entry] = []
        held: dict[OrderKey, list[Entry]] = {}
        for entry in skipped:
            self._skips[entry] = self._skips.get(entry, 0) + 1
            if self._skips[entry] < 2:
                again.append(entry)
            else:
                held.setdefault(entry.order_key, []).append(entry)
        self._pending.extendleft(reversed(again))
        for entries in held.values():
            self._park(entries, self._write_waiting)

    def _park(self, entries: list[Entry], work: Callable[[list[Entry]], Awaitable[None]]) -> None:
        key = entries[0].order_key
        if key in self._parked:
            self._parked[key].extend(entries)
            return
        self._parked[key] = entries
        assert self._tasks is not None
        self._tasks.create_task(self._unpark(key, work))

    async def _unpark(self, key: OrderKey, work: Callable[[list[Entry]], Awaitable[None]]) -> None:
        entries = list(self._parked[key])
        try:
            await work(entries)
        except YunsongError as error:
            self._fail(entries, error)
        except asyncio.CancelledError:
            self._fail(entries, _stopped())
            raise
        except Exception:
            LOG.exception("%d messages that waited for their conversation failed", len(entries))
            self._fail(entries, Internal(reason="APPEND_FAILED", message="the messages could not be written"))
        finally:
            # What came behind goes the usual way, in its order.
            behind = self._parked.pop(key)[len(entries) :]
            self._pending.extendleft(reversed(behind))
            self._wake.set()

    async def _write_waiting(self, entries: list[Entry]) -> None:
        left = await self._attempt(entries, wait=True)
        undecided = {*left.skipped, *left.unknown_inbox}
        self._settle(entry for entry in entries if entry not in undecided)
        self._fail(
            undecided,
            Unavailable(
                reason="CONVERSATION_BUSY", message="the conversation is held elsewhere", retry_after_s=0.5
            ),
        )

    async def _write_after_learning(self, entries: list[Entry]) -> None:
        inbox_id = entries[0].sender.inbox_id
        if not await self._learn_inbox(inbox_id):
            raise NotFound(reason="INBOX_UNKNOWN", message=f"there is no inbox {inbox_id}")
        await self._write_waiting(entries)

    def _fail(self, entries: Sequence[Entry] | set[Entry], error: YunsongError) -> None:
        for entry in entries:
            entry.outcome = error
        self._settle(entries)

    def _settle(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._skips.pop(entry, None)
            call = self._calls.pop(entry, None)
            if call is not None:
                call.settle()

    def _observe(self, size: int, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.histogram("yunsong_append_batch_size").observe(size)
            self._metrics.histogram("yunsong_append_seconds").observe(seconds)


def _outcome(entry: Entry) -> Appended | YunsongError:
    assert entry.outcome is not None
    return entry.outcome


def _stopped() -> YunsongError:
    return Unavailable(
        reason="SERVICE_STOPPING", message="the service stops; send the message again", retry_after_s=1.0
    )
