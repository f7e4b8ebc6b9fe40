"""Composes the router. Nothing else constructs adapters."""

from __future__ import annotations

from yunsong.router.v1 import router_pb2_grpc
from yunsong_common.service import Registries, Service
from yunsong_plugin_api import PluginRunner
from yunsong_router.conversation_client import GrpcConversations
from yunsong_router.grpc_api import AgentService, ContactWaitService, DispatchService, QueueService
from yunsong_router.handlers.boards import Boards
from yunsong_router.handlers.commanding import Commander
from yunsong_router.handlers.dispatching import Dispatch
from yunsong_router.handlers.measures import Measures
from yunsong_router.handlers.policy import Policy
from yunsong_router.handlers.strategies import Strategies
from yunsong_router.neighbours import Neighbours
from yunsong_router.settings import RouterSettings
from yunsong_router.subscriptions import subscriptions
from yunsong_router.tables import SCHEMA
from yunsong_router.tasks import BoardTask, Ear, PlanningTask, TimerTask

VERSION = "0.1.0"


def build(settings: RouterSettings, registries: Registries) -> Service:
    """The router as a value."""
    database = registries.database(settings, SCHEMA)
    channels = registries.channels(settings, registries.telemetry(settings, VERSION))
    clock = registries.clock
    measures = Measures(registries.metrics(settings))
    policy = Policy(
        lease_grace_s=settings.lease_grace_s,
        lease_renew_s=settings.lease_renew_s,
        outage_limit_s=settings.outage_limit_s,
        decline_pause_s=settings.decline_pause_s,
        required_agent_patience_s=settings.required_agent_patience_s,
    )
    strategies = Strategies.installed()
    conversations = GrpcConversations(channels)
    neighbours = Neighbours(channels)
    commander = Commander(database, conversations, policy, measures, settings.command_concurrency)
    planning = PlanningTask(
        database,
        commander,
        strategies,
        PluginRunner(threads=1, name="strategy"),
        measures,
        clock,
        settings.plan_size,
    )
    return Service(
        name="router",
        version=VERSION,
        settings=settings,
        database=database,
        bus=registries.bus(settings),
        migrations="yunsong_router.migrations",
        channels=channels,
        package="router",
        grpc=[
            (
                router_pb2_grpc.add_QueueServiceServicer_to_server,
                QueueService(database, strategies, neighbours),
            ),
            (router_pb2_grpc.add_AgentServiceServicer_to_server, AgentService(database, policy, neighbours)),
            (
                router_pb2_grpc.add_DispatchServiceServicer_to_server,
                DispatchService(database, Dispatch(database, conversations, commander, policy)),
            ),
            (
                router_pb2_grpc.add_ContactWaitServiceServicer_to_server,
                ContactWaitService(database, channels),
            ),
        ],
        subscriptions=subscriptions(database, policy),
        tasks=[
            planning.run,
            commander.run,
            TimerTask(database, policy, measures, clock, settings.tick_s).run,
            BoardTask(database, Boards(measures), clock, settings.board_s).run,
            Ear(settings.database_url.get_secret_value(), planning, commander, clock).run,
        ],
    )
