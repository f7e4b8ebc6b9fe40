"""A router on a real database, with a conversation service that keeps its rules in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from yunsong.router.v1 import events_pb2
from yunsong_common.clock import SystemClock
from yunsong_common.db import Database
from yunsong_common.errors import FailedPrecondition, Unavailable
from yunsong_common.ids import new_id
from yunsong_common.outbox import read_changes
from yunsong_common.telemetry import Metrics
from yunsong_plugin_api import PluginRunner
from yunsong_router.domain.model import Agent, Presence, Queue, WorkItem
from yunsong_router.handlers import configuring, intake, presence, promising
from yunsong_router.handlers.commanding import Commander
from yunsong_router.handlers.dispatching import Asker, Dispatch
from yunsong_router.handlers.intake import Fact, Standing
from yunsong_router.handlers.measures import Measures
from yunsong_router.handlers.policy import Policy
from yunsong_router.handlers.promising import Answer
from yunsong_router.handlers.strategies import Strategies
from yunsong_router.repository import agents, items, queues
from yunsong_router.repository.commands import Command
from yunsong_router.tasks import PlanningTask, TimerTask


@dataclass(slots=True)
class Conversation:
    """One conversation as its owner keeps it."""

    id: str
    queue_id: str | None
    standing: Standing = Standing.GONE
    rev: int = 1
    epoch: int = 0
    assignee_id: str | None = None
    last_assignee_id: str | None = None
    priority: int = 3
    skills: dict[str, int] = field(default_factory=dict)
    contact_id: str = ""
    channel: str = "web"
    required_agent_id: str | None = None
    preferred_agent_id: str | None = None
    reason: str = ""
    queued_at: dt.datetime | None = None
    answered: bool = False


@dataclass
class FakeConversations:
    """Accepts and refuses as the real service does, and remembers the facts that it would publish."""

    clock: Database
    conversations: dict[str, Conversation] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    away: bool = False
    assigned: int = 0
    refuse: str = ""

    def begin(self, queue_id: str | None, **values: object) -> Conversation:
        """A conversation that is handed to people."""
        conversation = Conversation(id=new_id(), queue_id=queue_id, contact_id=new_id())
        for name, value in values.items():
            setattr(conversation, name, value)
        self.conversations[conversation.id] = conversation
        self.queue(conversation, "handoff_requested")
        return conversation

    def queue(self, conversation: Conversation, reason: str) -> None:
        """It waits for an agent."""
        conversation.epoch += 1
        if conversation.standing is not Standing.QUEUED:
            conversation.queued_at = self.clock.now()
        conversation.last_assignee_id = conversation.assignee_id or conversation.last_assignee_id
        conversation.assignee_id = None
        self.move(conversation, Standing.QUEUED, reason)

    def move(self, conversation: Conversation, standing: Standing, reason: str) -> None:
        """It moved."""
        conversation.standing, conversation.reason = standing, reason
        conversation.rev += 1
        if standing in (Standing.GONE, Standing.OFF_HOURS):
            conversation.last_assignee_id = conversation.assignee_id or conversation.last_assignee_id
            conversation.assignee_id = None
        self.facts.append(self.fact(conversation))

    def fact(self, c: Conversation) -> Fact:
        """Where it stands."""
        return Fact(
            conversation_id=c.id, rev=c.rev, epoch=c.epoch, standing=c.standing, reason=c.reason, queue_id=c.queue_id,
            priority=c.priority, skills=c.skills, channel=c.channel, contact_id=c.contact_id, contact_name="Mei",
            assignee_id=c.assignee_id, last_assignee_id=c.last_assignee_id, required_agent_id=c.required_agent_id,
            preferred_agent_id=c.preferred_agent_id, queued_at=c.queued_at, answered=c.answered,
        )  # fmt: skip

    async def assign(self, command: Command) -> int:
        """SetAssignment."""
        conversation = self._checked(command)
        if conversation.assignee_id != command.agent_id:
            conversation.assignee_id = command.agent_id
            conversation.required_agent_id = conversation.preferred_agent_id = None
            self.assigned += 1
            self.move(conversation, Standing.ACTIVE, command.reason)
        return conversation.rev

    async def move_to(self, command: Command, required_agent_id: str) -> tuple[int, int]:
        """What MoveConversation does."""
        conversation = self._checked(command)
        conversation.required_agent_id = required_agent_id or None
        if command.to_state == "queued":
            conversation.queue_id = command.queue_id or conversation.queue_id
            self.queue(conversation, command.reason)
        else:
            self.move(conversation, Standing.OFF_HOURS, command.reason)
        return conversation.rev, conversation.epoch

    def _checked(self, command: Command) -> Conversation:
        if self.away:
            raise Unavailable(reason="CONVERSATION_UNAVAILABLE", message="away")
        conversation = self.conversations[command.conversation_id]
        if command.epoch < conversation.epoch:
            raise FailedPrecondition(reason="EPOCH_STALE", message="older")
        if conversation.standing is Standing.GONE or self.refuse:
            raise FailedPrecondition(reason=self.refuse or "TRANSITION_REFUSED", message="gone")
        return conversation

    async def read(self, conversation_id: str) -> Fact | None:
        """GetConversation."""
        if self.away:
            raise Unavailable(reason="CONVERSATION_UNAVAILABLE", message="away")
        found = self.conversations.get(conversation_id)
        return None if found is None else self.fact(found)

    async def move_conversation(
        self, command: Command, *, note: str, required_agent_id: str
    ) -> tuple[int, int]:
        """MoveConversation."""
        return await self.move_to(command, required_agent_id)


class Client:
    """The fake in the shape that the router's handlers know."""

    def __init__(self, fake: FakeConversations) -> None:
        self.fake = fake

    async def assign(self, command: Command) -> int:
        """SetAssignment."""
        return await self.fake.assign(command)

    async def move(self, command: Command, *, note: str = "", required_agent_id: str = "") -> tuple[int, int]:
        """MoveConversation."""
        return await self.fake.move_to(command, required_agent_id)

    async def read(self, conversation_id: str) -> Fact | None:
        """GetConversation."""
        return await self.fake.read(conversation_id)


class Replica:
    """One router process: what it runs, to be run step by step."""

    def __init__(
        self, database: Database, fake: FakeConversations, policy: Policy, plan_size: int = 2000
    ) -> None:
        measures = Measures(Metrics(CollectorRegistry(), "router"))
        self.database = database
        self.commander = Commander(database, Client(fake), policy, measures)
        self.strategies = Strategies.installed([])
        self.planning = PlanningTask(
            database,
            self.commander,
            self.strategies,
            PluginRunner(threads=1),
            measures,
            SystemClock(),
            plan_size,
        )
        self.timers = TimerTask(database, policy, measures, SystemClock())
        self.dispatch = Dispatch(database, Client(fake), self.commander, policy)


@dataclass
class World:
    """Everything a test needs."""

    database: Database
    fake: FakeConversations
    replica: Replica
    policy: Policy

    async def queue(self, **values: object) -> Queue:
        """A queue, "Sales" with a number unless it is named."""
        queue = Queue(id="", name=f"Sales {new_id()}", **values)  # type: ignore[arg-type]
        return await self.database.run(
            lambda tx: configuring.create_queue(tx, queue, self.replica.strategies)
        )

    async def agent(self, *queue_list: Queue, capacity: int = 5, online: bool = True, **skills: int) -> str:
        """An agent who serves these queues, online and connected."""
        agent_id = new_id()
        await self.database.run(
            lambda tx: configuring.configure_agent(
                tx, agent_id, name=f"Agent {agent_id[-4:]}", capacity=capacity, skills=skills, enabled=True
            )
        )
        for queue in queue_list:
            await self.join(queue, agent_id)
        if online:
            await self.connect(agent_id)
            await self.say(agent_id, Presence.ONLINE)
        return agent_id

    async def join(self, queue: Queue, *agent_ids: str) -> None:
        """More members for a queue."""
        async with self.database.read() as tx:
            known = await queues.get(tx, queue.id)
        assert known is not None
        await self.database.run(
            lambda tx: configuring.set_members(tx, queue.id, [*known.member_ids, *agent_ids])
        )

    async def connect(
        self, *agent_ids: str, gateway: str = "gateway-1", connections: int = 1
    ) -> dict[str, int]:
        """A gateway process names these agents."""
        named = dict.fromkeys(agent_ids, connections)
        return await self.database.run(lambda tx: presence.renew(tx, gateway, named, self.policy))

    async def say(self, agent_id: str, state: Presence) -> Agent:
        """What an agent says."""
        return await self.database.run(lambda tx: presence.say(tx, agent_id, state, ""))

    async def deliver(self, facts: Iterable[Fact] | None = None) -> None:
        """Hands the facts that were published to the router, in order."""
        pending = list(facts) if facts is not None else self.fake.facts[:]
        if facts is None:
            self.fake.facts.clear()
        for fact in pending:
            await self.absorb(fact)

    async def absorb(self, fact: Fact) -> None:
        """One fact, in a transaction of its own as the runtime does."""
        await self.database.run(lambda tx: intake.absorb(tx, fact, self.policy))

    async def item(self, conversation: Conversation) -> WorkItem:
        """The work item of a conversation."""
        async with self.database.read() as tx:
            found = await items.get(tx, conversation.id)
        assert found is not None
        return found

    async def agent_now(self, agent_id: str) -> Agent:
        """An agent with its load."""
        async with self.database.read() as tx:
            found = await agents.get(tx, agent_id)
        assert found is not None
        return found

    async def capacity(self, agent_id: str, capacity: int) -> None:
        """Changes an agent's capacity."""
        await self.database.run(
            lambda tx: configuring.configure_agent(
                tx, agent_id, name=None, capacity=capacity, skills=None, enabled=None
            )
        )

    async def weights(self, **weights: int) -> None:
        """What conversations of channels count."""
        await self.database.run(lambda tx: queues.set_weights(tx, weights))

    async def item_by_id(self, item_id: str) -> WorkItem:
        """A work item by its id."""
        async with self.database.read() as tx:
            row = await tx.raw.fetchrow(f"SELECT {items.COLUMNS} FROM work_items WHERE id = $1", item_id)
        return items.item_of(row)

    async def feed(self, agent_id: str) -> list[int]:
        """The kinds of an agent's feed, whose revisions are without a gap."""
        async with self.database.read() as tx:
            changes = await read_changes(tx.raw, agent_id, 0, 500)
        entries = [events_pb2.AgentFeedChanged.FromString(change.payload) for change in changes]
        assert [entry.rev for entry in entries] == list(range(1, len(entries) + 1))
        return [entry.kind for entry in entries]

    async def promises(self, conversation: Conversation) -> list[tuple[int, int]]:
        """Kind and status of every promise event of a conversation, in order."""
        async with self.database.read() as tx:
            rows = await tx.raw.fetch(
                "SELECT payload FROM outbox WHERE entity_id = $1 AND type = 'yunsong.router.v1.SlaChanged' ORDER BY seq",
                conversation.id,
            )
        told = [events_pb2.SlaChanged.FromString(row["payload"]).sla for row in rows]
        return [(sla.kind, sla.status) for sla in told]

    async def written(self, conversation: Conversation, *, by_agent: bool) -> None:
        """A public message."""
        conversation.rev += 1
        answer = Answer(conversation.id, conversation.rev, by_agent)
        await self.database.run(lambda tx: promising.written(tx, [answer]))

    async def urgent(self, conversation: Conversation) -> None:
        """The conversation becomes urgent."""
        conversation.rev += 1
        conversation.priority = 1
        await self.database.run(
            lambda tx: intake.update(tx, conversation.id, conversation.rev, 1, conversation.skills)
        )

    def later(self, seconds: float) -> None:
        """Moves the database's clock."""
        self.database.clock_offset += dt.timedelta(seconds=seconds)

    @staticmethod
    def asker(agent_id: str, *, supervises: bool = False) -> Asker:
        """Who asks."""
        return Asker(agent_id, f"Agent {agent_id[-4:]}", supervises)
