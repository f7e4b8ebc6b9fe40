"""What the conversation service tells: work comes, changes hands, goes away."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, field
from enum import Enum

from yunsong_common.db import Transaction
from yunsong_common.ids import new_id
from yunsong_router.domain.model import ItemState, Queue, WorkItem
from yunsong_router.handlers import assigning, feed, promising, transitions
from yunsong_router.handlers.policy import Policy
from yunsong_router.repository import items, queues, triggers

LOG = logging.getLogger(__name__)

# Given back on purpose, or never seen by an agent: then the last agent is not the one to prefer.
_NO_PREFERENCE = frozenset({"transferred", "agent_lost"})
# It goes on waiting; it does not begin to.
_KEEPS_PLACE = frozenset({"overflow"})
# Somebody works although the queue is closed: it waits as long as a member is online.
_WAITS_WHILE_CLOSED = frozenset({"transferred", "agent_lost", "opened"})


class Standing(Enum):
    """Where the conversation stands, as far as the router cares."""

    QUEUED = "queued"
    OFF_HOURS = "off_hours"
    ACTIVE = "active"
    GONE = "gone"  # with the bot, asleep, or closed


@dataclass(frozen=True, slots=True)
class Fact:
    """A conversation after a move."""

    conversation_id: str
    rev: int
    epoch: int
    standing: Standing
    reason: str
    queue_id: str | None = None
    priority: int = 3
    skills: dict[str, int] = field(default_factory=dict)
    channel: str = ""
    contact_id: str = ""
    contact_name: str = ""
    assignee_id: str | None = None
    last_assignee_id: str | None = None
    preferred_agent_id: str | None = None
    required_agent_id: str | None = None
    queued_at: dt.datetime | None = None
    answered: bool = False  # an agent has answered before


async def absorb(tx: Transaction, fact: Fact, policy: Policy, *, refused: bool = False) -> None:
    """Brings the work item to where the conversation stands. Repeated and late facts change nothing.

    `refused`: read from the owner after it refused a command, so it counts although its revision may be known.
    """
    item = await items.lock(tx, fact.conversation_id)
    if item is not None and not refused and (fact.rev <= item.conversation_rev or fact.epoch < item.epoch):
        return
    if item is None:
        if fact.standing is Standing.GONE:
            return
        item = await _new(tx, fact)
    item.conversation_rev = max(item.conversation_rev, fact.rev)
    item.contact_name, item.contact_id = (
        fact.contact_name or item.contact_name,
        fact.contact_id or item.contact_id,
    )
    if fact.standing is Standing.QUEUED:
        if fact.epoch > item.epoch or (refused and item.state is not ItemState.WAITING):
            await _queue(tx, item, fact, policy)
        else:
            item.moving = item.moving and not refused
            await items.save(tx, item)
            await triggers.raise_for_queues(tx, [item.queue_id])
    elif fact.standing is Standing.ACTIVE:
        item.epoch = fact.epoch
        await _given(tx, item, fact)
    else:
        item.epoch = fact.epoch
        await _leave(tx, item, fact)


async def known_already(tx: Transaction, fact: Fact) -> bool:
    """Most facts tell the router what it did itself; one look without a lock finds out."""
    item = await items.get(tx, fact.conversation_id)
    if item is None:
        return fact.standing is Standing.GONE
    if fact.rev <= item.conversation_rev or fact.epoch < item.epoch:
        return True
    # The intent's answer, which is on its way, confirms the same; should it be lost, the intent is sent again.
    return (
        fact.standing is Standing.ACTIVE
        and fact.epoch == item.epoch
        and item.assignment_id is not None
        and (item.next_agent_id or (item.agent_id if item.state is ItemState.ASSIGNING else None))
        == fact.assignee_id
    )


async def update(
    tx: Transaction, conversation_id: str, rev: int, priority: int, skills: dict[str, int]
) -> None:
    """Urgency or skills of a conversation changed: a waiting one takes its new place."""
    known = await items.get(tx, conversation_id)
    if known is None or rev <= known.conversation_rev or (known.priority, known.skills) == (priority, skills):
        return
    item = await items.lock(tx, conversation_id)
    if item is None or rev <= item.conversation_rev:
        return
    # The revision is a state's alone: a state that comes late still counts.
    item.priority, item.skills = priority, skills
    await items.save(tx, item)
    if item.state is ItemState.WAITING:
        await triggers.raise_for_queues(tx, [item.queue_id])


async def _new(tx: Transaction, fact: Fact) -> WorkItem:
    return WorkItem(
        id=new_id(),
        conversation_id=fact.conversation_id,
        queue_id=fact.queue_id,
        state=ItemState.DONE,
        epoch=-1,
        conversation_rev=0,
        priority=fact.priority,
        weight=1,
        channel=fact.channel,
        contact_id=fact.contact_id,
        contact_name=fact.contact_name,
        skills=fact.skills,
        waiting_since=await tx.now(),
        entered_at=await tx.now(),
    )


async def _queue(tx: Transaction, item: WorkItem, fact: Fact, policy: Policy) -> None:
    now = await tx.now()
    before = item.state if item.epoch >= 0 else None
    entries, freed = await transitions.free(tx, item, fact.reason)
    queue = await queues.rules(tx, fact.queue_id) or await queues.default(tx)
    if queue is None:
        LOG.warning(
            "no queue is configured: the conversation waits until there is one",
            extra={"conversation_id": item.conversation_id},
        )
    keeps_place = fact.reason in _KEEPS_PLACE and before is ItemState.WAITING
    item.state, item.epoch = ItemState.WAITING, fact.epoch
    item.queue_id = queue.id if queue is not None else None
    item.priority, item.skills, item.channel = fact.priority, fact.skills, fact.channel
    item.weight = await items.weight_of(tx, fact.channel)
    item.at_head = fact.reason == "agent_lost"
    if not keeps_place:
        item.waiting_since = fact.queued_at or now
    item.entered_at = now if keeps_place else item.waiting_since
    item.required_agent_id = fact.required_agent_id
    if queue is not None:
        await _prefer(tx, item, fact, queue)
        item.due_at = transitions.due_at(item, queue, now, policy.required_agent_patience_s)
        if not queue.open and fact.reason not in _WAITS_WHILE_CLOSED and fact.required_agent_id is None:
            await transitions.ask_move(tx, item, "off_hours", "closed_hours")
    await items.save(tx, item)
    if item.transferred_by is not None:
        # Who hands a conversation on does not get it straight back.
        until = now + dt.timedelta(seconds=policy.decline_pause_s)
        await items.exclude(tx, item.id, item.transferred_by, until)
        item.due_at = min(until, item.due_at or until)
        item.transferred_by = None
        await items.save(tx, item)
    await promising.item_moved(
        tx, item, queue, answered=fact.answered, contact_waits=fact.reason != "snooze_due"
    )
    await transitions.announce(tx, item, before, fact.reason)
    await feed.write(tx, entries)
    await triggers.raise_for_queues(tx, [item.queue_id])
    await triggers.raise_for_agents(tx, freed)


async def _prefer(tx: Transaction, item: WorkItem, fact: Fact, queue: Queue) -> None:
    preferred = fact.preferred_agent_id
    if preferred is None and queue.last_agent_s and fact.reason not in _NO_PREFERENCE:
        preferred = fact.last_assignee_id or await items.last_agent(tx, fact.contact_id)
    item.preferred_agent_id = preferred
    item.prefer_until = None
    if preferred is not None and queue.last_agent_s:
        item.prefer_until = item.waiting_since + dt.timedelta(seconds=queue.last_agent_s)


async def _given(tx: Transaction, item: WorkItem, fact: Fact) -> None:
    """The conversation is an agent's: as planned, or the owner says so and is right."""
    agent_id = fact.assignee_id
    if agent_id is None:
        return
    if item.state is ItemState.ASSIGNED and item.agent_id == agent_id:
        await items.save(tx, item)
        return
    if agent_id not in (item.agent_id, item.next_agent_id):
        entries, freed = await transitions.free(tx, item, fact.reason)
        item.queue_id, item.agent_id = fact.queue_id or item.queue_id, agent_id
        item.weight = await items.weight_of(tx, fact.channel)
        item.state, item.assignment_id = ItemState.ASSIGNING, None
        await items.save(tx, item)
        await feed.write(tx, entries)
        await triggers.raise_for_agents(tx, freed)
    await assigning.confirm(tx, [assigning.Confirmation(item.id, agent_id, fact.rev, fact.reason)])


async def _leave(tx: Transaction, item: WorkItem, fact: Fact) -> None:
    before = item.state
    entries, freed = await transitions.free(tx, item, fact.reason)
    item.state = ItemState.OFF_HOURS if fact.standing is Standing.OFF_HOURS else ItemState.DONE
    if fact.standing is Standing.OFF_HOURS:
        known = await queues.rules(tx, fact.queue_id)
        default = known or await queues.default(tx)
        item.queue_id = default.id if default is not None else None
    item.required_agent_id = item.preferred_agent_id = item.prefer_until = item.due_at = None
    item.at_head = False
    await items.save(tx, item)
    await promising.item_moved(tx, item, None, answered=fact.answered)
    if before is not item.state:
        await transitions.announce(tx, item, before, fact.reason)
    transitions.tell_contact_gone(tx, item.conversation_id)
    await feed.write(tx, entries)
    # Whoever waits behind it moves up, and its agent has room again.
    await triggers.raise_for_queues(tx, [item.queue_id])
    await triggers.raise_for_agents(tx, freed)
