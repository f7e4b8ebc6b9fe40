"""A service as a value, and the runtime that keeps one or several of them running."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from yunsong_common.bus import Bus, Subscription
from yunsong_common.clock import Clock, SystemClock
from yunsong_common.db import Database, Pool
from yunsong_common.grpc import Channels
from yunsong_common.grpc.server import GrpcService
from yunsong_common.settings import ServiceSettings
from yunsong_common.telemetry import Metrics, Telemetry

AsgiApp = Callable[..., Awaitable[None]]
Build = Callable[[Any, "Registries"], "Service"]


@dataclass
class Registries:
    """What the services of one process share; made by the runtime, or by a test.

    A `build` takes what it needs from here, so that the compact topology can give six services one pool.
    """

    metrics_registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=False))
    clock: Clock = field(default_factory=SystemClock)
    pool: Pool | None = None
    # Where services of this process listen, by name; wins over the settings.
    addresses: dict[str, str] = field(default_factory=dict)

    def database(self, settings: ServiceSettings, schema: str) -> Database:
        """The service's database, on the shared pool when there is one."""
        raise NotImplementedError

    def bus(self, settings: ServiceSettings) -> Bus:
        """The service's connection to NATS, not yet connected."""
        raise NotImplementedError

    def channels(self, settings: ServiceSettings) -> Channels:
        """Channels to the other services, signing as this one."""
        raise NotImplementedError

    def metrics(self, settings: ServiceSettings) -> Metrics:
        """The service's metrics."""
        raise NotImplementedError

    def telemetry(self, settings: ServiceSettings, version: str) -> Telemetry:
        """The service's tracing."""
        raise NotImplementedError


@dataclass(kw_only=True)
class Service:
    """Everything the runtime needs to run a service; made by `build(settings, registries)` in its `wiring.py`.

    `tasks` run until the service stops; one that raises is logged and started again with a growing pause, one that returns is done.
    `startup` runs in order once the database is there with a fitting schema, before the first call or event comes in. `shutdown` runs after the last.
    `ready` adds to what `/readyz` asks: each raises when the service cannot work just now.
    """

    name: str
    version: str
    settings: ServiceSettings
    database: Database
    bus: Bus
    # The package of the revisions, such as "yunsong_router.migrations"; its parent's `tables.py` says which schema is known.
    migrations: str
    channels: Channels | None = None
    # The proto package whose events this service publishes: "router"; "channel" for the channel-adapter.
    package: str = ""
    grpc: Sequence[GrpcService] = ()
    subscriptions: Sequence[Subscription[Any]] = ()
    tasks: Sequence[Callable[[], Awaitable[None]]] = ()
    http: AsgiApp | None = None
    startup: Sequence[Callable[[], Awaitable[None]]] = ()
    shutdown: Sequence[Callable[[], Awaitable[None]]] = ()
    ready: Sequence[Callable[[], Awaitable[None]]] = ()


def run_service(build: Build) -> None:
    """The whole of a service's `__main__`: reads the settings, builds the service, runs it until SIGTERM or SIGINT.

    The settings class is the annotation of `build`'s first parameter. Exits with 2 when the settings are wrong, naming every variable.
    """
    raise NotImplementedError


def run_together(builds: Sequence[Build], **overrides: Any) -> None:
    """Runs several services in this process until SIGTERM or SIGINT: one pool, gRPC on 127.0.0.1 with ports of their own.

    `overrides` are settings by field name for all of them.
    """
    raise NotImplementedError


async def serve(services: Sequence[Build], registries: Registries | None = None, **overrides: Any) -> None:
    """As `run_together`, inside a running loop and without signals: runs until cancelled, then stops gracefully. For tests."""
    raise NotImplementedError
