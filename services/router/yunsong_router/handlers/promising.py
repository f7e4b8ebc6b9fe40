"""Promises: clocks that start when a contact waits, and end when an agent answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yunsong.router.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_router import wire
from yunsong_router.domain import promises as rules
from yunsong_router.domain.model import ItemState, Queue, WorkItem
from yunsong_router.domain.promises import Clock, Clocks, Sla, Status
from yunsong_router.handlers import feed
from yunsong_router.repository import promises as store
from yunsong_router.repository import queues
from yunsong_router.repository.promises import Promises


@dataclass(frozen=True, slots=True)
class Answer:
    """A public message: the contact's, or an agent's answer to the contact."""

    conversation_id: str
    rev: int
    by_agent: bool


async def item_moved(
    tx: Transaction, item: WorkItem, queue: Queue | None, *, answered: bool, contact_waits: bool = False
) -> None:
    """The conversation went to people, from hand to hand, or away. `answered`: an agent has answered it before.

    `contact_waits`: it came back because of the contact, whose message was told before and started nothing yet.
    """
    known = (await store.lock(tx, [item.conversation_id])).get(item.conversation_id)
    running = item.state not in (ItemState.DONE, ItemState.OFF_HOURS)
    if known is None and (not running or queue is None or not has_promises(queue.sla)):
        return
    promises = known or Promises(item.conversation_id)
    if known is None:
        promises.clocks = Clocks(answered=answered)
    came_back = running and contact_waits and not promises.running
    promises.queue_id, promises.agent_id, promises.running = item.queue_id, _holder(item), running
    changed: list[Clock] = []
    if not running:
        promises.clocks, changed = rules.stopped(promises.clocks)
    elif item.state is ItemState.WAITING and queue is not None:
        promises.clocks, changed = rules.queued(
            promises.clocks, queue.sla, item.waiting_since, queue.schedule.after_open_seconds
        )
        if came_back:
            promises.clocks, more = rules.contact_wrote(
                promises.clocks, queue.sla, item.waiting_since, queue.schedule.after_open_seconds
            )
            changed = [*changed, *more]
    await store.save(tx, [promises])
    await _announce(tx, promises, changed)


async def written(tx: Transaction, answers: Sequence[Answer]) -> None:
    """Public messages: the contact's starts the clock of the next answer, an agent's stops what runs."""
    known = await store.lock(tx, {answer.conversation_id for answer in answers})
    if not known:
        return
    by_queue: dict[str, Queue | None] = {}
    touched: dict[str, Promises] = {}
    for answer in sorted(answers, key=lambda answer: (answer.conversation_id, answer.rev)):
        promises = known.get(answer.conversation_id)
        # A message that is older than the last answer comes late; what it would start is kept already.
        if promises is None or not promises.running or answer.rev <= promises.answered_rev:
            continue
        changed: list[Clock] = []
        if answer.by_agent:
            promises.answered_rev = answer.rev
            promises.clocks, changed = rules.agent_answered(promises.clocks)
            touched[promises.conversation_id] = promises
        elif promises.queue_id is not None:
            if promises.queue_id not in by_queue:
                by_queue[promises.queue_id] = await queues.rules(tx, promises.queue_id)
            queue = by_queue[promises.queue_id]
            if queue is not None:
                promises.clocks, changed = rules.contact_wrote(
                    promises.clocks, queue.sla, await tx.now(), queue.schedule.after_open_seconds
                )
        if changed:
            touched[promises.conversation_id] = promises
            await _announce(tx, promises, changed)
    if touched:
        await store.save(tx, list(touched.values()))


async def tick(tx: Transaction, limit: int = 500) -> list[str]:
    """Warnings and breaches that are due; gives which promise each breach is of."""
    now = await tx.now()
    due = await store.due(tx, now, limit)
    entries = []
    broken: list[str] = []
    for promises in due:
        promises.clocks, changed = rules.ticked(promises.clocks, now)
        broken += [clock.promise.value for clock in changed if clock.status is Status.BREACHED]
        await _announce(tx, promises, changed)
        if promises.agent_id is not None:
            entries += [
                feed.about_promise(promises.agent_id, promises.conversation_id, clock)
                for clock in changed
                if clock.status in (Status.WARNING, Status.BREACHED)
            ]
    await store.save(tx, due)
    await feed.write(tx, entries)
    return broken


def has_promises(sla: Sla) -> bool:
    """Whether a queue promises anything."""
    return bool(sla.first_response_s or sla.next_response_s)


def _holder(item: WorkItem) -> str | None:
    return item.agent_id if item.state is ItemState.ASSIGNED else None


async def _announce(tx: Transaction, promises: Promises, changed: Sequence[Clock]) -> None:
    if not changed:
        return
    occurred_at = wire.timestamp(await tx.now())
    for clock in changed:
        tx.emit(
            events_pb2.SlaChanged(
                conversation_id=promises.conversation_id,
                queue_id=promises.queue_id or "",
                agent_id=promises.agent_id or "",
                sla=wire.sla_state(clock),
                next_due_at=wire.timestamp(promises.clocks.next_due_at),
                occurred_at=occurred_at,
            )
        )
