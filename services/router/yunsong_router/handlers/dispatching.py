"""Moves of work items by people."""

from __future__ import annotations

from dataclasses import dataclass

from yunsong_common.db import Database, Transaction
from yunsong_common.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Violation
from yunsong_common.ids import new_id
from yunsong_router.domain.model import ItemState, Presence, Queue, WorkItem
from yunsong_router.handlers import assigning, feed, intake, transitions
from yunsong_router.handlers.commanding import Commander
from yunsong_router.handlers.configuring import DEFAULT_CAPACITY
from yunsong_router.handlers.conversations import Conversations
from yunsong_router.handlers.intake import Fact, Standing
from yunsong_router.handlers.policy import Policy
from yunsong_router.repository import agents, items, queues, triggers
from yunsong_router.repository.commands import Command

_WAITS = (ItemState.WAITING, ItemState.OFF_HOURS)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks."""

    id: str
    name: str
    supervises: bool


@dataclass(slots=True)
class Dispatch:
    """The operations of `DispatchService`."""

    database: Database
    conversations: Conversations
    commander: Commander
    policy: Policy

    async def accept(self, item_id: str, asker: Asker) -> WorkItem:
        """An agent takes what is offered."""

        async def reserve(tx: Transaction) -> Command:
            item = await _offered(tx, item_id, asker)
            if item.offer_expires_at is not None and item.offer_expires_at <= await tx.now():
                raise _expired()
            return await assigning.reserve(tx, item, asker.id, "accepted", actor_id=asker.id)

        return await self._run(await self.database.run(reserve))

    async def decline(self, item_id: str, asker: Asker, reason: str) -> WorkItem:
        """An agent does not take what is offered; it goes back to its place and stays away from the agent for a while."""

        async def write(tx: Transaction) -> WorkItem:
            item = await _offered(tx, item_id, asker)
            entries, freed = await transitions.wait_again(
                tx, item, reason or "declined", pause_s=self.policy.decline_pause_s
            )
            await feed.write(tx, entries)
            await triggers.raise_for_queues(tx, [item.queue_id])
            await triggers.raise_for_agents(tx, freed)
            return item

        return await self.database.run(write)

    async def pick(self, conversation_id: str, asker: Asker) -> WorkItem:
        """An agent takes what waits in one of their queues, out of turn."""

        async def reserve(tx: Transaction) -> Command:
            item = await _known(tx, conversation_id)
            offered_to_asker = item.state is ItemState.OFFERED and item.agent_id == asker.id
            if not offered_to_asker and (item.state not in _WAITS or item.moving):
                raise FailedPrecondition(
                    reason="NOT_WAITING",
                    message="the conversation does not wait any more",
                    state=item.state.value,
                )
            agent = await agents.get(tx, asker.id)
            if not asker.supervises and (agent is None or item.queue_id not in agent.queue_ids):
                raise PermissionDenied(
                    reason="NOT_MEMBER", message="the conversation waits in a queue that is not yours"
                )
            return await assigning.reserve(tx, item, asker.id, "picked", actor_id=asker.id)

        return await self._run(await self.database.run(reserve))

    async def take_over(self, conversation_id: str, asker: Asker) -> WorkItem:
        """A supervisor takes a conversation, from its agent or from its queue. One who was no agent yet becomes one."""

        async def reserve(tx: Transaction) -> Command:
            item = await _known(tx, conversation_id)
            if item.state is ItemState.DONE:
                raise FailedPrecondition(
                    reason="NOT_WAITING", message="no agent has the conversation and it does not wait"
                )
            if item.agent_id == asker.id and item.state is ItemState.ASSIGNED:
                raise FailedPrecondition(reason="TARGET_SAME", message="the conversation is yours already")
            if await agents.create(tx, asker.id, asker.name, DEFAULT_CAPACITY):
                await feed.agent_changed(tx, [asker.id], {}, "configured")
            return await assigning.reserve(tx, item, asker.id, "taken_over", actor_id=asker.id)

        return await self._run(await self.database.run(reserve))

    async def assign_started(
        self, conversation_id: str, agent_id: str, channel: str, contact_name: str, epoch: int
    ) -> WorkItem:
        """Reserves load for an agent who starts a conversation, and gives it to them."""

        async def reserve(tx: Transaction) -> Command | None:
            item = await items.lock(tx, conversation_id)
            if (
                item is not None
                and item.agent_id == agent_id
                and item.state in (ItemState.ASSIGNING, ItemState.ASSIGNED)
            ):
                return None
            if item is None:
                now = await tx.now()
                item = WorkItem(
                    id=new_id(),
                    conversation_id=conversation_id,
                    queue_id=None,
                    state=ItemState.WAITING,
                    epoch=epoch,
                    conversation_rev=0,
                    priority=3,
                    weight=await items.weight_of(tx, channel),
                    channel=channel,
                    contact_id="",
                    contact_name=contact_name,
                    skills={},
                    waiting_since=now,
                    entered_at=now,
                )
            return await assigning.reserve(tx, item, agent_id, "started", actor_id=agent_id)

        command = await self.database.run(reserve)
        return await self._run(command) if command is not None else await self._read(conversation_id)

    async def transfer(
        self, conversation_id: str, asker: Asker, *, queue_id: str, agent_id: str, note: str
    ) -> WorkItem:
        """Gives a conversation to another queue, or to an agent, who gets it when there is room."""
        if bool(queue_id) == bool(agent_id):
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message="name either the queue or the agent to transfer to",
                violations=[Violation("queue_id", "set either queue_id or agent_id", "EXACTLY_ONE")],
            )

        async def check(tx: Transaction) -> tuple[WorkItem, Queue | None]:
            item = await _known(tx, conversation_id)
            if item.agent_id != asker.id and not asker.supervises:
                raise FailedPrecondition(
                    reason="NOT_ASSIGNEE", message="only the conversation's agent can hand it on"
                )
            if item.state not in (ItemState.ASSIGNED, *_WAITS):
                raise FailedPrecondition(
                    reason="NOT_ASSIGNEE", message="the conversation is with nobody who could hand it on"
                )
            queue = await (
                _target_queue(tx, item, queue_id) if queue_id else _queue_of_agent(tx, item, agent_id)
            )
            item.transferred_by = item.agent_id if queue_id else None
            await items.save(tx, item)
            return item, queue

        item, queue = await self.database.run(check)
        command = Command(
            id=new_id(), kind="move", work_item_id=item.id, conversation_id=conversation_id, epoch=item.epoch, reason="transferred",
            queue_id=queue.id if queue else None, queue_name=queue.name if queue else "", to_state="queued", actor_id=asker.id,
        )  # fmt: skip
        rev, epoch = await self.conversations.move(command, note=note, required_agent_id=agent_id)
        # The event tells the same; whoever comes first does it.
        fact = Fact(
            conversation_id=conversation_id, rev=rev, epoch=epoch, standing=Standing.QUEUED, reason="transferred",
            queue_id=queue.id if queue else item.queue_id, priority=item.priority, skills=item.skills, channel=item.channel,
            contact_id=item.contact_id, contact_name=item.contact_name, required_agent_id=agent_id or None, answered=True,
        )  # fmt: skip

        async def write(tx: Transaction) -> None:
            await intake.absorb(tx, fact, self.policy)

        await self.database.run(write)
        return await self._read(conversation_id)

    async def _run(self, command: Command) -> WorkItem:
        await self.commander.run_now(command)
        return await self._read(command.conversation_id)

    async def _read(self, conversation_id: str) -> WorkItem:
        async with self.database.read() as tx:
            item = await items.get(tx, conversation_id)
        assert item is not None
        return item


async def _known(tx: Transaction, conversation_id: str) -> WorkItem:
    item = await items.lock(tx, conversation_id)
    if item is None:
        raise NotFound(
            reason="CONVERSATION_UNKNOWN", message="no conversation of that id ever waited for an agent"
        )
    return item


async def _offered(tx: Transaction, item_id: str, asker: Asker) -> WorkItem:
    item = await items.lock_by_id(tx, item_id)
    if item is None or item.state is not ItemState.OFFERED or item.agent_id != asker.id:
        raise _expired()
    return item


def _expired() -> FailedPrecondition:
    return FailedPrecondition(reason="OFFER_EXPIRED", message="the offer does not stand any more")


async def _target_queue(tx: Transaction, item: WorkItem, queue_id: str) -> Queue:
    queue = await queues.rules(tx, queue_id)
    if queue is None:
        raise NotFound(reason="QUEUE_UNKNOWN", message=f"there is no queue {queue_id}")
    if queue_id == item.queue_id:
        raise FailedPrecondition(
            reason="TARGET_SAME", message=f"the conversation is in the queue {queue.name} already"
        )
    return queue


async def _queue_of_agent(tx: Transaction, item: WorkItem, agent_id: str) -> Queue | None:
    """The queue in which it waits for the agent: its own when the agent serves it, else the agent's first by priority."""
    agent = await agents.get(tx, agent_id)
    if agent is None or not agent.enabled:
        raise NotFound(reason="AGENT_UNKNOWN", message=f"{agent_id} is no agent who may take work")
    if item.state is ItemState.ASSIGNED and item.agent_id == agent_id:
        raise FailedPrecondition(
            reason="TARGET_SAME", message=f"the conversation is with {agent.name} already"
        )
    if not agent.connected or agent.presence is Presence.OFFLINE:
        raise FailedPrecondition(reason="AGENT_OFFLINE", message=f"{agent.name} is not there")
    if item.queue_id in agent.queue_ids or not agent.queue_ids:
        return await queues.rules(tx, item.queue_id)
    served = [
        queue for queue_id in agent.queue_ids if (queue := await queues.rules(tx, queue_id)) is not None
    ]
    return min(served, key=lambda queue: (queue.priority, queue.id), default=None)
