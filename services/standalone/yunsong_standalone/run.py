"""`yunsong run`: servers, migration, the six services, the first start's work; until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from yunsong_standalone.backends import Servers, start_servers
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.console import Console
from yunsong_standalone.embedded import ServerFailed
from yunsong_standalone.home import AlreadyRunning, Home
from yunsong_standalone.readiness import NotReady, wait_until_ready
from yunsong_standalone.supervisor import PartFailed, Supervisor, keep_servers
from yunsong_standalone.topology import LOOPBACK, Ports, Topology, is_free, parts_of

_READY_WITHIN_S = 120
_STOP_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    topology: Topology
    host: str
    port: int
    demo_data: bool
    raw_logs: bool


class _StepFailed(Exception):
    """A step of the start ended with an error that it printed."""


def run(options: Options, home: Home, environment: Mapping[str, str]) -> int:
    """Run until SIGINT or SIGTERM; the exit code. What could not start says why, and what to do."""
    console = Console(raw=options.raw_logs)
    try:
        with home.locked():
            _run_locked(options, home, environment, console)
    except (AlreadyRunning, ServerFailed) as error:
        console.warn(str(error))
        return 1
    except BaseExceptionGroup as group:
        known, other = group.split((PartFailed, NotReady, _StepFailed))
        if other is not None:
            raise other from None
        for reason in known.exceptions if known is not None else ():
            console.warn(str(reason))
        return 1
    return 0


def _run_locked(options: Options, home: Home, environment: Mapping[str, str], console: Console) -> None:
    if not is_free(options.port, options.host):
        raise ServerFailed(
            f"port {options.port} on {options.host} is in use: choose another one (`make run PORT=…`)"
        )
    console.say(f"Yunsong, {options.topology} topology, data in {home.folder}")
    servers = start_servers(home, options.topology, environment)
    try:
        asyncio.run(_Run(options, home, environment, servers, console).until_stopped())
    finally:
        servers.stop()
        console.say("Stopped; the data is kept.")


class _Run:
    """One run of the product in one event loop."""

    def __init__(
        self, options: Options, home: Home, environment: Mapping[str, str], servers: Servers, console: Console
    ) -> None:
        self._options = options
        self._home = home
        self._environment = environment
        self._servers = servers
        self._console = console
        self._ports = Ports.choose(options.port, environment)
        parts = parts_of(
            options.topology, servers.backends, self._ports, self._settings_of_services(), environment
        )
        self._supervisor = Supervisor(parts, console.part, self._tell)
        self._stop = asyncio.Event()
        self._is_first = not home.done("first_start")
        self._ready = False

    async def until_stopped(self) -> None:
        self._home.files.mkdir(exist_ok=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        async with asyncio.TaskGroup() as group:
            supervising = group.create_task(self._supervise())
            keeping = group.create_task(keep_servers(self._servers.embedded, self._console.part, self._tell))
            starting = group.create_task(self._start())
            await self._stop_or(supervising)
            starting.cancel()
            self._supervisor.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_WITHIN_S):
                    await asyncio.wait([supervising])
            self._supervisor.kill()
            keeping.cancel()

    async def _supervise(self) -> None:
        """On an empty database the services would only wait; later they start beside the migration, which saves time."""
        if self._is_first:
            await self._migrate()
        await self._supervisor.run()

    async def _stop_or(self, supervising: asyncio.Task[None]) -> None:
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([stopped, supervising], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._supervisor.kill()
            return
        self._console.say("Stopping; once more to stop at once.")
        self._stop.set()

    async def _start(self) -> None:
        if not self._is_first:
            await self._migrate()
        await wait_until_ready(self._ports.asked_for_readiness(self._options.topology), _READY_WITHIN_S)
        if self._is_first:
            arguments = [] if self._options.demo_data else ["--no-demo-data"]
            await self._step("first start", "-m", "yunsong_standalone.first_start", *arguments)
            self._home.mark_done("first_start")
        self._ready = True
        self._tell()
        self._greet()

    async def _migrate(self) -> None:
        await self._step("migrate", "-m", "yunsong_standalone", "migrate", "--quiet")

    async def _step(self, name: str, *arguments: str) -> None:
        """One piece of work in a process of its own, so that the command stays small."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=self._step_environment(), start_new_session=True
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0:
            raise _StepFailed(f"{name} did not succeed; see the lines above")

    def _settings_of_services(self) -> dict[str, dict[str, str]]:
        return {
            "gateway": {
                "YUNSONG_GATEWAY_HTTP_HOST": self._options.host,
                "YUNSONG_GATEWAY_PUBLIC_URL": self._url(),
                "YUNSONG_GATEWAY_FILES_URL": str(self._home.files),
                "YUNSONG_GATEWAY_DEMO_SHOP": str(self._home.demo_shop),
            },
            "channel-adapter": {
                "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY": self._home.secret("encryption_key"),
            },
        }

    def _step_environment(self) -> dict[str, str]:
        backends = self._servers.backends
        own = {
            service.variable("DATABASE_URL"): backends.database_urls[service.name]
            for service in SERVICES
            if service.name in backends.database_urls
        }
        home = {"YUNSONG_HOME": str(self._home.folder)}
        return {**self._ports.environment(), **self._environment, **own, **backends.environment(), **home}

    def _tell(self) -> None:
        """Once all is ready, say in the folder what runs, for the other commands and whoever looks for a pid."""
        if not self._ready:
            return
        backends = self._servers.backends
        self._home.set_running(
            {
                "pid": os.getpid(),
                "url": self._url(),
                "topology": str(self._options.topology),
                "processes": {item.part.name: item.pid for item in self._supervisor.running},
                "servers": {
                    name: {"pid": server.pid, "port": server.port}
                    for name, server in (("postgres", self._servers.postgres), ("nats", self._servers.nats))
                    if server is not None
                },
                "grpc_ports": dict(self._ports.grpc),
                "ops_ports": self._ports.asked_for_readiness(self._options.topology),
                "database_url": backends.database_urls[""],
                "nats_url": backends.nats_urls[""],
            }
        )

    def _url(self) -> str:
        host = LOOPBACK if self._options.host in {"0.0.0.0", ""} else self._options.host  # noqa: S104
        return f"http://{host}:{self._ports.http}"

    def _greet(self) -> None:
        say = self._console.say
        say()
        say(f"  Yunsong is ready:   {self._url()}")
        if self._home.demo_shop.is_file() and "YUNSONG_GATEWAY_PAGES" in self._environment:
            say(f"  Demo shop:          {self._url()}/demo")
        say(f"  API description:    {self._url()}/openapi.json")
        with contextlib.suppress(FileNotFoundError):
            first = json.loads(self._home.first_sign_in.read_text("utf-8"))
            say(f"  First sign-in:      {first['username']} / see {self._home.first_sign_in}")
        say("  The main job:       make demo      (in another terminal)")
        say("  Stop:               Ctrl-C")
        say()
