"""Ids grow with time; a manual clock wakes sleepers in order."""

from __future__ import annotations

import asyncio
import time
import uuid

from yunsong_common.clock import ManualClock
from yunsong_common.ids import is_uuid, new_id, new_uuid


def test_ids_are_uuid_version_7_of_now() -> None:
    before = time.time_ns() // 1_000_000
    value = new_uuid()
    after = time.time_ns() // 1_000_000
    assert value.version == 7
    assert value.variant == uuid.RFC_4122
    assert before <= value.int >> 80 <= after


def test_ids_are_unique_and_canonical() -> None:
    made = {new_id() for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(is_uuid(value) for value in made)
    assert not is_uuid(new_id().upper())
    assert not is_uuid("")


async def test_sleepers_wake_at_their_times_in_order() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 10), ("early", 1), ("middle", 5)):
            group.create_task(sleeper(name, seconds))
        await asyncio.sleep(0)
        assert clock.sleepers == 3
        await clock.advance(4)
        assert woken == [("early", 1)]
        await clock.advance(100)
    assert woken == [("early", 1), ("middle", 5), ("late", 10)]
    assert clock.monotonic() == 104


async def test_a_task_that_sleeps_again_is_woken_again_within_one_advance() -> None:
    clock = ManualClock()
    ticks: list[float] = []

    async def ticking() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(ticking())
    await asyncio.sleep(0)
    await clock.advance(5)
    task.cancel()
    assert ticks == [1, 2, 3, 4, 5]
