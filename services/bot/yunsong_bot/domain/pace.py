"""Work in a thread that leaves the interpreter to others: building an index must not hold up answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_WORK_S = 0.001
# Long enough for a waiting thread to take the interpreter: after a sleep of 0 this one would have it again.
_PAUSE_S = 0.00005


def paced(items: Iterable[T]) -> Iterator[T]:
    """The same items, with a tiny pause after every millisecond of work on them."""
    pause_at = time.monotonic() + _WORK_S
    for item in items:
        yield item
        if time.monotonic() >= pause_at:
            time.sleep(_PAUSE_S)
            pause_at = time.monotonic() + _WORK_S
