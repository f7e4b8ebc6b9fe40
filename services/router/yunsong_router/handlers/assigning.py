"""Giving work to an agent: load is reserved, the conversation service accepts or refuses, and only then it is the agent's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from yunsong.router.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_common.errors import FailedPrecondition
from yunsong_common.ids import new_id
from yunsong_router.domain.model import Agent, ItemState, WorkItem
from yunsong_router.handlers import feed, transitions
from yunsong_router.repository import agents, confirming, items
from yunsong_router.repository.commands import Command, add, delete_of_item

# Given by the plan, which chose among agents who were connected.
_PLANNED = frozenset({"assigned", "accepted"})


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The conversation is this agent's from revision `rev` on."""

    item_id: str
    agent_id: str
    rev: int
    reason: str


async def reserve(
    tx: Transaction, item: WorkItem, agent_id: str, reason: str, *, actor_id: str | None = None
) -> Command:
    """Reserves an agent's load for an item that a person gives, and makes the intent that the conversation has to answer.

    Raises FAILED_PRECONDITION / CAPACITY_FULL. The item is locked; it stays with its holder until the answer. The caller runs the intent
    once the transaction is committed.
    """
    agent = await agents.lock(tx, agent_id)
    if agent is None or not agent.enabled:
        raise FailedPrecondition(reason="AGENT_UNKNOWN", message=f"{agent_id} is no agent who may take work")
    held = item.weight if agent_id in (item.agent_id, item.next_agent_id) else 0
    if agent.load - held + item.weight > agent.capacity:
        raise _full(agent, item)
    if item.state is ItemState.ASSIGNED and item.agent_id != agent_id:
        item.next_agent_id = agent_id
    else:
        item.agent_id, item.state, item.offer_expires_at = agent_id, ItemState.ASSIGNING, None
    item.assignment_id = new_id()
    # What else was asked for this item has become pointless.
    await delete_of_item(tx, item.id)
    item.moving = False
    await items.save(tx, item)
    command = Command(
        id=item.assignment_id,
        kind="assign",
        work_item_id=item.id,
        conversation_id=item.conversation_id,
        epoch=item.epoch,
        reason=reason,
        agent_id=agent_id,
        agent_name=agent.name,
        queue_id=item.queue_id,
        actor_id=actor_id,
    )
    await add(tx, [command], claimed=True)
    return command


async def confirm(tx: Transaction, confirmations: Sequence[Confirmation]) -> list[float]:
    """The conversations are the agents' now. Gives the seconds that each had waited.

    Repeated and outdated confirmations change nothing. Locks all items, then all agents.
    """
    now = await tx.now()
    locked = await items.lock_many(tx, [c.item_id for c in confirmations])
    confirmed: list[WorkItem] = []
    entries: list[events_pb2.AgentFeedChanged] = []
    waits: list[float] = []
    for confirmation in confirmations:
        item = locked.get(confirmation.item_id)
        if item is None or not _stands(item, confirmation):
            continue
        before = item.state
        if item.agent_id is not None and item.agent_id != confirmation.agent_id:
            entries.append(feed.about_item(item.agent_id, feed.UNASSIGNED, item, confirmation.reason))
        waited_s = (
            0.0 if before is ItemState.ASSIGNED else max(0.0, (now - item.waiting_since).total_seconds())
        )
        item.agent_id, item.next_agent_id = confirmation.agent_id, None
        item.state, item.assigned_at, item.moving = ItemState.ASSIGNED, now, False
        item.conversation_rev = max(item.conversation_rev, confirmation.rev)
        entries.append(feed.about_item(confirmation.agent_id, feed.ASSIGNED, item, confirmation.reason))
        await transitions.announce(tx, item, before, confirmation.reason, waited_s=waited_s)
        transitions.tell_contact_gone(tx, item.conversation_id)
        confirmed.append(item)
        waits.append(waited_s)
    if confirmed:
        await confirming.save_assigned(tx, confirmed, now)
        await feed.write(tx, entries)
        await _return_from_lost(tx, confirmed, {c.item_id for c in confirmations if c.reason in _PLANNED})
    return waits


async def _return_from_lost(tx: Transaction, confirmed: Sequence[WorkItem], planned: set[str]) -> None:
    """Who was lost between plan and confirmation does not keep what was planned."""
    gone = set(
        await agents.not_connected(
            tx, [item.agent_id for item in confirmed if item.agent_id and item.id in planned]
        )
    )
    for item in confirmed:
        if item.agent_id in gone and item.id in planned:
            await transitions.ask_move(tx, item, "queued", "agent_lost")
            await items.save(tx, item)


def _stands(item: WorkItem, confirmation: Confirmation) -> bool:
    if item.next_agent_id == confirmation.agent_id:
        return True
    return item.state is ItemState.ASSIGNING and item.agent_id == confirmation.agent_id


def _full(agent: Agent, item: WorkItem) -> FailedPrecondition:
    return FailedPrecondition(
        reason="CAPACITY_FULL",
        message=f"{agent.name} holds {agent.load} of {agent.capacity}; this conversation counts {item.weight}",
        load=str(agent.load),
        capacity=str(agent.capacity),
    )


def offer_until(now: dt.datetime, timeout_s: int) -> dt.datetime:
    """Until when an offer is held."""
    return now + dt.timedelta(seconds=timeout_s or 20)
