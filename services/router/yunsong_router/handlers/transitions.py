"""The moves of a work item that several handlers share. The caller has locked the item and saves it."""

from __future__ import annotations

import datetime as dt

from yunsong.router.v1 import events_pb2, model_pb2
from yunsong_common.db import Transaction
from yunsong_common.ids import new_id
from yunsong_router import wire
from yunsong_router.domain.model import ItemState, Queue, WorkItem
from yunsong_router.domain.skills import next_step_after
from yunsong_router.handlers import feed
from yunsong_router.repository import commands, handlings, items


async def announce(
    tx: Transaction, item: WorkItem, before: ItemState | None, reason: str, *, waited_s: float = 0
) -> None:
    """Tells everyone that the item moved."""
    tx.emit(
        events_pb2.WorkItemChanged(
            work_item=wire.work_item(item),
            from_state=wire.ITEM_STATES[before]
            if before is not None
            else model_pb2.WORK_ITEM_STATE_UNSPECIFIED,
            reason=reason,
            occurred_at=wire.timestamp(await tx.now()),
            waited_s=waited_s,
        )
    )


def tell_contact_gone(tx: Transaction, conversation_id: str) -> None:
    """Tells the contact's screen that the conversation does not wait any more."""
    tx.publish_after_commit(events_pb2.QueuePosition(conversation_id=conversation_id))


async def free(
    tx: Transaction, item: WorkItem, reason: str
) -> tuple[list[events_pb2.AgentFeedChanged], list[str]]:
    """Takes the item from those who are offered it, hold it or have load reserved for it.

    Gives the entries for their feeds, to write once all items are locked and saved, and the agents who have room again.
    """
    entries, freed = (
        [],
        [agent_id for agent_id in (item.agent_id, item.next_agent_id) if agent_id is not None],
    )
    if item.agent_id is not None and item.state is ItemState.OFFERED:
        entries.append(feed.about_item(item.agent_id, feed.OFFER_ENDED, item, reason))
    if item.agent_id is not None and item.state is ItemState.ASSIGNED:
        entries.append(feed.about_item(item.agent_id, feed.UNASSIGNED, item, reason))
        if item.queue_id is not None and item.assigned_at is not None:
            now = await tx.now()
            await handlings.add(tx, item.queue_id, now, (now - item.assigned_at).total_seconds())
    if (
        item.state in (ItemState.ASSIGNING, ItemState.ASSIGNED)
        or item.moving
        or item.next_agent_id is not None
    ):
        await commands.delete_of_item(tx, item.id)
    item.agent_id = item.next_agent_id = item.assignment_id = None
    item.offer_expires_at = item.assigned_at = None
    item.moving = False
    return entries, freed


def due_at(item: WorkItem, queue: Queue, now: dt.datetime, patience_s: float) -> dt.datetime | None:
    """When a rule of waiting needs a look: relaxation, overflow, the end of a preference, patience with a required agent."""
    waited_s = (now - item.waiting_since).total_seconds()
    times = []
    step = next_step_after(queue.relaxation, waited_s)
    if step is not None:
        times.append(item.waiting_since + dt.timedelta(seconds=step))
    if queue.max_wait_s:
        times.append(item.entered_at + dt.timedelta(seconds=queue.max_wait_s))
    if item.prefer_until is not None and item.prefer_until > now:
        times.append(item.prefer_until)
    if item.required_agent_id is not None:
        times.append(now + dt.timedelta(seconds=max(1.0, patience_s / 4)))
    return min(times, default=None)


async def ask_move(
    tx: Transaction, item: WorkItem, to_state: str, reason: str, queue: Queue | None = None
) -> None:
    """Asks the conversation service to move the conversation; until it answers, the plan leaves the item alone."""
    item.moving = True
    command = commands.Command(
        id=new_id(),
        kind="move",
        work_item_id=item.id,
        conversation_id=item.conversation_id,
        epoch=item.epoch,
        reason=reason,
        queue_id=queue.id if queue is not None else item.queue_id,
        to_state=to_state,
    )
    await commands.add(tx, [command])


async def wait_again(
    tx: Transaction, item: WorkItem, reason: str, *, pause_s: float
) -> tuple[list[events_pb2.AgentFeedChanged], list[str]]:
    """An offer ended without assignment: the item waits at its old place, kept for a while from who was offered it."""
    before, agent_id = item.state, item.agent_id
    entries, freed = await free(tx, item, reason)
    item.state = ItemState.WAITING
    if agent_id is not None and pause_s > 0:
        until = await tx.now() + dt.timedelta(seconds=pause_s)
        await items.exclude(tx, item.id, agent_id, until)
        item.due_at = min(until, item.due_at) if item.due_at is not None else until
    await items.save(tx, item)
    await announce(tx, item, before, reason)
    return entries, freed
