"""Runs plugin code off the event loop, with a deadline and a bound."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class PluginTimeout(Exception):
    """Plugin code did not come back in time. Its thread may still run; what it returns is dropped."""


class PluginBusy(Exception):
    """Too much plugin code is waiting or hangs; try again later."""


class PluginRunner:
    """A few threads for plugin code.

    A thread cannot be killed, so one that overstays its deadline is given up and another takes its place, at most `max_stuck` times; beyond
    that `run` raises `PluginBusy` until one of them comes back.
    """

    def __init__(
        self, *, threads: int = 4, waiting: int = 200, max_stuck: int = 8, name: str = "plugin"
    ) -> None:
        self._threads = threads
        self._waiting = waiting
        self._max_stuck = max_stuck
        self._name = name
        self._work: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._workers = 0
        self._idle = 0
        self._queued = 0
        self._stuck = 0
        self._closed = False

    @property
    def stuck(self) -> int:
        """Threads that overstayed and have not come back."""
        return self._stuck

    async def run(
        self, deadline_s: float, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Calls `function` in a thread and gives its result or raises its exception.

        Raises `PluginTimeout` after `deadline_s` seconds, waiting included, and `PluginBusy` when `waiting` calls already wait.
        """
        job = _Job(
            asyncio.get_running_loop(), lambda: contextvars.copy_context().run(function, *args, **kwargs)
        )
        self._submit(job)
        try:
            async with asyncio.timeout(deadline_s):
                return await job.future  # type: ignore[no-any-return]
        except TimeoutError:
            if job.future.done() and not job.future.cancelled():
                raise  # the plugin's own TimeoutError
            raise PluginTimeout(f"{_name_of(function)} took longer than {deadline_s:g} s") from None
        finally:
            self._give_up(job)

    def close(self) -> None:
        """Ends the threads that are idle; the others end when their code comes back."""
        with self._lock:
            self._closed = True
            for _ in range(self._workers):
                self._work.put(None)

    def _submit(self, job: _Job) -> None:
        with self._lock:
            if self._closed or self._queued >= self._waiting or self._stuck >= self._max_stuck:
                raise PluginBusy(f"{self._queued} calls wait and {self._stuck} hang; try again later")
            self._queued += 1
            self._work.put(job)
            if self._idle < self._queued and self._workers < self._threads:
                self._start_thread()

    def _start_thread(self) -> None:
        self._workers += 1
        threading.Thread(target=self._serve, name=f"{self._name}-{self._workers}", daemon=True).start()

    def _give_up(self, job: _Job) -> None:
        with self._lock:
            if job.state == "running":
                job.state = "stuck"
                self._stuck += 1
                self._workers -= 1
                if self._queued and not self._closed:
                    self._start_thread()
            elif job.state == "waiting":
                job.state = "dropped"

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._work.get()
            with self._lock:
                self._idle -= 1
                if job is None:
                    self._workers -= 1
                    return
                self._queued -= 1
                if job.state == "dropped":
                    continue
                job.state = "running"
            job.run()
            with self._lock:
                if job.state == "stuck":
                    # Another thread has taken this one's place.
                    self._stuck -= 1
                    return
                job.state = "done"


class _Job:
    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
        self.loop = loop
        self.call = call
        self.future: asyncio.Future[Any] = loop.create_future()
        self.state = "waiting"

    def run(self) -> None:
        try:
            result, error = self.call(), None
        except BaseException as caught:  # noqa: BLE001 - whatever a plugin raises belongs to its caller
            result, error = None, caught
        try:
            self.loop.call_soon_threadsafe(self._settle, result, error)
        except RuntimeError:
            return  # the loop is gone, and with it whoever waited

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        elif isinstance(error, Exception):
            self.future.set_exception(error)
        else:
            self.future.set_exception(RuntimeError(f"plugin code raised {type(error).__name__}"))


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
