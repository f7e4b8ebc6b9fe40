"""What a service says about the events it wants: type, handler, where to start."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from google.protobuf.message import Message

from yunsong_common.outbox.subjects import route_of

M = TypeVar("M", bound=Message)


# Not frozen: they are made for every event, and that would cost three times as much.
@dataclass(slots=True)
class EventMeta:
    """What came with an event."""

    event_id: str
    subject: str
    occurred_at: dt.datetime  # by the publisher's clock
    attempt: int  # 1 for the first
    seq: int  # the publisher's outbox sequence: grows, with gaps

    @property
    def entity_id(self) -> str:
        """The entity that the event is about."""
        return self.subject.rpartition(".")[2]


def _always(_: Message) -> bool:
    return True


@dataclass(slots=True)
class Delivery(Generic[M]):
    """One event of a batch."""

    event: M
    meta: EventMeta


@dataclass(frozen=True, kw_only=True)
class Subscription(Generic[M]):
    """One event type that a service handles.

    The runtime pulls events in batches and calls, for each event not handled before, in one transaction per batch:

        async def on_message_posted(tx: Transaction, event: events_pb2.MessagePosted, meta: EventMeta) -> None

    An exception rolls the batch back and its events run one by one; one that fails again waits in PostgreSQL and is tried
    `max_attempts` times with growing pauses, then becomes a dead letter. The events behind it go on, so a handler locks its
    aggregate, ignores an old `rev`
    and on a gap reads the owner. Within a batch, events run ordered by entity and then by publication, so replicas lock in the same order.

    With `transactional=False` the handler gets `(event, meta)` without a transaction, for work that calls other services; it
    opens its own. The event is recorded as handled after it returns, so a crash between runs it again: it must be idempotent.
    `concurrency` such events run at once,
    those of one entity in order.

    With `many=True` the handler gets `(tx, deliveries: Sequence[Delivery])`: neighbours of this type at once, for bulk statements.

    `concerns` tells from an event alone whether it means anything here; one that does not is acknowledged and leaves no trace, so a
    batch of such events costs no transaction.

    With `gather_s` a batch begins at least so long after the one before it: the first event after a quiet time is handled at once,
    and under load one transaction takes what would otherwise be many. For consumers whom nobody waits for.

    Subscriptions of one `consumer` to one stream share a durable consumer, and must agree on `start`: "new" begins with events
    that happen after the first start, "all" with what the stream holds.
    """

    event_type: type[M]
    handler: Callable[..., Awaitable[None]]
    consumer: str
    start: Literal["new", "all"]
    batch: int = 200
    max_attempts: int = 12
    transactional: bool = True
    many: bool = False
    concurrency: int = 16
    concerns: Callable[[M], bool] = _always
    gather_s: float = 0.0

    def __post_init__(self) -> None:
        route = route_of(self.event_type)
        if route.live:
            raise TypeError(f"{route.name} is a live message; use Bus.subscribe_live")
        if self.many and not self.transactional:
            raise TypeError("many=True needs a transaction")


AnySubscription = Subscription[Any]
Deliveries = Sequence[Delivery[Any]]
