"""How long a contact may wait. The formula, its assumptions and its measured error: docs/decisions/0003-estimated-wait.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Fewer finished conversations than this say too little.
MIN_SAMPLES = 5
# A queue's handling time is the mean of this many conversations that ended last.
SAMPLES = 100
# Nobody is told to wait longer; a larger number would only be more wrong.
MAX_S = 24 * 3600
# Queues that go first may seem to take everything for a moment; something is always left for the others.
_MAX_FIRST = 0.9


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """What is known of a queue now."""

    id: str
    priority: int
    waiting: int
    active: int  # conversations that agents hold from it
    slots: int  # conversations its online members can hold at once
    free_slots: int  # of these, how many are free
    handling_s: float  # mean seconds that a conversation is held
    samples: int  # conversations behind that mean


@dataclass(frozen=True, slots=True)
class Line:
    """What decides how long one queue's contacts wait."""

    before: float  # who waits in queues that go first, as far as they wait for the same agents
    beside: float  # the same for queues of equal priority
    waiting: int
    free_slots: int
    departures_per_s: float  # how often a slot comes free that this queue may have; 0 when nobody serves
    samples: int

    def estimate_s(self, position: int) -> int | None:
        """Seconds to wait at a position, 1 = next; None when there is too little history or nobody serves."""
        # Of equal priority, those who came before are ahead: as many, in proportion, as in the queue itself.
        beside = self.beside * min(1.0, position / max(1, self.waiting))
        ahead = self.before + beside + position - 1
        if ahead < self.free_slots:
            return 0
        if self.samples < MIN_SAMPLES or self.departures_per_s <= 0:
            return None
        return round(min(MAX_S, (ahead + 1 - self.free_slots) / self.departures_per_s))


def line_of(
    queue: QueueLoad, group: Iterable[QueueLoad], shared_slots: Mapping[tuple[str, str], int]
) -> Line:
    """The line of one queue among its routing group, itself included.

    `shared_slots` holds, for a pair of queues, the slots of the online agents who serve both.
    """
    before = beside = busy = rate = rate_first = 0.0
    for other in group:
        share = shared_slots.get((queue.id, other.id), 0) / other.slots if other.slots else 0.0
        handling_s = other.handling_s or queue.handling_s
        held = other.active * share
        if handling_s:
            busy += held
            rate += held / handling_s
        if other.id == queue.id:
            continue
        if other.priority < queue.priority:
            before += other.waiting * share
            rate_first += held / handling_s if handling_s else 0.0
        elif other.priority == queue.priority:
            beside += other.waiting * share
    if rate > 0:
        departures = queue.slots * rate / busy * (1 - min(_MAX_FIRST, rate_first / rate))
    else:
        departures = queue.slots / queue.handling_s if queue.handling_s else 0.0
    return Line(before, beside, queue.waiting, queue.free_slots, departures, queue.samples)
