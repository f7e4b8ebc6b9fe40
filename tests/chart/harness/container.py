"""One container of a pod: its process, its probes, and how it is ended."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.chart.harness.images import Image
from tests.chart.harness.probes import Prober, Timing, until_started, watch
from yunsong_common.clock import Clock

_SHIM = Path(__file__).with_name("shim.py")
_KILL_WITHIN_S = 10.0
# What the kubelet leaves a container after a hook that used the whole grace.
_LEAST_GRACE_S = 2.0


class NotStartable(Exception):
    """The container can't be made as its pod says; the kubelet would try again."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a container runs as."""

    user: int
    group: int
    groups: tuple[int, ...]

    @classmethod
    def of(cls, pod: Mapping[str, Any], container: Mapping[str, Any], image: Image) -> Identity:
        """Raises NotStartable for root where the pod forbids it."""
        both = {**(pod.get("securityContext") or {}), **(container.get("securityContext") or {})}
        user = both.get("runAsUser", image.user)
        # With a user of its own and no group, Kubernetes takes the image's passwd, which knows none of these.
        group = both.get("runAsGroup", image.group if "runAsUser" not in both else 0)
        if both.get("runAsNonRoot") and user == 0:
            raise NotStartable(f"{container['name']} would run as root, which its pod forbids")
        groups = [*both.get("supplementalGroups", []), *([both["fsGroup"]] if "fsGroup" in both else [])]
        return cls(user, group, tuple(sorted({group, *groups})))


@dataclass(frozen=True, slots=True)
class Start:
    """Everything that one start of a container needs."""

    image: Image
    command: Sequence[str]
    environment: Mapping[str, str]
    identity: Identity
    mounts: Sequence[Mapping[str, Any]]
    network: str
    hostname: str


class Process:
    """A container's process 1, as this machine sees it."""

    def __init__(self, shim: asyncio.subprocess.Process, pid: int, start: Start) -> None:
        self._shim = shim
        self._start = start
        self.pid = pid

    @classmethod
    async def start(cls, start: Start, spec: Mapping[str, Any], folder: Path, log: Path) -> Process:
        """Starts it; what it prints goes to `log`."""
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        reading, writing = os.pipe()
        context = spec.get("securityContext") or {}
        orders = {
            "stage": str(folder),
            "network": start.network,
            "hostname": start.hostname,
            "layers": [str(layer) for layer in start.image.layers],
            "mounts": [
                *({"source": str(source), "target": place, "read_only": True}
                  for place, source in start.image.binds.items()),
                *start.mounts,
            ],
            "read_only_root": bool(context.get("readOnlyRootFilesystem")),
            "capabilities": [] if context.get("capabilities") else _USUAL_CAPABILITIES,
            "no_new_privs": context.get("allowPrivilegeEscalation") is False,
            "uid": start.identity.user,
            "gid": start.identity.group,
            "groups": start.identity.groups,
            "folder": spec.get("workingDir") or start.image.folder,
            "command": list(start.command),
            "environment": {"HOSTNAME": start.hostname, "HOME": "/", **start.environment},
            "report": writing,
        }  # fmt: skip
        try:
            with log.open("ab") as output:
                shim = await asyncio.create_subprocess_exec(
                    sys._base_executable,  # type: ignore[attr-defined]
                    "-IS",
                    str(_SHIM),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=(writing,),
                    start_new_session=True,
                    env={},
                )
        finally:
            os.close(writing)
        try:
            assert shim.stdin is not None
            shim.stdin.write(json.dumps(orders).encode())
            shim.stdin.close()
            reported = await asyncio.to_thread(os.read, reading, 32)
        finally:
            os.close(reading)
        if not reported:
            await shim.wait()
            raise NotStartable(f"the shim ended; see {log}")
        return cls(shim, int(reported), start)

    async def wait(self) -> int:
        """Its exit code; 128 and the signal's number when a signal ended it."""
        return await self._shim.wait()

    @property
    def alive(self) -> bool:
        return self._shim.returncode is None

    def memory(self) -> int:
        """Bytes that its processes have in memory; what they share with each other is counted for each."""
        processes = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        return sum(each.memory_info().rss for each in processes)

    def signal(self, number: signal.Signals) -> None:
        """A signal as the container engine sends it: process 1 sees it only if it handles it, but for SIGKILL."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def execute(self, command: Sequence[str], output: int | None = None) -> tuple[int, str]:
        """Runs a command in the container, with its environment and as its user; its code and what it printed."""
        nsenter = shutil.which("nsenter") or "nsenter"
        identity = self._start.identity
        started = await asyncio.create_subprocess_exec(
            *(nsenter, "--target", str(self.pid), "--mount", "--pid", "--net", "--ipc", "--uts"),
            *("--setuid", str(identity.user), "--setgid", str(identity.group), "--", *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOSTNAME": self._start.hostname, "HOME": "/", **self._start.environment},
            start_new_session=True,
        )
        try:
            said, _ = await started.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            await started.wait()
            raise
        assert started.returncode is not None
        return started.returncode, said.decode("utf-8", "replace")


class Container:
    """A container through its starts. `make` gives what a start needs; `changed` is told whenever its state changes."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        *,
        folder: Path,
        clock: Clock,
        prober: Prober | None,
        make: Callable[[Mapping[str, Any]], Start],
        changed: Callable[[str], None],
        grace_s: float,
    ) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.log = folder / f"{self.name}.log"
        self.restarts = 0
        self.ready = False
        self.last_code: int | None = None
        self.process: Process | None = None
        self._folder = folder / self.name
        self._clock = clock
        self._prober = prober
        self._make = make
        self._changed = changed
        self._grace_s = grace_s
        self._starts = 0

    @property
    def ports(self) -> dict[str, int]:
        return {
            each["name"]: each["containerPort"] for each in self.spec.get("ports") or [] if "name" in each
        }

    async def run_once(self) -> int:
        """From start to end; its exit code. Raises NotStartable, or Missing for what it refers to."""
        self._starts += 1
        start = self._make(self.spec)
        stage = self._folder.with_name(f"{self.name}-{self._starts}")
        self.process = await Process.start(start, self.spec, stage, self.log)
        self._changed(f"{self.name} started, process {self.process.pid}")
        probing = asyncio.create_task(self._probe(self.process))
        try:
            code = await self.process.wait()
        finally:
            probing.cancel()
            with suppress(asyncio.CancelledError):
                await probing
            self._set_ready(ready=False)
            if self.process.alive:
                self.process.signal(signal.SIGKILL)
        self.last_code = code
        self._changed(f"{self.name} ended with {code}")
        return code

    async def stop(self, grace_s: float, why: str) -> None:
        """preStop, SIGTERM, and SIGKILL when the grace is over."""
        process = self.process
        if process is None or not process.alive:
            return
        self._changed(f"{self.name} is asked to end: {why}")
        deadline = time.monotonic() + grace_s
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._before_stop(process)
        process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(max(_LEAST_GRACE_S, deadline - time.monotonic())):
                await process.wait()
        except TimeoutError:
            self._changed(f"{self.name} did not end within {grace_s:g} s and is killed")
            process.signal(signal.SIGKILL)
            async with asyncio.timeout(_KILL_WITHIN_S):
                await process.wait()

    async def _before_stop(self, process: Process) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("preStop") or {}
        if "sleep" in hook:
            await asyncio.sleep(hook["sleep"]["seconds"])
        elif "exec" in hook:
            code, said = await process.execute(hook["exec"]["command"])
            if code != 0:
                self._changed(f"{self.name}: preStop ended with {code}: {said}")

    async def _probe(self, process: Process) -> None:
        async def execute(command: list[str]) -> int:
            code, _ = await process.execute(command)
            return code

        def check(name: str) -> Any:
            assert self._prober is not None
            return self._prober.check(self.spec[name], self.ports, execute)

        startup = self.spec.get("startupProbe")
        if startup and not await until_started(Timing.of(startup), check("startupProbe"), self._clock):
            await self.stop(self._grace_s, "its startup probe failed")
            return
        async with asyncio.TaskGroup() as group:
            if readiness := self.spec.get("readinessProbe"):
                group.create_task(
                    watch(Timing.of(readiness), check("readinessProbe"), self._clock, self._set_ready)
                )
            else:
                self._set_ready(ready=True)
            if liveness := self.spec.get("livenessProbe"):
                failed = asyncio.Event()

                def report(passed: bool) -> None:
                    if not passed:
                        failed.set()

                watching = group.create_task(
                    watch(Timing.of(liveness), check("livenessProbe"), self._clock, report)
                )
                await failed.wait()
                watching.cancel()
                await self.stop(self._grace_s, "its liveness probe failed")

    def _set_ready(self, ready: bool) -> None:
        if self.ready != ready:
            self.ready = ready
            self._changed(f"{self.name} is {'ready' if ready else 'not ready'}")

    def text(self) -> str:
        """What it printed, over all its starts."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


# What a container engine leaves to root unless the pod drops it.
_USUAL_CAPABILITIES = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]
