"""Queues, members, agents, skills and weights as people configure them. Every change is planned with at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import asyncpg

from yunsong.router.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_common.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Violation
from yunsong_common.ids import new_id
from yunsong_router import wire
from yunsong_router.domain.groups import overflow_cycle, routing_groups
from yunsong_router.domain.model import Agent, Queue
from yunsong_router.handlers import feed
from yunsong_router.handlers.strategies import Strategies
from yunsong_router.repository import agents, queues, triggers, waiting

DEFAULT_CAPACITY = 5


async def create_queue(tx: Transaction, queue: Queue, strategies: Strategies) -> Queue:
    """A new queue without members. Conversations that wait for want of any queue go to the oldest one."""
    await queues.lock_configuration(tx)
    now = await tx.now()
    queue = replace(queue, id=new_id(), created_at=now, open=queue.schedule.is_open(now))
    await _check(tx, queue, strategies)
    await _save(tx, queue)
    await waiting.adopt_homeless(tx, queue.id)
    return await _changed(tx, queue.id)


async def update_queue(tx: Transaction, queue: Queue, known: Queue, strategies: Strategies) -> Queue:
    """Changes a queue; what waits follows the new rules at once."""
    await queues.lock_configuration(tx)
    queue = replace(queue, open=queue.schedule.is_open(await tx.now()), created_at=known.created_at)
    await _check(tx, queue, strategies)
    await _save(tx, queue)
    await waiting.look_again(tx, queue.id)
    return await _changed(tx, queue.id)


async def delete_queue(tx: Transaction, queue_id: str) -> None:
    """Deletes a queue that nothing waits in."""
    await queues.lock_configuration(tx)
    queue = await known_queue(tx, queue_id)
    if await queues.waits_in(tx, queue_id):
        raise FailedPrecondition(
            reason="QUEUE_NOT_EMPTY",
            message=f"conversations wait in {queue.name}; move them to another queue first",
        )
    await queues.delete(tx, queue_id)
    await _regroup(tx)
    tx.emit(events_pb2.QueueChanged(queue=wire.queue(queue, await tx.now()), deleted=True))


async def set_members(tx: Transaction, queue_id: str, agent_ids: Sequence[str]) -> Queue:
    """Replaces a queue's members."""
    await queues.lock_configuration(tx)
    queue = await known_queue(tx, queue_id)
    wanted = list(dict.fromkeys(agent_ids))
    known = await agents.get_many(tx, wanted)
    for agent_id in wanted:
        if agent_id not in known:
            raise NotFound(reason="AGENT_UNKNOWN", message=f"{agent_id} is no agent", agent_id=agent_id)
    await queues.set_members(tx, queue_id, wanted)
    changed = sorted(set(wanted) ^ set(queue.member_ids))
    await feed.agent_changed(tx, changed, {}, "queues")
    return await _changed(tx, queue_id)


async def configure_agent(
    tx: Transaction,
    agent_id: str,
    *,
    name: str | None,
    capacity: int | None,
    skills: Mapping[str, int] | None,
    enabled: bool | None,
) -> Agent:
    """Creates or changes an agent; what is None stays. A lower capacity takes nothing away."""
    await agents.create(tx, agent_id, name or "", DEFAULT_CAPACITY)
    known = await agents.lock(tx, agent_id)
    assert known is not None
    await _check_skills(tx, skills or {}, "skills.levels")
    await agents.configure(
        tx,
        agent_id,
        known.name if name is None else name,
        known.capacity if capacity is None else capacity,
        known.skills if skills is None else skills,
        known.enabled if enabled is None else enabled,
    )
    changed = await feed.agent_changed(tx, [agent_id], {}, "configured")
    await triggers.raise_for_agents(tx, [agent_id])
    return changed[0]


async def delete_skill(tx: Transaction, name: str) -> None:
    """Deletes a skill; agents and queues lose it."""
    await queues.lock_configuration(tx)
    if not await queues.delete_skill(tx, name):
        raise NotFound(reason="SKILL_UNKNOWN", message=f"there is no skill {name!r}")
    await triggers.raise_for_queues(tx, await queues.ids_and_overflow(tx))


async def announce(tx: Transaction, queue_id: str) -> Queue:
    """Tells everyone how a queue is now."""
    queue = await known_queue(tx, queue_id)
    tx.emit(events_pb2.QueueChanged(queue=wire.queue(queue, await tx.now())))
    return queue


async def known_queue(tx: Transaction, queue_id: str) -> Queue:
    """The queue, or NOT_FOUND / QUEUE_UNKNOWN."""
    queue = await queues.get(tx, queue_id)
    if queue is None:
        raise NotFound(reason="QUEUE_UNKNOWN", message=f"there is no queue {queue_id}", queue_id=queue_id)
    return queue


async def _check(tx: Transaction, queue: Queue, strategies: Strategies) -> None:
    if not queue.name:
        raise _refused("queue.name", "REQUIRED", "the name must say something")
    if not strategies.knows(queue.strategy):
        raise _refused(
            "queue.strategy_name", "STRATEGY_UNKNOWN", f"no strategy {queue.strategy!r} is installed"
        )
    await _check_skills(tx, queue.required_skills, "queue.required_skills")
    overflow = await queues.ids_and_overflow(tx)
    if queue.overflow_queue_id is not None and queue.overflow_queue_id not in overflow:
        raise NotFound(
            reason="QUEUE_UNKNOWN", message=f"there is no queue {queue.overflow_queue_id} to overflow to"
        )
    overflow[queue.id] = queue.overflow_queue_id
    if cycle := overflow_cycle(queue.id, overflow):
        raise _refused(
            "queue.overflow_queue_id",
            "OVERFLOW_CYCLE",
            f"overflow would come back to where it began: {' -> '.join(cycle)}",
        )


async def _check_skills(tx: Transaction, skills: Mapping[str, int], field: str) -> None:
    known = {name for name, _ in await queues.skills(tx)}
    for name, level in skills.items():
        if not 1 <= level <= 5:
            raise _refused(
                f"{field}[{name}]", "OUT_OF_RANGE", f"the level of {name!r} is {level}; levels are 1 to 5"
            )
        if name not in known:
            # A skill that is used exists: listing it first would be a step for nothing.
            await queues.set_skill(tx, name, "")


def _refused(field: str, reason: str, message: str) -> InvalidArgument:
    # Of what is plainly a wrong field, the violation alone tells the reason.
    code = "INVALID_REQUEST" if reason in ("REQUIRED", "OUT_OF_RANGE") else reason
    return InvalidArgument(reason=code, message=message, violations=[Violation(field, message, reason)])


async def _save(tx: Transaction, queue: Queue) -> None:
    try:
        await queues.save(tx, queue)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(
            reason="QUEUE_NAME_TAKEN", message=f"there is a queue named {queue.name!r}"
        ) from error


async def _changed(tx: Transaction, queue_id: str) -> Queue:
    await _regroup(tx)
    return await announce(tx, queue_id)


async def _regroup(tx: Transaction) -> None:
    """Makes the routing groups anew. Who plans an old group just now is caught by the guards, and all are planned again."""
    all_queues = await queues.ids_and_overflow(tx)
    await queues.set_groups(tx, routing_groups(all_queues, await queues.members(tx)))
    await triggers.raise_for_queues(tx, all_queues)
