"""Keeps services running: starts them in order, restarts what fails, stops them without losing what was taken.

Start: probes answer at once; then the database and its schema, `startup`, streams and consumers, gRPC, HTTP, ready.
Stop: not ready, no new work, finish what runs, flush the outbox, close. All of it within the grace period.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import random
import signal
import sys
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import uvloop

from yunsong.ops.v1 import ops_pb2_grpc
from yunsong_common.bus.consumer import Consumer, group_by_consumer
from yunsong_common.bus.failures import Retries
from yunsong_common.db import Pool, schema_state
from yunsong_common.errors import Unavailable, YunsongError
from yunsong_common.grpc.ops import OpsServicer
from yunsong_common.grpc.server import GrpcServer
from yunsong_common.health import Readiness, ops_app
from yunsong_common.housekeeping import Housekeeping
from yunsong_common.http import HttpServer
from yunsong_common.logging import service_name, setup_logging
from yunsong_common.outbox.publisher import Publisher
from yunsong_common.service import Build, Registries, Service
from yunsong_common.settings import ServiceSettings, SettingsError, load

LOG = logging.getLogger(__name__)

_MAX_PAUSE_S = 10.0
# Containers that were made and not freed until the youngest are looked through; Python's 700 suit programs with fewer at once.
_COLLECT_AFTER = 10_000


def main(builds: Sequence[Build], overrides: Mapping[str, Any]) -> None:
    """Runs until SIGTERM or SIGINT; exits with 2 when the settings are wrong."""
    try:
        process = Process(builds, overrides)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    setup_logging(process.settings[0].log_level)
    _spare_the_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(process.run_until_signal())


def _spare_the_collector() -> None:
    """Takes what was imported out of the garbage collector's sight.

    It lives as long as the process, and a full collection that walked through it would halt every message for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)


class Process:
    """The services of one process."""

    def __init__(
        self, builds: Sequence[Build], overrides: Mapping[str, Any], registries: Registries | None = None
    ) -> None:
        self._builds = builds
        self._compact = len(builds) > 1
        self.settings = [
            load(kind, **self._overrides(kind, overrides)) for kind in map(settings_class, builds)
        ]
        self.registries = registries or Registries()
        self.running: list[Running] = []
        self._owns_pool = False

    def _overrides(self, kind: type[ServiceSettings], overrides: Mapping[str, Any]) -> dict[str, Any]:
        if not self._compact:
            return dict(overrides)
        # Services of one process meet on loopback, on a port of their own unless the operator names one.
        inside: dict[str, Any] = {"grpc_host": "127.0.0.1"}
        if not os.environ.get(f"YUNSONG_{kind.service.replace('-', '_').upper()}_GRPC_PORT"):
            inside["grpc_port"] = 0
        return {**inside, **overrides}

    async def run_until_signal(self) -> None:
        """Runs until SIGTERM or SIGINT, then stops gracefully."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        told: list[int] = []

        def stop(number: int) -> None:
            if not told:
                told.append(number)
                LOG.info("stopping on %s", signal.Signals(number).name)
                task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        try:
            await self.run()
        except asyncio.CancelledError:
            if not told:
                raise

    async def run(self) -> None:
        """Runs until cancelled, then stops gracefully."""
        first = self.settings[0]
        if self._compact and self.registries.pool is None:
            size = max(first.database_pool, 2 * len(self._builds) + 8)
            self.registries.pool = Pool(
                first.database_url.get_secret_value(), size=size, application="yunsong"
            )
            self._owns_pool = True
        services = [
            build(settings, self.registries)
            for build, settings in zip(self._builds, self.settings, strict=True)
        ]
        self.running = [Running(service, self.registries) for service in services]
        for running in self.running:
            self.registries.addresses[running.service.name] = running.server.address
        readiness = {running.service.name: running.readiness for running in self.running}
        ops = HttpServer(
            ops_app(readiness, self.registries.metrics_registry),
            host=first.ops_host,
            port=first.ops_port,
            grace_s=1,
        )
        # Probes are answered until the very end, so this task is not one of the group's.
        probes = asyncio.create_task(ops.run())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_outcome(probes))
                for running in self.running:
                    group.create_task(running.run(), name=running.service.name)
        finally:
            if self._owns_pool and self.registries.pool is not None:
                await self.registries.pool.close()
            ops.stop()
            await asyncio.wait([probes], timeout=2)


class Running:
    """One service while it runs."""

    def __init__(self, service: Service, registries: Registries) -> None:
        settings = service.settings
        self.service = service
        self._registries = registries
        self._clock = registries.clock
        self._known_schema = int(
            importlib.import_module(f"{service.migrations.rpartition('.')[0]}.tables").SCHEMA_VERSION
        )
        self.metrics = registries.metrics(settings)
        self._telemetry = registries.telemetry(settings, service.version)
        package = service.package or ("channel" if service.name == "channel-adapter" else service.name)
        self.publisher = Publisher(
            service.database,
            service.bus,
            package=package,
            metrics=self.metrics,
            clock=self._clock,
            max_age_days=settings.outbox_days,
        )
        service.database.listener = self.publisher.committed
        self.consumers = [
            Consumer(
                group, name=name, stream=stream, bus=service.bus, database=service.database,
                metrics=self.metrics, telemetry=self._telemetry, clock=self._clock,
            )
            for (name, stream), group in group_by_consumer(service.subscriptions).items()
        ]  # fmt: skip
        ops = OpsServicer(service.database, self.consumers, service.bus, service.version)
        self.server = GrpcServer(
            [*service.grpc, (ops_pb2_grpc.add_OpsServiceServicer_to_server, ops)],
            release_key=settings.release_key.get_secret_value(),
            metrics=self.metrics,
            telemetry=self._telemetry,
            host=settings.grpc_host,
            port=settings.grpc_port,
            max_calls=settings.grpc_max_calls,
        )
        self.http = (
            HttpServer(
                service.http, host=settings.http_host, port=settings.http_port, grace_s=settings.grace_s / 2
            )
            if service.http is not None
            else None
        )
        self.readiness = Readiness(
            {
                "database": service.database.check,
                "schema": self._check_schema,
                "nats": service.bus.check,
                **{f"ready_{index}": check for index, check in enumerate(service.ready)},
            }
        )
        self._watch_state()

    async def run(self) -> None:
        """Runs until cancelled, then stops in order."""
        service = self.service
        service_name.set(service.name)
        async with (
            _cancelled_at_end(self._keep(service.bus.run)),
            _cancelled_at_end(self._keep(self.publisher.run)),
        ):
            try:
                await self._wait_for_schema()
                for step in service.startup:
                    await step()
                await self._work()
            finally:
                await self._within_grace(self._close())

    async def _work(self) -> None:
        service = self.service
        async with contextlib.AsyncExitStack() as stack:
            background: list[Callable[[], Awaitable[None]]] = [
                *service.tasks,
                Housekeeping(service.database, outbox_days=service.settings.outbox_days).run,
                *(Retries(consumer, service.database, self.metrics).run for consumer in self.consumers),
            ]
            for task in background:
                await stack.enter_async_context(_cancelled_at_end(self._keep(task)))
            consuming = [asyncio.create_task(self._keep(consumer.run)) for consumer in self.consumers]
            await self.server.start()
            await self.server.set_ready(True)
            serving = asyncio.create_task(self.http.run()) if self.http is not None else None
            self.readiness.open = True
            LOG.info("%s %s is ready on gRPC %s", service.name, service.version, self.server.address)
            try:
                await (_outcome(serving) if serving is not None else asyncio.Event().wait())
            finally:
                await self._within_grace(self._finish(consuming, serving))

    async def _finish(
        self, consuming: Sequence[asyncio.Task[None]], serving: asyncio.Task[None] | None
    ) -> None:
        """Takes no more work and finishes what was taken."""
        self.readiness.open = False
        await self.server.set_ready(False)
        for consumer in self.consumers:
            consumer.stop()
        if self.http is not None:
            self.http.stop()
        grace_s = self.service.settings.grace_s
        try:
            if serving is not None:
                await asyncio.wait([serving], timeout=grace_s / 2)
            await self.server.stop(grace_s / 4)
            if consuming:
                await asyncio.wait(consuming, timeout=grace_s / 4)
        finally:
            leftover = [task for task in (*consuming, serving) if task is not None and not task.done()]
            for task in leftover:
                task.cancel()
            await asyncio.gather(*leftover, return_exceptions=True)

    async def _close(self) -> None:
        self.readiness.open = False
        for step in self.service.shutdown:
            await step()
        with contextlib.suppress(YunsongError):
            await self.publisher.flush(timeout_s=3)
        if self.service.channels is not None:
            await self.service.channels.close()
        with contextlib.suppress(YunsongError):
            await self.service.bus.flush(timeout_s=1)
        if self._registries.pool is None:
            await self.service.database.close()
        self._telemetry.shutdown()

    async def _within_grace(self, work: Awaitable[None]) -> None:
        """Finishes `work` although this task is being cancelled, but not beyond the grace period."""
        task = asyncio.ensure_future(work)
        async with asyncio.timeout(self.service.settings.grace_s):
            while not task.done():
                try:
                    await asyncio.shield(task)
                except asyncio.CancelledError:
                    if task.cancelled():
                        raise
        if (error := task.exception()) is not None:
            LOG.error("%s did not stop cleanly", self.service.name, exc_info=error)

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` until it returns; after a failure again, with a growing pause."""
        name = getattr(work, "__qualname__", type(work).__name__)
        pause = 0.2
        while True:
            started = self._clock.monotonic()
            try:
                await work()
                return
            except* Unavailable as group:
                LOG.warning("%s: %s waits: %s", self.service.name, name, group.exceptions[0])
            except* Exception as group:
                error = _first(group)
                LOG.error("%s: %s failed and is started again", self.service.name, name, exc_info=error)  # noqa: TRY400
            self.metrics.counter("yunsong_task_restarts_total", name).inc()
            if self._clock.monotonic() - started > 60:
                pause = 0.2
            await self._clock.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            pause = min(pause * 2, _MAX_PAUSE_S)

    async def _wait_for_schema(self) -> None:
        pause = 0.1
        said = ""
        while True:
            try:
                await self._check_schema()
                return
            except YunsongError as error:
                if str(error) != said:
                    said = str(error)
                    LOG.warning("%s waits: %s", self.service.name, error)
            await self._clock.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    async def _check_schema(self) -> None:
        state = await schema_state(self.service.database)
        if state is None:
            raise Unavailable(
                reason="SCHEMA_MISSING", message="the database has no schema yet; run the migrations"
            )
        if not state.serves(self._known_schema):
            raise Unavailable(
                reason="SCHEMA_UNFIT",
                message=f"this release knows schema {self._known_schema}, the database serves {state.min_compatible} to {state.current}",
            )

    def _watch_state(self) -> None:
        pool, bus = self.service.database.pool, self.service.bus
        self.metrics.gauge("yunsong_db_connections", "open").set_function(lambda: pool.opened)
        self.metrics.gauge("yunsong_db_connections", "in_use").set_function(lambda: pool.in_use)
        self.metrics.gauge("yunsong_nats_connected").set_function(lambda: int(bus.connected))
        bus.on_reconnect(self.metrics.counter("yunsong_nats_reconnects_total").inc)


def settings_class(build: Build) -> type[ServiceSettings]:
    """The class of `build`'s settings: the annotation of its first parameter."""
    hints = typing.get_type_hints(build)
    found = next(iter(hints.values()), None)
    if not (isinstance(found, type) and issubclass(found, ServiceSettings)):
        raise TypeError(f"the first parameter of {build!r} must be annotated with its ServiceSettings")
    return found


@contextlib.asynccontextmanager
async def _cancelled_at_end(work: Any) -> AsyncIterator[None]:
    """Runs `work` beside the block; when it fails, the block is cancelled and the failure raised."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()


async def _outcome(task: asyncio.Task[None]) -> None:
    """Waits for a task without passing on this one's cancellation; raises what the task raised."""
    await asyncio.wait([task])
    task.result()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
