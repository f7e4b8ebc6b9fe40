"""Offers: accepted, declined, expired, withdrawn."""

from __future__ import annotations

import pytest

from tests.integration.router.world import Conversation, World
from yunsong.router.v1 import events_pb2
from yunsong_common.errors import FailedPrecondition
from yunsong_router.domain.model import ItemState, Presence, Queue, WorkItem


async def offered(world: World, queue: Queue) -> tuple[Conversation, WorkItem]:
    """A conversation that is offered to somebody."""
    conversation = world.fake.begin(queue.id)
    await world.deliver()
    await world.replica.planning.settle()
    item = await world.item(conversation)
    assert item.state is ItemState.OFFERED
    return conversation, item


async def test_an_offer_holds_load_and_becomes_an_assignment_when_accepted(world: World) -> None:
    queue = await world.queue(requires_accept=True)
    agent = await world.agent(queue, capacity=1)
    conversation, item = await offered(world, queue)
    assert not conversation.assignee_id
    assert (await world.agent_now(agent)).load == 1
    accepted: WorkItem = await world.replica.dispatch.accept(item.id, world.asker(agent))
    assert (accepted.state, conversation.assignee_id) == (ItemState.ASSIGNED, agent)
    assert (await world.agent_now(agent)).load == 1
    assert await world.feed(agent) == [
        events_pb2.FEED_KIND_AGENT,  # configured, member, connected, online
        events_pb2.FEED_KIND_AGENT,
        events_pb2.FEED_KIND_AGENT,
        events_pb2.FEED_KIND_AGENT,
        events_pb2.FEED_KIND_OFFERED,
        events_pb2.FEED_KIND_ASSIGNED,
    ]


async def test_a_declined_offer_goes_to_others_and_back_after_a_minute(world: World) -> None:
    queue = await world.queue(requires_accept=True)
    agent = await world.agent(queue)
    _, item = await offered(world, queue)
    declined = await world.replica.dispatch.decline(item.id, world.asker(agent), "busy")
    assert (declined.state, declined.waiting_since) == (ItemState.WAITING, item.waiting_since)
    assert (await world.agent_now(agent)).load == 0
    assert await world.replica.planning.settle() == 0
    other = await world.agent(queue)
    assert await world.replica.planning.settle() == 1
    again = await world.item_by_id(item.id)
    assert (again.state, again.agent_id) == (ItemState.OFFERED, other)
    await world.replica.dispatch.decline(item.id, world.asker(other), "busy")
    world.later(61)
    await world.connect(agent, other)
    await world.replica.timers.tick()
    assert await world.replica.planning.settle() == 1


async def test_an_offer_expires_by_the_databases_clock(world: World) -> None:
    queue = await world.queue(requires_accept=True, offer_timeout_s=15)
    agent = await world.agent(queue)
    _, item = await offered(world, queue)
    world.later(14)
    await world.connect(agent)
    await world.replica.timers.tick()
    assert (await world.item_by_id(item.id)).state is ItemState.OFFERED
    world.later(2)
    with pytest.raises(FailedPrecondition, match="OFFER_EXPIRED"):
        await world.replica.dispatch.accept(item.id, world.asker(agent))
    await world.replica.timers.tick()
    assert (await world.item_by_id(item.id)).state is ItemState.WAITING
    assert (await world.feed(agent))[-2:] == [events_pb2.FEED_KIND_OFFERED, events_pb2.FEED_KIND_OFFER_ENDED]


async def test_an_offer_is_its_agents_alone(world: World) -> None:
    queue = await world.queue(requires_accept=True)
    await world.agent(queue)
    stranger = await world.agent(online=False)
    _, item = await offered(world, queue)
    with pytest.raises(FailedPrecondition, match="OFFER_EXPIRED"):
        await world.replica.dispatch.accept(item.id, world.asker(stranger))


async def test_an_agent_who_goes_away_passes_the_offer_on(world: World) -> None:
    queue = await world.queue(requires_accept=True)
    agent = await world.agent(queue)
    _, item = await offered(world, queue)
    other = await world.agent(queue)
    await world.say(agent, Presence.BUSY)
    assert await world.replica.planning.settle() == 1
    assert (await world.item_by_id(item.id)).agent_id == other
