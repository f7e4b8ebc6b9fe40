"""A conversation service for tests: conversations in memory, events through a real outbox, every revision readable."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

import yunsong_common.db
from yunsong.conversation.v1 import (
    change_pb2,
    contact_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    events_pb2,
    internal_pb2,
    internal_pb2_grpc,
    message_pb2,
    model_pb2,
)
from yunsong_common.bus import Bus
from yunsong_common.db import Database
from yunsong_common.errors import NotFound, Unavailable
from yunsong_common.grpc import GrpcServer
from yunsong_common.ids import new_id
from yunsong_common.outbox.publisher import Publisher
from yunsong_common.telemetry import Metrics, Telemetry

AGENT = message_pb2.Actor(kind=message_pb2.AUTHOR_KIND_AGENT, id=new_id(), name="agent 1")


@dataclass
class Thread:
    """One conversation."""

    id: str
    inbox_id: str
    channel: str
    contact_id: str
    rev: int = 0
    changes: list[change_pb2.Change] = field(default_factory=list)


class ConversationDouble(
    internal_pb2_grpc.ConversationInternalServiceServicer,
    conversation_pb2_grpc.ConversationServiceServicer,
    contact_pb2_grpc.ContactServiceServicer,
):
    """What the channel adapter needs of the conversation service."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.threads: dict[str, Thread] = {}
        self.contacts: dict[str, model_pb2.Contact] = {}
        self.inbound: dict[tuple[str, str], internal_pb2.InboundEntry] = {}
        self.states: dict[str, list[int]] = {}
        self.errors: dict[str, str] = {}
        self.open_inboxes: set[str] = set()
        self.away = False

    def begin(self, inbox_id: str, *, channel: str = "api", identity: str = "user:u-1") -> Thread:
        contact = model_pb2.Contact(id=new_id())
        if identity:
            contact.identities.add(inbox_id=inbox_id, external_id=identity)
        self.contacts[contact.id] = contact
        thread = Thread(new_id(), inbox_id, channel, contact.id)
        self.threads[thread.id] = thread
        return thread

    def write(self, thread: Thread, text: str, **fields: Any) -> events_pb2.MessagePosted:
        """A message that has its revision but no event yet."""
        thread.rev += 1
        message = message_pb2.Message(
            id=new_id(),
            conversation_id=thread.id,
            rev=thread.rev,
            author=AGENT,
            visibility=message_pb2.VISIBILITY_PUBLIC,
            content=message_pb2.Content(text=message_pb2.TextContent(text=text)),
        )
        message.created_at.GetCurrentTime()
        for name, value in fields.items():
            if isinstance(value, Message):
                getattr(message, name).CopyFrom(value)
            else:
                setattr(message, name, value)
        event = events_pb2.MessagePosted(meta=self._meta(thread), message=message)
        thread.changes.append(change_pb2.Change(rev=thread.rev, message_posted=event))
        return event

    async def publish(self, *events: Message) -> None:
        async with self._database.transaction() as tx:
            for event in events:
                meta = getattr(event, "meta", None)
                tx.emit(event, rev=meta.rev if meta is not None else 0)

    async def post(self, thread: Thread, *texts: str) -> list[str]:
        """Messages of an agent, with their events; gives their ids."""
        events = [self.write(thread, text) for text in texts]
        await self.publish(*events)
        return [event.message.id for event in events]

    async def recall(self, thread: Thread, message_id: str) -> None:
        thread.rev += 1
        event = events_pb2.MessageRecalled(meta=self._meta(thread), message_id=message_id)
        thread.changes.append(change_pb2.Change(rev=thread.rev, message_recalled=event))
        await self.publish(event)

    def state_of(self, message_id: str) -> int:
        """The last state that was reported."""
        return self.states.get(message_id, [0])[-1]

    async def PostInbound(self, request: Any, context: Any) -> internal_pb2.PostInboundResponse:  # noqa: N802
        self._answer()
        return internal_pb2.PostInboundResponse(results=[self._take(entry) for entry in request.entries])

    async def SetDeliveryStates(self, request: Any, context: Any) -> internal_pb2.SetDeliveryStatesResponse:  # noqa: N802
        self._answer()
        for report in request.reports:
            self.states.setdefault(report.message_id, []).append(report.delivery_state)
            self.errors[report.message_id] = report.error
        return internal_pb2.SetDeliveryStatesResponse()

    async def ReadChanges(self, request: Any, context: Any) -> conversation_pb2.ReadChangesResponse:  # noqa: N802
        self._answer()
        thread = self.threads[request.conversation_id]
        changes = [change for change in thread.changes if change.rev > request.after_rev]
        return conversation_pb2.ReadChangesResponse(changes=changes[: request.page_size], head_rev=thread.rev)

    async def ListConversations(  # noqa: N802
        self, request: Any, context: Any
    ) -> conversation_pb2.ListConversationsResponse:
        self._answer()
        found = [model_pb2.Conversation(id=new_id())] if request.inbox_id in self.open_inboxes else []
        return conversation_pb2.ListConversationsResponse(conversations=found)

    async def GetContact(self, request: Any, context: Any) -> model_pb2.Contact:  # noqa: N802
        self._answer()
        if request.contact_id not in self.contacts:
            raise NotFound(reason="CONTACT_UNKNOWN", message="no such contact")
        return self.contacts[request.contact_id]

    def _take(self, entry: internal_pb2.InboundEntry) -> internal_pb2.AppendResult:
        if entry.identity == "user:blocked":
            return internal_pb2.AppendResult(
                error_reason="CONTACT_BLOCKED", error_message="blocked", error_code=7
            )
        key = (entry.inbox_id, entry.external_id)
        duplicate = key in self.inbound
        if duplicate and self.inbound[key].content != entry.content:
            return internal_pb2.AppendResult(
                error_reason="EXTERNAL_ID_REUSED", error_message="another message", error_code=6
            )
        self.inbound[key] = entry
        thread = next((each for each in self.threads.values() if each.inbox_id == entry.inbox_id), None)
        thread = thread or self.begin(entry.inbox_id, identity=entry.identity)
        if not duplicate:
            self.write(
                thread,
                entry.content.text.text,
                author=message_pb2.Actor(kind=message_pb2.AUTHOR_KIND_CONTACT),
            )
        return internal_pb2.AppendResult(
            message_id=new_id(), conversation_id=thread.id, rev=thread.rev, duplicate=duplicate
        )

    def _meta(self, thread: Thread) -> events_pb2.ChangeMeta:
        return events_pb2.ChangeMeta(
            conversation_id=thread.id,
            rev=thread.rev,
            inbox_id=thread.inbox_id,
            channel=thread.channel,
            contact_id=thread.contact_id,
        )

    def _answer(self) -> None:
        if self.away:
            raise Unavailable(reason="AWAY", message="the double is away")


@contextlib.asynccontextmanager
async def conversation_double(
    postgres_url: str, nats_url: str, release_key: str
) -> AsyncIterator[tuple[ConversationDouble, str]]:
    """Runs it until the block ends; gives it and its address."""
    await _create_outbox(postgres_url)
    database = Database(postgres_url, schema="conversation")
    bus = Bus(nats_url, name="conversation-double")
    metrics = Metrics(CollectorRegistry(), "conversation")
    publisher = Publisher(database, bus, package="conversation", metrics=metrics)
    database.listener = publisher.committed
    double = ConversationDouble(database)  # type: ignore[abstract]  # answers what is asked here
    server = GrpcServer(
        [
            (internal_pb2_grpc.add_ConversationInternalServiceServicer_to_server, double),
            (conversation_pb2_grpc.add_ConversationServiceServicer_to_server, double),
            (contact_pb2_grpc.add_ContactServiceServicer_to_server, double),
        ],
        release_key=release_key,
        metrics=metrics,
        telemetry=Telemetry("conversation", "0"),
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bus.run()), group.create_task(publisher.run())]
        await server.start()
        try:
            yield double, server.address
        finally:
            await server.stop(1)
            await publisher.flush(timeout_s=3)
            for task in tasks:
                task.cancel()
    await database.close()


async def _create_outbox(postgres_url: str) -> None:
    script = Path(next(iter(yunsong_common.db.__path__))) / "common_v1.sql"
    connection = await asyncpg.connect(postgres_url)
    try:
        if await connection.fetchval("SELECT to_regnamespace('conversation')") is None:
            await connection.execute("CREATE SCHEMA conversation")
            await connection.execute(script.read_text(encoding="utf-8").replace(":schema", '"conversation"'))
    finally:
        await connection.close()
