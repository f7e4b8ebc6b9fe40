"""What happens because time passed, by the database's clock. Replicas may run these at once: each row is worked on by one of them."""

from __future__ import annotations

import datetime as dt

from yunsong_common.db import Transaction
from yunsong_router.domain.model import ItemState, Queue, WorkItem
from yunsong_router.handlers import configuring, feed, transitions
from yunsong_router.handlers.policy import Policy
from yunsong_router.repository import agents, handlings, items, queues, triggers, waiting

_AT_ONCE = 500
# The rest comes in as `admit` finds room for it.
_AT_OPENING = 2000
_KEPT = dt.timedelta(days=30)


async def expire_offers(tx: Transaction, policy: Policy) -> int:
    """Offers that nobody answered go on to somebody else."""
    expired = await waiting.lock_expired_offers(tx, await tx.now(), _AT_ONCE)
    entries, freed = [], []
    for item in expired:
        ended, room = await transitions.wait_again(tx, item, "expired", pause_s=policy.decline_pause_s)
        entries += ended
        freed += room
    await feed.write(tx, entries)
    await triggers.raise_for_queues(tx, {item.queue_id for item in expired})
    await triggers.raise_for_agents(tx, freed)
    return len(expired)


async def apply_waiting_rules(tx: Transaction, policy: Policy) -> int:
    """Relaxation, overflow, the end of a preference, patience with a required agent, the end of a pause."""
    now = await tx.now()
    due = sorted(await waiting.lock_due(tx, now, _AT_ONCE), key=lambda item: item.id)
    rules: dict[str, Queue | None] = {}
    next_looks: dict[str, dt.datetime | None] = {}
    pauses = await waiting.earliest_exclusion(tx, [item.id for item in due], now)
    for item in due:
        if item.queue_id is None:
            next_looks[item.id] = None
            continue
        if item.queue_id not in rules:
            rules[item.queue_id] = await queues.rules(tx, item.queue_id)
        queue = rules[item.queue_id]
        if queue is None:
            next_looks[item.id] = None
        elif await _overflows(tx, item, queue, now):
            await items.save(tx, item)
        else:
            await _lose_patience(tx, item, now, policy)
            look = transitions.due_at(item, queue, now, policy.required_agent_patience_s)
            # What overflows later than now has its time; what overflowed already but may not again has none.
            look = look if look is None or look > now else None
            next_looks[item.id] = min((t for t in (look, pauses.get(item.id)) if t is not None), default=None)
    await waiting.set_due(tx, next_looks)
    await triggers.raise_for_queues(tx, {item.queue_id for item in due})
    await waiting.drop_exclusions(tx, now)
    return len(due)


async def open_and_close(tx: Transaction) -> int:
    """Queues whose hours begin or end: what waited for the opening is queued."""
    now = await tx.now()
    changing = await waiting.queues_that_change(tx, now)
    for queue_id in changing:
        queue = await configuring.known_queue(tx, queue_id)
        is_open = queue.schedule.is_open(now)
        await waiting.set_open(tx, queue_id, is_open, queue.schedule.next_change(now))
        await configuring.announce(tx, queue_id)
        if is_open:
            for item in await waiting.lock_off_hours(tx, queue_id, _AT_OPENING):
                await transitions.ask_move(tx, item, "queued", "opened")
                await items.save(tx, item)
        await triggers.raise_for_queues(tx, [queue_id])
    return len(changing)


async def admit(tx: Transaction) -> int:
    """In an open queue that nobody waits in, what was sent away by overflow comes back, as many as somebody is free for."""
    admitted = 0
    for queue_id, free in await waiting.queues_with_room_for_off_hours(tx):
        for item in await waiting.lock_off_hours(tx, queue_id, min(free, _AT_ONCE)):
            await transitions.ask_move(tx, item, "queued", "opened")
            await items.save(tx, item)
            admitted += 1
    return admitted


async def send_home(tx: Transaction) -> int:
    """In a closed queue whose last member left nobody waits for nothing."""
    left = await waiting.lock_unattended(tx, _AT_ONCE)
    for item in left:
        await transitions.ask_move(tx, item, "off_hours", "closed_hours")
        await items.save(tx, item)
    return len(left)


async def prune(tx: Transaction) -> int:
    """Forgets what no rule looks back to."""
    before = await tx.now() - _KEPT
    await handlings.prune(tx, before)
    await waiting.prune(tx, before, _AT_OPENING)
    return 0


async def _overflows(tx: Transaction, item: WorkItem, queue: Queue, now: dt.datetime) -> bool:
    if not queue.max_wait_s or (now - item.entered_at).total_seconds() < queue.max_wait_s:
        return False
    if queue.overflow_queue_id is None:
        await transitions.ask_move(tx, item, "off_hours", "overflow")
        return True
    await transitions.ask_move(
        tx, item, "queued", "overflow", await queues.rules(tx, queue.overflow_queue_id)
    )
    return True


async def _lose_patience(tx: Transaction, item: WorkItem, now: dt.datetime, policy: Policy) -> None:
    """Who takes no work for long is no longer waited for."""
    if item.required_agent_id is None or item.state is not ItemState.WAITING:
        return
    agent = await agents.get(tx, item.required_agent_id)
    patience = dt.timedelta(seconds=policy.required_agent_patience_s)
    if (
        agent is None
        or not agent.enabled
        or (not agent.takes_work and now - max(agent.presence_since, item.waiting_since) >= patience)
    ):
        item.required_agent_id = None
        await items.save(tx, item)
