"""A conversation service for tests: keeps conversations in memory, publishes its events through a real outbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

import yunsong_common.db
from yunsong.conversation.v1 import (
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
from yunsong_common.errors import Unavailable
from yunsong_common.grpc import GrpcServer, current_principal
from yunsong_common.ids import new_id
from yunsong_common.outbox.publisher import Publisher
from yunsong_common.telemetry import Metrics, Telemetry

INBOX = "01890000-0000-7000-8000-000000000001"
BOT = model_pb2.CONVERSATION_STATE_BOT
QUEUED = model_pb2.CONVERSATION_STATE_QUEUED


@dataclass
class Thread:
    """One conversation."""

    id: str
    state: model_pb2.ConversationState.ValueType = BOT
    rev: int = 0
    messages: list[message_pb2.Message] = field(default_factory=list)
    handoffs: list[internal_pb2.RequestHandoffRequest] = field(default_factory=list)

    def bot_messages(self) -> list[message_pb2.Message]:
        return [message for message in self.messages if message.author.kind == message_pb2.AUTHOR_KIND_BOT]

    def bot_texts(self) -> list[str]:
        return [message.content.text.text or message.content.buttons.text for message in self.bot_messages()]


class ConversationDouble(
    internal_pb2_grpc.ConversationInternalServiceServicer, conversation_pb2_grpc.ConversationServiceServicer
):
    """What the bot needs of the conversation service. `lose_answers` RPCs take effect and then fail; `reword` is what is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.threads: dict[str, Thread] = {}
        self.appended = 0
        self.lose_answers = 0
        self.reword = ""
        self.readers: list[str] = []

    def begin(self, state: model_pb2.ConversationState.ValueType = BOT) -> Thread:
        thread = Thread(new_id(), state)
        self.threads[thread.id] = thread
        return thread

    async def contact_writes(
        self, thread: Thread, text: str = "", content: Any = None
    ) -> message_pb2.Message:
        """A message of the contact, and its event."""
        message = message_pb2.Message(
            id=new_id(),
            conversation_id=thread.id,
            author=message_pb2.Actor(kind=message_pb2.AUTHOR_KIND_CONTACT),
            visibility=message_pb2.VISIBILITY_PUBLIC,
            content=content or message_pb2.Content(text=message_pb2.TextContent(text=text)),
        )
        self._take(thread, message)
        await self.publish(thread, message)
        return message

    async def publish(self, thread: Thread, message: message_pb2.Message) -> None:
        meta = events_pb2.ChangeMeta(
            conversation_id=thread.id, rev=message.rev, state=thread.state, inbox_id=INBOX, channel="web"
        )
        async with self._database.transaction() as tx:
            tx.emit(events_pb2.MessagePosted(meta=meta, message=message), rev=message.rev)

    async def erase(self, thread: Thread) -> None:
        async with self._database.transaction() as tx:
            tx.emit(events_pb2.ContactErased(contact_id=new_id(), conversation_ids=[thread.id]))

    async def AppendMessages(self, request: Any, context: Any) -> internal_pb2.AppendMessagesResponse:  # noqa: N802
        results = [self._append(entry) for entry in request.entries]
        self._lose()
        return internal_pb2.AppendMessagesResponse(results=results)

    async def RequestHandoff(self, request: Any, context: Any) -> internal_pb2.RequestHandoffResponse:  # noqa: N802
        thread = self.threads[request.conversation_id]
        if thread.state == BOT:
            thread.handoffs.append(request)
            thread.state = QUEUED
        self._lose()
        return internal_pb2.RequestHandoffResponse(state=thread.state)

    async def ListMessages(self, request: Any, context: Any) -> conversation_pb2.ListMessagesResponse:  # noqa: N802
        self.readers.append(current_principal().actor_id)
        return conversation_pb2.ListMessagesResponse(messages=self.threads[request.conversation_id].messages)

    def _append(self, entry: internal_pb2.AppendEntry) -> internal_pb2.AppendResult:
        thread = self.threads.get(entry.conversation_id)
        if thread is None:
            return internal_pb2.AppendResult(error_reason="CONVERSATION_UNKNOWN", error_code=5)
        for known in thread.messages:
            if known.client_id == entry.client_id:
                same = known.content == entry.content
                return internal_pb2.AppendResult(
                    message_id=known.id, duplicate=True, error_reason="" if same else "CLIENT_ID_REUSED"
                )
        if entry.expected_state and entry.expected_state != thread.state:
            return internal_pb2.AppendResult(error_reason="STATE_UNEXPECTED", error_code=9)
        message = message_pb2.Message(
            id=new_id(),
            conversation_id=thread.id,
            author=message_pb2.Actor(kind=entry.author_kind),
            content=entry.content,
            client_id=entry.client_id,
            metadata=entry.metadata,
        )
        if self.reword:
            message.content.text.text = self.reword
        self._take(thread, message)
        self.appended += 1
        return internal_pb2.AppendResult(message_id=message.id, rev=message.rev)

    def _take(self, thread: Thread, message: message_pb2.Message) -> None:
        thread.rev += 1
        message.rev = thread.rev
        thread.messages.append(message)

    def _lose(self) -> None:
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unavailable(reason="LOST", message="the answer got lost")


@dataclass(frozen=True, slots=True)
class Running:
    """The double and where it listens."""

    double: ConversationDouble
    address: str


@contextlib.asynccontextmanager
async def conversation_double(postgres_url: str, nats_url: str, release_key: str) -> AsyncIterator[Running]:
    """Runs it until the block ends."""
    await _create_outbox(postgres_url)
    database = Database(postgres_url, schema="conversation")
    bus = Bus(nats_url, name="conversation-double")
    metrics = Metrics(CollectorRegistry(), "conversation")
    publisher = Publisher(database, bus, package="conversation", metrics=metrics)
    database.listener = publisher.committed
    double = ConversationDouble(database)  # type: ignore[abstract]  # only what the bot calls
    server = GrpcServer(
        [
            (internal_pb2_grpc.add_ConversationInternalServiceServicer_to_server, double),
            (conversation_pb2_grpc.add_ConversationServiceServicer_to_server, double),
        ],
        release_key=release_key,
        metrics=metrics,
        telemetry=Telemetry("conversation", "0"),
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bus.run()), group.create_task(publisher.run())]
        await server.start()
        try:
            yield Running(double, server.address)
        finally:
            await server.stop(1)
            await publisher.flush(timeout_s=3)
            for task in tasks:
                task.cancel()
    await database.close()


async def _create_outbox(postgres_url: str) -> None:
    statements = yunsong_common.db.__path__[0]
    connection = await asyncpg.connect(postgres_url)
    try:
        if await connection.fetchval("SELECT to_regnamespace('conversation')") is None:
            await connection.execute("CREATE SCHEMA conversation")
            with open(f"{statements}/common_v1.sql", encoding="utf-8") as script:  # noqa: PTH123, ASYNC230
                await connection.execute(script.read().replace(":schema", '"conversation"'))
    finally:
        await connection.close()
