"""Composes the conversation service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from yunsong.conversation.v1 import (
    contact_door_pb2_grpc,
    contact_pb2_grpc,
    conversation_pb2_grpc,
    desk_pb2_grpc,
    internal_pb2_grpc,
)
from yunsong_common.clock import Clock
from yunsong_common.db import Database
from yunsong_common.service import Registries, Service
from yunsong_common.telemetry import Metrics
from yunsong_conversation.entries import Entries
from yunsong_conversation.grpc_api import (
    ContactConversationServicer,
    ContactServicer,
    ConversationServicer,
    InternalServicer,
    QuickReplyServicer,
    SavedViewServicer,
    TaxonomyServicer,
)
from yunsong_conversation.handlers import timers
from yunsong_conversation.handlers.writer import Writer
from yunsong_conversation.inbox_directory import InboxDirectory
from yunsong_conversation.repository import conversations
from yunsong_conversation.settings import ConversationSettings
from yunsong_conversation.subscriptions import subscriptions
from yunsong_conversation.tables import SCHEMA

VERSION = "0.1.0"
_COUNT_S = 15.0
_FORGET_S = 3600.0


def build(settings: ConversationSettings, registries: Registries) -> Service:
    """The service, ready to be run."""
    db = registries.database(settings, SCHEMA)
    registries.shared["conversation/database"] = db  # a test moves its clock
    telemetry = registries.telemetry(settings, VERSION)
    channels = registries.channels(settings, telemetry)
    metrics = registries.metrics(settings)
    inboxes = InboxDirectory(db, channels)
    entries = Entries(settings.release_key.get_secret_value())
    writer = Writer(
        db,
        inboxes.learn,
        metrics,
        pending=settings.append_pending,
        batch=settings.append_batch,
        workers=settings.append_workers,
        clock=registries.clock,
        telemetry=telemetry,
    )
    return Service(
        name="conversation",
        version=VERSION,
        settings=settings,
        database=db,
        bus=registries.bus(settings),
        migrations="yunsong_conversation.migrations",
        channels=channels,
        package="conversation",
        grpc=[
            (
                conversation_pb2_grpc.add_ConversationServiceServicer_to_server,
                ConversationServicer(db, writer, entries, inboxes, channels),
            ),
            (conversation_pb2_grpc.add_TaxonomyServiceServicer_to_server, TaxonomyServicer(db)),
            (desk_pb2_grpc.add_QuickReplyServiceServicer_to_server, QuickReplyServicer(db)),
            (desk_pb2_grpc.add_SavedViewServiceServicer_to_server, SavedViewServicer(db)),
            (contact_pb2_grpc.add_ContactServiceServicer_to_server, ContactServicer(db, inboxes)),
            (
                contact_door_pb2_grpc.add_ContactConversationServiceServicer_to_server,
                ContactConversationServicer(db, writer, entries),
            ),
            (
                internal_pb2_grpc.add_ConversationInternalServiceServicer_to_server,
                InternalServicer(db, writer, entries),
            ),
        ],
        subscriptions=subscriptions(),
        tasks=[
            writer.run,
            _every(registries.clock, settings.timer_s, lambda: timers.run_due(db)),
            _every(registries.clock, _COUNT_S, lambda: _count(db, metrics)),
            _every(
                registries.clock,
                _FORGET_S,
                lambda: timers.forget_old(
                    db, retention_days=settings.retention_days, command_days=settings.outbox_days
                ),
            ),
        ],
    )


def _every(
    clock: Clock, seconds: float, work: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[None]]:
    async def repeat() -> None:
        while True:
            await work()
            await clock.sleep(seconds)

    return repeat


async def _count(db: Database, metrics: Metrics) -> None:
    async with db.read() as tx:
        counts = await conversations.count_by_state(tx)
    for state, count in counts.items():
        metrics.gauge("yunsong_conversations", state.name.lower()).set(count)
