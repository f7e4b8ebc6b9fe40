"""Quality assurance on a real PostgreSQL, with a conversation service that tests write into."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf.message import Message

from tests.support.servers import ServiceDatabase
from yunsong.conversation.v1 import events_pb2, message_pb2, model_pb2
from yunsong.qa.v1 import model_pb2 as qa
from yunsong.qa.v1 import qa_pb2
from yunsong_common.bus import Delivery, EventMeta
from yunsong_common.clock import SystemClock
from yunsong_common.db import Database
from yunsong_common.errors import NotFound
from yunsong_common.ids import new_id
from yunsong_plugin_api import PluginRunner
from yunsong_qa.conversations import Transcript
from yunsong_qa.domain.rules import BUILTIN
from yunsong_qa.grpc_api import InspectionServicer, ReportServicer, ScorecardServicer
from yunsong_qa.handlers.alerting import Alerting
from yunsong_qa.handlers.inspecting import Inspector
from yunsong_qa.handlers.recording import Recording
from yunsong_qa.rulebook import RulebookCache
from yunsong_qa.subscriptions import observed

INBOX, QUEUE, AGENT, CONTACT = new_id(), new_id(), new_id(), new_id()
STATES = model_pb2.ConversationState.DESCRIPTOR.values_by_name
AUTHORS = message_pb2.AuthorKind.DESCRIPTOR.values_by_name


@dataclass
class Thread:
    """One conversation as its owner would tell of it: events in `told`, and the state that a read gives."""

    id: str = field(default_factory=new_id)
    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10))
    queue: str = QUEUE
    agent: str = AGENT
    told: list[Delivery[Any]] = field(default_factory=list)
    messages: list[message_pb2.Message] = field(default_factory=list)
    conversation: model_pb2.Conversation = field(default_factory=model_pb2.Conversation)
    rev: int = 0

    def begin(self, state: str = "BOT") -> Thread:
        self.conversation = model_pb2.Conversation(
            id=self.id, inbox_id=INBOX, contact_id=CONTACT, channel="web"
        )
        self.conversation.created_at.FromDatetime(self.started)
        self._move_to(state)
        self._tell(0, events_pb2.ConversationCreated(conversation=self.conversation))
        return self

    def move(self, at: float, state: str, reason: str = "", close: int = 0, category: str = "") -> Thread:
        came_from = self.conversation.state
        self._move_to(state)
        self.conversation.close_reason = model_pb2.CloseReason.ValueType(close)
        self.conversation.wrap_up_category_name = category
        if state == "RESOLVED":
            self.conversation.resolved_at.FromDatetime(self._time(at))
        self._tell(
            at,
            events_pb2.StateChanged(
                from_state=came_from,
                to_state=self.conversation.state,
                reason=reason,
                conversation=self.conversation,
            ),
        )
        return self

    def says(self, at: float, author: str, text: str, *, internal: bool = False) -> str:
        visibility = message_pb2.VISIBILITY_INTERNAL if internal else message_pb2.VISIBILITY_PUBLIC
        message = message_pb2.Message(
            id=new_id(),
            conversation_id=self.id,
            rev=self.rev + 1,
            author=message_pb2.Actor(
                kind=message_pb2.AuthorKind.ValueType(AUTHORS[f"AUTHOR_KIND_{author}"].number)
            ),
            visibility=visibility,
            content=message_pb2.Content(text=message_pb2.TextContent(text=text)),
        )
        message.created_at.FromDatetime(self._time(at))
        self.messages.append(message)
        self._tell(at, events_pb2.MessagePosted(message=message))
        return message.id

    def rates(self, at: float, score: int) -> Thread:
        self.conversation.csat_score = score
        self._tell(at, events_pb2.ConversationRated(score=score, comment="private words"))
        return self

    def new(self) -> list[Delivery[Any]]:
        """What was told since the last call."""
        told, self.told = self.told, []
        return told

    def _move_to(self, state: str) -> None:
        number = STATES[f"CONVERSATION_STATE_{state}"].number
        self.conversation.state = model_pb2.ConversationState.ValueType(number)
        self.conversation.assignee_id = self.agent if state == "ACTIVE" else ""
        if state in {"QUEUED", "ACTIVE"}:
            self.conversation.queue_id = self.queue
        if state == "ACTIVE":
            self.conversation.last_assignee_id = self.agent

    def _time(self, at: float) -> dt.datetime:
        return self.started + dt.timedelta(seconds=at)

    def _tell(self, at: float, event: Any) -> None:
        self.rev += 1
        self.conversation.rev = self.rev
        event.meta.conversation_id = self.id
        event.meta.rev = self.rev
        event.meta.occurred_at.FromDatetime(self._time(at))
        event.meta.state = self.conversation.state
        event.meta.contact_id = CONTACT
        event.meta.inbox_id = INBOX
        event.meta.queue_id = self.conversation.queue_id
        event.meta.assignee_id = self.conversation.assignee_id
        self.told.append(delivery(event))


def delivery(event: Message, *, seq: int = 1) -> Delivery[Any]:
    return Delivery(event, EventMeta(new_id(), "", dt.datetime.now(dt.UTC), 1, seq))


class FakeConversations:
    """Answers as the conversation service does."""

    def __init__(self) -> None:
        self.threads: dict[str, Thread] = {}
        self.reads = 0

    async def read(self, conversation_id: str) -> Transcript:
        self.reads += 1
        thread = self.threads.get(conversation_id)
        if thread is None:
            raise NotFound(reason="CONVERSATION_UNKNOWN", message="there is no such conversation")
        return Transcript(thread.conversation, thread.messages)


class Qa:
    """One replica."""

    def __init__(self, database: Database, conversations: FakeConversations, **options: float) -> None:
        self.database = database
        self.conversations = conversations
        runner = PluginRunner(name="test")
        self.rulebooks = RulebookCache(BUILTIN, runner)
        self.alerting = Alerting(self.rulebooks, runner, max_age_s=options.get("max_age_s", 86_400))
        self.inspector = Inspector(database, conversations, self.rulebooks, runner, SystemClock())
        self.recording = Recording(self.rulebooks, self.alerting, self.inspector.wake)
        self.scorecards = ScorecardServicer(database, self.rulebooks, self.inspector)
        self.inspections = InspectionServicer(database, self.inspector)
        self.reports = ReportServicer(database)

    async def hear(self, deliveries: Sequence[Delivery[Any]]) -> list[Message]:
        """Handles a batch as the consumer would; returns the events that it caused."""
        caused: list[Message] = []
        self.database.listener = lambda rows, _live: caused.extend(
            _parsed(row.type, row.payload) for row in rows
        )
        async with self.database.transaction() as tx:
            await self.recording.record(tx, [observed(one) for one in deliveries])
        return caused

    async def rule(self, **values: Any) -> qa.Rule:
        rule = qa.Rule(name=f"rule {new_id()}", **values)
        return await self.scorecards.CreateRule(qa_pb2.CreateRuleRequest(rule=rule), None)

    async def card(self, *items: qa.ScorecardItem, **values: Any) -> qa.Scorecard:
        card = qa.Scorecard(**{"name": f"card {new_id()}", "items": items, "automatic": True, **values})
        return await self.scorecards.CreateScorecard(qa_pb2.CreateScorecardRequest(scorecard=card), None)


def _parsed(type_name: str, payload: bytes) -> Message:
    from yunsong.qa.v1 import events_pb2 as qa_events  # noqa: PLC0415

    message_type: type[Message] = getattr(qa_events, type_name.rpartition(".")[2])
    return message_type.FromString(payload)


@pytest.fixture
def conversations() -> FakeConversations:
    return FakeConversations()


@pytest.fixture
async def qa_service(
    service_database: ServiceDatabase, conversations: FakeConversations
) -> AsyncIterator[Qa]:
    service = Qa(await service_database("qa"), conversations)
    yield service
    # The next test's conversations are measured by its own scorecards alone.
    async with service.database.transaction() as tx:
        await tx.raw.execute("UPDATE rulebook SET version = version + 1")
        await tx.raw.execute("TRUNCATE scorecards, rules, alerts, inspection_jobs")


@pytest.fixture
def thread(conversations: FakeConversations) -> Thread:
    made = Thread().begin()
    conversations.threads[made.id] = made
    return made
