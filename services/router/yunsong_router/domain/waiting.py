"""How long a newcomer may wait. The formula, its assumptions and its measured error: docs/decisions/0003-estimated-wait.md."""

from __future__ import annotations

from dataclasses import dataclass

# Fewer finished conversations than this say too little.
MIN_SAMPLES = 5
# The handling time is the mean of this many conversations that ended last.
SAMPLES = 100
# Nobody is told to wait longer; a larger number would only be more wrong.
MAX_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a queue is served now."""

    slots: float  # conversations its online agents can hold at once
    free_slots: float  # of these, how many are free
    handling_s: float  # mean seconds that a conversation is held
    samples: int  # conversations behind that mean


def estimated_wait_s(ahead: int, pace: Pace) -> int | None:
    """Seconds until somebody with `ahead` others before them is served; None when there is too little history or nobody serves.

    `ahead` counts everybody who is served earlier by the same agents.
    """
    if ahead < pace.free_slots:
        return 0
    if pace.samples < MIN_SAMPLES or pace.slots <= 0:
        return None
    departures_needed = ahead + 1 - pace.free_slots
    return round(min(MAX_S, departures_needed * pace.handling_s / pace.slots))
