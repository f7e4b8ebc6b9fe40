"""Keeps processes running: starts them, passes their output on, starts them again after a crash, stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, ServerFailed
from yunsong_standalone.topology import Part

_PR_SET_PDEATHSIG = 1
_FIRST_PAUSE_S = 0.3
_LONGEST_PAUSE_S = 10.0
# A process that ran this long has recovered: its next crash is a new one.
_RECOVERED_S = 60.0
_SERVER_CHECK_S = 0.2
# A service's exit code for settings that cannot work, which no restart cures.
_SETTINGS_WRONG = 2

Print = Callable[[str, str], None]


class PartFailed(Exception):
    """A process cannot work at all, for the reason that it printed."""


@dataclass
class Running:
    """One part and its process of the moment."""

    part: Part
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        alive = self.process is not None and self.process.returncode is None
        return self.process.pid if alive and self.process is not None else None


class Supervisor:
    """Runs parts until told to stop. `on_change` is called whenever a pid changed."""

    def __init__(self, parts: list[Part], write: Print, on_change: Callable[[], None]) -> None:
        self.running = [Running(part) for part in parts]
        self._write = write
        self._on_change = on_change
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keeps all parts running until `stop`. Raises PartFailed when one cannot run with its settings."""
        async with asyncio.TaskGroup() as group:
            for running in self.running:
                group.create_task(self._keep(running))

    def stop(self) -> None:
        """Asks every part to finish what it has taken, and to end."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends every part at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for running in self.running:
            if running.process is not None and running.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    running.process.send_signal(number)

    async def _keep(self, running: Running) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_once(running)
            if self._stopping.is_set():
                return
            if code == _SETTINGS_WRONG:
                raise PartFailed(f"{running.part.name} cannot run with these settings; see its lines above")
            if time.monotonic() - began > _RECOVERED_S:
                pause_s = _FIRST_PAUSE_S
            self._write(running.part.name, f"ended with code {code}; starting again in {pause_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _run_once(self, running: Running) -> int:
        running.process = await asyncio.create_subprocess_exec(
            *running.part.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(running.part.environment),
            # A Ctrl-C in the terminal reaches the command alone, which then stops its parts in order.
            start_new_session=True,
            preexec_fn=_end_with_parent,
            # One line of a log may hold a long stack trace.
            limit=1 << 20,
        )
        self._on_change()
        try:
            await self._pass_on(running.part.name, running.process)
            return await running.process.wait()
        finally:
            if running.process.returncode is None:
                running.process.kill()
                await running.process.wait()
            self._on_change()

    async def _pass_on(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than the limit: the rest of it is dropped
                continue
            if not line:
                return
            self._write(name, line.decode("utf-8", "replace").rstrip("\n"))


async def keep_servers(
    servers: list[EmbeddedPostgres | EmbeddedNats], write: Print, on_change: Callable[[], None]
) -> None:
    """Starts embedded servers again that ended by themselves, on the same port and data. Runs until cancelled."""
    while True:
        for server in servers:
            if server.pid is None:
                name = "postgres" if isinstance(server, EmbeddedPostgres) else "nats"
                write(name, "ended; starting again")
                # Not in a thread: the server would end with the thread that started it.
                try:
                    server.start(timeout_s=30)
                except ServerFailed as error:
                    write(name, str(error))
                on_change()
        await asyncio.sleep(_SERVER_CHECK_S)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
