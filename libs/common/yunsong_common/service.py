"""A service as a value, and what the services of one process share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from yunsong_common.bus.connection import Bus
from yunsong_common.bus.subscription import Subscription
from yunsong_common.clock import Clock, SystemClock
from yunsong_common.db import Database, Pool
from yunsong_common.grpc.client import Channels
from yunsong_common.grpc.server import GrpcService
from yunsong_common.settings import SERVICES, ServiceSettings
from yunsong_common.telemetry import Metrics, Telemetry

AsgiApp = Callable[..., Awaitable[None]]
Build = Callable[[Any, "Registries"], "Service"]


@dataclass
class Registries:
    """What the services of one process share; made by the runtime, or by a test.

    A `build` takes what it needs from here, so that the compact topology can give six services one pool.
    """

    metrics_registry: CollectorRegistry = field(
        default_factory=lambda: CollectorRegistry(auto_describe=False)
    )
    clock: Clock = field(default_factory=SystemClock)
    pool: Pool | None = None
    # Where services of this process listen, by name; wins over the settings. May be filled until the first call.
    addresses: dict[str, str] = field(default_factory=dict)
    # Objects that other services' wiring left here for tests; keyed by service and name.
    shared: dict[str, Any] = field(default_factory=dict)

    def database(self, settings: ServiceSettings, schema: str) -> Database:
        """The service's database, on the shared pool when there is one."""
        source: str | Pool = self.pool or settings.database_url.get_secret_value()
        return Database(
            source,
            schema=schema,
            pool_size=settings.database_pool,
            clock_offset=dt.timedelta(seconds=settings.clock_offset_s),
        )

    def bus(self, settings: ServiceSettings) -> Bus:
        """The service's connection to NATS, not yet connected."""
        return Bus(settings.nats_url.get_secret_value(), name=f"yunsong-{settings.service}")

    def channels(self, settings: ServiceSettings, telemetry: Telemetry | None = None) -> Channels:
        """Channels to the other services, signing as this one."""
        return Channels(
            service=settings.service,
            release_key=settings.release_key.get_secret_value(),
            addresses=_Addresses(self, settings),
            telemetry=telemetry,
        )

    def metrics(self, settings: ServiceSettings) -> Metrics:
        """The service's metrics."""
        return Metrics(self.metrics_registry, settings.service)

    def telemetry(self, settings: ServiceSettings, version: str) -> Telemetry:
        """The service's tracing; the same one every time."""
        key = f"{settings.service}/telemetry"
        if key not in self.shared:
            self.shared[key] = Telemetry(settings.service, version, settings.otlp_endpoint)
        telemetry: Telemetry = self.shared[key]
        return telemetry


class _Addresses(dict[str, str]):
    """Looks an address up when it is needed: in this process first, then in the settings."""

    def __init__(self, registries: Registries, settings: ServiceSettings) -> None:
        super().__init__({name: settings.address_of(name) for name in SERVICES})
        self._registries = registries

    def __getitem__(self, service: str) -> str:
        return self._registries.addresses.get(service) or super().__getitem__(service)


@dataclass(kw_only=True)
class Service:
    """Everything the runtime needs to run a service; made by `build(settings, registries)` in its `wiring.py`.

    `tasks` run until the service stops; one that raises is logged and started again with a growing pause, one that returns is done.
    `startup` runs in order once the database is there with a fitting schema, before the first call or event comes in.
    `shutdown` runs after the last. `ready` adds to what `/readyz` asks: each raises when the service cannot work just now.
    """

    name: str
    version: str
    settings: ServiceSettings
    database: Database
    bus: Bus
    # The package of the revisions, such as "yunsong_router.migrations"; its parent's `tables.py` says which schema is known.
    migrations: str
    channels: Channels | None = None
    # The proto package whose events this service publishes; "channel" for the channel-adapter, else the name.
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
    run_together([build])


def run_together(builds: Sequence[Build], **overrides: Any) -> None:
    """Runs services in this process until SIGTERM or SIGINT.

    More than one is the compact topology: one pool, gRPC on 127.0.0.1 with ports of their own, one operations port (the first service's).
    `overrides` are settings by field name, for all of them.
    """
    from yunsong_common.runtime import main  # noqa: PLC0415 - the runtime imports this module

    main(builds, overrides)


async def serve(builds: Sequence[Build], registries: Registries | None = None, **overrides: Any) -> None:
    """As `run_together`, inside a running loop and without signals: runs until cancelled, then stops gracefully. For tests."""
    from yunsong_common.runtime import Process  # noqa: PLC0415

    await Process(builds, overrides, registries).run()
