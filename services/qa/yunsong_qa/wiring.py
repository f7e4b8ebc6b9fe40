"""Composes quality assurance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from yunsong.qa.v1 import qa_pb2_grpc
from yunsong_common.clock import Clock
from yunsong_common.db import Database
from yunsong_common.service import Registries, Service
from yunsong_plugin_api import INSPECTION_RULES, InspectionRule, PluginRunner, load_plugins
from yunsong_qa.conversations import RemoteConversations
from yunsong_qa.domain.rules import BUILTIN
from yunsong_qa.grpc_api import InspectionServicer, ReportServicer, ScorecardServicer
from yunsong_qa.handlers.alerting import Alerting
from yunsong_qa.handlers.inspecting import Inspector
from yunsong_qa.handlers.recording import Recording
from yunsong_qa.rulebook import RulebookCache
from yunsong_qa.settings import QaSettings
from yunsong_qa.subscriptions import subscriptions
from yunsong_qa.tables import SCHEMA

VERSION = "0.1.0"


def build(settings: QaSettings, registries: Registries) -> Service:
    database = registries.database(settings, SCHEMA)
    channels = registries.channels(settings)
    runner = PluginRunner(name="inspection-rule")
    loaded = load_plugins(INSPECTION_RULES, InspectionRule, builtin=BUILTIN)  # type: ignore[type-abstract]
    rulebooks = RulebookCache({name: found.plugin for name, found in loaded.items()}, runner)
    alerting = Alerting(rulebooks, runner, max_age_s=settings.alert_max_age_s)
    inspector = Inspector(
        database,
        RemoteConversations(channels),
        rulebooks,
        runner,
        registries.clock,
        registries.metrics(settings),
    )
    recording = Recording(rulebooks, alerting, inspector.wake)

    async def close() -> None:
        runner.close()

    return Service(
        name="qa",
        version=VERSION,
        settings=settings,
        database=database,
        bus=registries.bus(settings),
        migrations="yunsong_qa.migrations",
        channels=channels,
        package="qa",
        grpc=[
            (
                qa_pb2_grpc.add_ScorecardServiceServicer_to_server,
                ScorecardServicer(database, rulebooks, inspector),
            ),
            (qa_pb2_grpc.add_InspectionServiceServicer_to_server, InspectionServicer(database, inspector)),
            (qa_pb2_grpc.add_ReportServiceServicer_to_server, ReportServicer(database)),
        ],
        subscriptions=subscriptions(recording, settings.batch),
        tasks=[inspector.run, _watcher(alerting, database, registries.clock, settings.response_check_s)],
        shutdown=[close],
    )


def _watcher(
    alerting: Alerting, database: Database, clock: Clock, every_s: float
) -> Callable[[], Awaitable[None]]:
    """Looks for overdue answers."""

    async def watch_clock() -> None:
        while True:
            await alerting.watch_clock(database)
            await clock.sleep(every_s)

    return watch_clock
