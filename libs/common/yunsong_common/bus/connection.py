"""One service's connection to NATS: live messages both ways, and the ground for streams and consumers."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from yunsong_common.bus.nats import Msg, NatsClient
from yunsong_common.errors import Unavailable
from yunsong_common.outbox.subjects import live_subject, subject_of
from yunsong_common.telemetry import is_recorded

LOG = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

_WAITING = 1000


@dataclass(slots=True)
class LiveMessage:
    """A message as it came from NATS."""

    subject: str
    data: bytes
    headers: Mapping[str, str]  # empty when there are none

    def parse(self, message_type: type[M]) -> M:
        """The message itself."""
        return message_type.FromString(self.data)


Callback = Callable[[LiveMessage], Awaitable[None] | None]


class Bus:
    """A connection that reconnects forever. Constructing it does not connect; the service's runtime calls `run`."""

    def __init__(self, url: str, *, name: str) -> None:
        self.client = NatsClient(url, name=name)
        self.client.listeners.append(self._changed)
        self.client.gap_listeners.append(self.lost)
        self._reconnect_listeners: list[Callable[[], None]] = []
        self._gap_listeners: list[Callable[[str], None]] = []

    async def run(self) -> None:
        """Keeps the connection up until cancelled."""
        await self.client.run()

    @property
    def connected(self) -> bool:
        """Whether NATS answers just now."""
        return self.client.connected

    async def wait_connected(self) -> None:
        """Returns once there is a connection."""
        await self.client.wait_connected()

    def publish_live(self, message: Message, traceparent: str = "") -> bool:
        """Sends a live message; does not wait. False, and the message is gone, while NATS is away or its buffer is full."""
        headers = {"traceparent": traceparent} if is_recorded(traceparent) else None
        return self.client.publish(subject_of(message), message.SerializeToString(), headers=headers)

    def publish_raw(self, subject: str, payload: bytes) -> bool:
        """Sends bytes on a core NATS subject, such as a gateway's own inbox. As `publish_live`."""
        return self.client.publish(subject, payload)

    async def subscribe_live(
        self, subject: str | type[Message], callback: Callback, *, queue: str = ""
    ) -> LiveSubscription:
        """Delivers what is published on a subject (wildcards allowed) or of a type, also durable events as they pass.

        A plain function is called at once, on the reading path, and must be quick; a coroutine function runs in order, with at
        most 1,000 messages waiting, beyond which the oldest are dropped and `on_gap` listeners hear of it. The subscription
        survives reconnects. `flush` tells when the
        server knows of it.
        """
        pattern = subject if isinstance(subject, str) else live_subject(subject)
        subscription = LiveSubscription(self, pattern, callback)
        subscription.begin(queue)
        return subscription

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Calls `listener` after each connection but the first: live messages may have been missed."""
        self._reconnect_listeners.append(listener)

    def on_gap(self, listener: Callable[[str], None]) -> None:
        """Calls `listener` with the subject of a slow subscription that lost messages."""
        self._gap_listeners.append(listener)

    def lost(self, subject: str) -> None:
        """Tells the `on_gap` listeners."""
        for listener in self._gap_listeners:
            listener(subject)

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Returns when the server has seen everything sent so far, subscriptions included. Raises `Unavailable`."""
        await self.client.flush(timeout_s)

    async def check(self) -> None:
        """Returns when NATS is connected; raises `Unavailable` when not."""
        if not self.client.connected:
            raise Unavailable(reason="NATS_UNAVAILABLE", message="NATS is not connected", retry_after_s=1.0)

    def _changed(self, up: bool) -> None:
        if up and self.client.connections > 1:
            for listener in self._reconnect_listeners:
                listener()


class LiveSubscription:
    """A core NATS subscription; survives reconnects."""

    def __init__(self, bus: Bus, subject: str, callback: Callback) -> None:
        self.subject = subject
        self._bus = bus
        self._callback = callback
        self._waiting: deque[LiveMessage] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._sid = 0
        self._ended = False

    def begin(self, queue: str) -> None:
        """Subscribes; part of `Bus.subscribe_live`."""
        in_order = inspect.iscoroutinefunction(self._callback)
        self._sid = self._bus.client.subscribe(self.subject, self._queue if in_order else self._call, queue)

    async def unsubscribe(self) -> None:
        """Ends it; nothing is delivered afterwards, and what waits is dropped."""
        self._ended = True
        self._bus.client.unsubscribe(self._sid)
        self._waiting.clear()
        worker = self._worker
        if worker is not None and worker is not asyncio.current_task():
            worker.cancel()
            await asyncio.wait([worker])

    def _call(self, msg: Msg) -> None:
        try:
            self._callback(LiveMessage(msg.subject, msg.data, msg.headers))
        except Exception:  # one subscriber's fault must not end the connection that all share
            LOG.exception("a live subscriber of %s failed", self.subject)

    def _queue(self, msg: Msg) -> None:
        if len(self._waiting) >= _WAITING:
            self._waiting.popleft()
            self._bus.lost(self.subject)
        self._waiting.append(LiveMessage(msg.subject, msg.data, msg.headers))
        if self._worker is None or self._worker.done():
            # Lives only while messages wait: an idle subscription costs no task.
            self._worker = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting and not self._ended:
            message = self._waiting.popleft()
            try:
                answer = self._callback(message)
                assert isinstance(answer, Coroutine)
                await answer
            except Exception:
                LOG.exception("a live subscriber of %s failed", self.subject)
