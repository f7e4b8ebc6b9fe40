"""What a queue promises a contact: the clocks of the first and the next answer of one conversation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum


class Promise(Enum):
    """Which answer is promised."""

    FIRST = "first"
    NEXT = "next"


class Status(Enum):
    """How a promise stands."""

    RUNNING = "running"
    WARNING = "warning"
    BREACHED = "breached"
    MET = "met"
    STOPPED = "stopped"


_OPEN = (Status.RUNNING, Status.WARNING)


@dataclass(frozen=True, slots=True)
class Sla:
    """A queue's promises in seconds; 0 = none."""

    first_response_s: int = 0
    next_response_s: int = 0
    warn_before_s: int = 0


@dataclass(frozen=True, slots=True)
class Clock:
    """One promise that was given."""

    promise: Promise
    status: Status
    due_at: dt.datetime
    warn_at: dt.datetime | None = None

    @property
    def timer(self) -> dt.datetime | None:
        """When something happens to it by itself; None when nothing does."""
        if self.status is Status.RUNNING:
            return self.warn_at or self.due_at
        return self.due_at if self.status is Status.WARNING else None


@dataclass(frozen=True, slots=True)
class Clocks:
    """The promises of one conversation. Each transition gives the clocks after it and the ones that changed."""

    first: Clock | None = None
    next: Clock | None = None
    # The first answer was given, or its promise broke or was stopped for good.
    answered: bool = False

    @property
    def timer(self) -> dt.datetime | None:
        """When the earliest of them needs a look."""
        return min(
            (c.timer for c in (self.first, self.next) if c is not None and c.timer is not None), default=None
        )

    @property
    def next_due_at(self) -> dt.datetime | None:
        """The earliest promise that still runs."""
        return min(
            (c.due_at for c in (self.first, self.next) if c is not None and c.status in _OPEN), default=None
        )


Transition = tuple[Clocks, list[Clock]]
# Adds seconds to a moment; time while the queue is closed does not count.
Elapse = Callable[[dt.datetime, float], dt.datetime]


def queued(clocks: Clocks, sla: Sla, at: dt.datetime, elapse: Elapse) -> Transition:
    """The conversation waits for an agent: promises the first answer, unless that is given or promised already."""
    if sla.first_response_s == 0 or clocks.answered or _breached_or_open(clocks.first):
        return clocks, []
    clock = _started(Promise.FIRST, sla.first_response_s, sla.warn_before_s, at, elapse)
    return replace(clocks, first=clock), [clock]


def contact_wrote(clocks: Clocks, sla: Sla, at: dt.datetime, elapse: Elapse) -> Transition:
    """The contact wrote while people have the conversation: promises the next answer, unless one is due already."""
    if sla.next_response_s == 0 or not clocks.answered or _breached_or_open(clocks.next):
        return clocks, []
    clock = _started(Promise.NEXT, sla.next_response_s, sla.warn_before_s, at, elapse)
    return replace(clocks, next=clock), [clock]


def agent_answered(clocks: Clocks) -> Transition:
    """An agent answered the contact: what runs is kept, what broke is over."""
    first, next_ = _ended(clocks.first, Status.MET), _ended(clocks.next, Status.MET)
    changed = [
        new for old, new in ((clocks.first, first), (clocks.next, next_)) if new is not None and new != old
    ]
    return Clocks(first=None, next=None, answered=True), changed


def stopped(clocks: Clocks) -> Transition:
    """Closed, asleep or back with the bot: nothing is promised any more."""
    first, next_ = _ended(clocks.first, Status.STOPPED), _ended(clocks.next, Status.STOPPED)
    changed = [
        new for old, new in ((clocks.first, first), (clocks.next, next_)) if new is not None and new != old
    ]
    return Clocks(first=None, next=None, answered=clocks.answered), changed


def ticked(clocks: Clocks, now: dt.datetime) -> Transition:
    """Time passed: warnings and breaches that are due."""
    first, next_ = _aged(clocks.first, now), _aged(clocks.next, now)
    changed = [
        new for old, new in ((clocks.first, first), (clocks.next, next_)) if new is not None and new != old
    ]
    return replace(clocks, first=first, next=next_), changed


def _started(promise: Promise, seconds: int, warn_before: int, at: dt.datetime, elapse: Elapse) -> Clock:
    warn_at = elapse(at, seconds - warn_before) if 0 < warn_before < seconds else None
    return Clock(promise, Status.RUNNING, elapse(at, seconds), warn_at)


def _breached_or_open(clock: Clock | None) -> bool:
    return clock is not None and clock.status in (*_OPEN, Status.BREACHED)


def _ended(clock: Clock | None, status: Status) -> Clock | None:
    return replace(clock, status=status) if clock is not None and clock.status in _OPEN else clock


def _aged(clock: Clock | None, now: dt.datetime) -> Clock | None:
    if clock is None or clock.status not in _OPEN:
        return clock
    if now >= clock.due_at:
        return replace(clock, status=Status.BREACHED)
    if clock.warn_at is not None and now >= clock.warn_at:
        return replace(clock, status=Status.WARNING)
    return clock
