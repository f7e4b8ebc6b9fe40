"""Waiting for something that becomes true, with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

_PAUSE_S = 0.02


async def eventually(
    condition: Callable[[], Awaitable[Any] | Any], *, within_s: float = 10, what: str = "the condition"
) -> Any:
    """The first true value of `condition`, plain or a coroutine function; an AssertionError counts as false.

    Raises AssertionError that names `what` and the last thing that was wrong, after `within_s` seconds.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            found = condition()
            value = await found if inspect.isawaitable(found) else found
            last = value
        except AssertionError as error:
            value, last = None, error
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within_s:g} s; last: {last!r}")
        await asyncio.sleep(_PAUSE_S)
