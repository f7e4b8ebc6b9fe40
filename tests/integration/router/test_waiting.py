"""Hours, overflow, relaxation and promises: what time does to what waits."""

from __future__ import annotations

import datetime as dt

from tests.integration.router.test_assigning import given
from tests.integration.router.world import World
from tests.support.polling import eventually
from yunsong.router.v1 import events_pb2
from yunsong_router.domain.hours import Hours, Schedule
from yunsong_router.domain.model import ItemState, Presence
from yunsong_router.domain.promises import Sla
from yunsong_router.domain.skills import RelaxationStep
from yunsong_router.handlers.intake import Standing


def hours_around(now: dt.datetime, opens_in: int, minutes: int) -> Schedule:
    """Open every day from so many minutes from now, for that many."""
    start = (now.hour * 60 + now.minute + opens_in) % 1440
    end = (start + minutes) % 1440
    return Schedule("UTC", tuple((day, Hours(start, end)) for day in range(1, 8)))


async def test_a_closed_queue_sends_to_off_hours_and_opening_brings_back(world: World) -> None:
    queue = await world.queue(schedule=hours_around(world.database.now(), 60, 120))
    assert not queue.open
    agent = await world.agent(queue, online=False)
    conversation = world.fake.begin(queue.id)
    await world.deliver()
    await eventually(lambda: conversation.standing is Standing.OFF_HOURS)
    await world.deliver()
    assert (await world.item(conversation)).state is ItemState.OFF_HOURS

    world.later(3600)
    await world.connect(agent)
    await world.say(agent, Presence.ONLINE)
    await world.replica.timers.tick()
    await eventually(lambda: conversation.standing is Standing.QUEUED)
    await given(world, conversation, agent)


async def test_who_waits_at_closing_time_is_served_as_long_as_somebody_is_there(world: World) -> None:
    queue = await world.queue(schedule=hours_around(world.database.now(), -60, 90))
    agent = await world.agent(queue, capacity=1)
    first, second = world.fake.begin(queue.id), world.fake.begin(queue.id)
    await given(world, first, agent)
    world.later(3600)
    await world.connect(agent)
    await world.replica.timers.tick()
    assert (await world.item(second)).state is ItemState.WAITING
    await world.say(agent, Presence.OFFLINE)
    await world.replica.timers.tick()
    await eventually(lambda: second.standing is Standing.OFF_HOURS)
    assert first.assignee_id == agent


async def test_overflow_goes_on_to_the_next_queue_and_keeps_its_wait(world: World) -> None:
    helpers = await world.queue()
    sales = await world.queue(max_wait_s=30, overflow_queue_id=helpers.id)
    helper = await world.agent(helpers)
    conversation = world.fake.begin(sales.id)
    await world.deliver()
    since = (await world.item(conversation)).waiting_since
    world.later(29)
    await world.connect(helper)
    await world.replica.timers.tick()
    assert conversation.reason == "handoff_requested"
    world.later(2)
    await world.replica.timers.tick()
    await eventually(lambda: conversation.reason == "overflow")
    await world.deliver()
    item = await world.item(conversation)
    assert (item.queue_id, item.waiting_since) == (helpers.id, since)
    await given(world, conversation, helper)


async def test_overflow_without_a_queue_goes_to_off_hours_until_somebody_is_free(world: World) -> None:
    sales = await world.queue(max_wait_s=30)
    conversation = world.fake.begin(sales.id)
    await world.deliver()
    world.later(31)
    await world.replica.timers.tick()
    await eventually(lambda: (conversation.standing, conversation.reason) == (Standing.OFF_HOURS, "overflow"))
    await world.deliver()
    await world.replica.timers.tick()
    assert conversation.standing is Standing.OFF_HOURS
    agent = await world.agent(sales)
    await world.replica.timers.tick()
    await eventually(lambda: conversation.standing is Standing.QUEUED)
    await given(world, conversation, agent)


async def test_skills_relax_by_time(world: World) -> None:
    queue = await world.queue(relaxation=(RelaxationStep(30, 1), RelaxationStep(60, drop_skills=True)))
    some, none = await world.agent(queue, capacity=1, english=2), await world.agent(queue, online=False)
    first, second = (
        world.fake.begin(queue.id, skills={"english": 3}),
        world.fake.begin(queue.id, skills={"english": 3}),
    )
    await world.deliver()
    assert await world.replica.planning.settle() == 0
    world.later(31)
    await world.connect(some, none)
    await world.replica.timers.tick()
    await given(world, first, some)
    await world.say(none, Presence.ONLINE)
    assert await world.replica.planning.settle() == 0
    world.later(30)
    await world.connect(some, none)
    await world.replica.timers.tick()
    await given(world, second, none)


async def test_promises_run_warn_break_and_are_kept(world: World) -> None:
    queue = await world.queue(sla=Sla(60, 120, 20))
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await given(world, conversation, agent)
    await world.deliver()
    world.later(41)
    await world.connect(agent)
    await world.replica.timers.tick()
    world.later(20)
    await world.replica.timers.tick()
    first = events_pb2.SLA_KIND_FIRST_RESPONSE
    assert await world.promises(conversation) == [
        (first, events_pb2.SLA_STATUS_RUNNING),
        (first, events_pb2.SLA_STATUS_WARNING),
        (first, events_pb2.SLA_STATUS_BREACHED),
    ]
    assert (await world.feed(agent))[-2:] == [events_pb2.FEED_KIND_SLA, events_pb2.FEED_KIND_SLA]

    await world.written(conversation, by_agent=True)
    await world.written(conversation, by_agent=False)
    await world.written(conversation, by_agent=True)
    following = events_pb2.SLA_KIND_NEXT_RESPONSE
    assert (await world.promises(conversation))[3:] == [
        (following, events_pb2.SLA_STATUS_RUNNING),
        (following, events_pb2.SLA_STATUS_MET),
    ]
    await world.written(conversation, by_agent=False)
    world.fake.move(conversation, Standing.GONE, "closed")
    await world.deliver()
    assert (await world.promises(conversation))[-1] == (following, events_pb2.SLA_STATUS_STOPPED)
    world.fake.queue(conversation, "contact_wrote")
    await world.deliver()
    assert (await world.promises(conversation))[-1] == (following, events_pb2.SLA_STATUS_RUNNING)


async def test_a_higher_priority_in_a_shared_group_goes_first(world: World) -> None:
    ordinary, important = await world.queue(priority=50), await world.queue(priority=10)
    early, late = world.fake.begin(ordinary.id), world.fake.begin(important.id)
    agent = await world.agent(ordinary, important, capacity=1)
    await given(world, late, agent)
    assert early.assignee_id is None
    async with world.database.read() as tx:
        groups = await tx.raw.fetchval("SELECT count(DISTINCT group_id) FROM queues")
    assert groups == 1


async def test_urgency_that_changes_while_waiting_counts_at_once(world: World) -> None:
    queue = await world.queue()
    first, second = world.fake.begin(queue.id), world.fake.begin(queue.id)
    await world.deliver()
    await world.urgent(second)
    agent = await world.agent(queue, capacity=1)
    await given(world, second, agent)
    assert first.assignee_id is None
