"""Waiting for the cluster's state: whoever changes something says so, whoever waits looks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

# What becomes true by time alone is looked at this often.
_LOOK_AGAIN_S = 0.25


class NotReached(Exception):
    """Something did not come about in time; the text says what, and how it stands."""


class Changes:
    """One bell for everything."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()

    def note(self) -> None:
        """Something changed."""
        self._bell.set()
        self._bell = asyncio.Event()

    async def next(self, within_s: float = _LOOK_AGAIN_S) -> None:
        """Returns at the next change, or after `within_s`."""
        bell = self._bell
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await bell.wait()

    async def until(self, condition: Callable[[], T], *, within_s: float, what: Callable[[], str]) -> T:
        """The first true value of `condition`. Raises NotReached."""
        deadline = time.monotonic() + within_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise NotReached(f"not within {within_s:g} s: {what()}")
            await self.next()
        return value
