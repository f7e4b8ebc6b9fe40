"""Processes that are kept running."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tests.support.polling import eventually
from yunsong_standalone.supervisor import PartFailed, Supervisor
from yunsong_standalone.topology import Part

WAITS = "import signal, time\nprint('up', flush=True)\nsignal.pause()"


def part(code: str, name: str = "part") -> Part:
    return Part(name, (sys.executable, "-c", code), {"PATH": os.environ["PATH"]})


class Lines(list[tuple[str, str]]):
    def write(self, name: str, line: str) -> None:
        self.append((name, line))


async def test_a_killed_process_is_started_again_and_a_stop_ends_it() -> None:
    lines = Lines()
    supervisor = Supervisor([part(WAITS)], lines.write, lambda: None)
    running = asyncio.create_task(supervisor.run())
    await eventually(lambda: ("part", "up") in lines, what="the first process")
    first = supervisor.running[0].pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    await eventually(lambda: lines.count(("part", "up")) == 2, what="the second process")
    assert supervisor.running[0].pid != first
    supervisor.stop()
    await asyncio.wait_for(running, 10)
    assert supervisor.running[0].pid is None


async def test_settings_that_cannot_work_end_everything_instead_of_a_loop() -> None:
    lines = Lines()
    supervisor = Supervisor(
        [part("import sys; print('YUNSONG_X: is not set'); sys.exit(2)"), part(WAITS, "other")],
        lines.write,
        lambda: None,
    )

    with pytest.raises(ExceptionGroup) as failed:
        await asyncio.wait_for(supervisor.run(), 10)

    assert failed.group_contains(PartFailed)
    assert ("part", "YUNSONG_X: is not set") in lines
    assert supervisor.running[1].pid is None
