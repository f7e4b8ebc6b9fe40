"""From a handoff to an agent, and away again."""

from __future__ import annotations

import pytest

from tests.integration.router.world import Conversation, World
from tests.support.polling import eventually
from yunsong_common.errors import FailedPrecondition, PermissionDenied
from yunsong_router.domain.model import ItemState, Presence
from yunsong_router.handlers.intake import Standing


async def held_by(world: World, conversation: Conversation, agent_id: str) -> None:
    """Returns once the agent has the conversation, on both sides."""

    async def stands() -> bool:
        item = await world.item(conversation)
        return conversation.assignee_id == agent_id == item.agent_id and item.state is ItemState.ASSIGNED

    await eventually(stands, what=f"{agent_id} has the conversation")


async def given(world: World, conversation: Conversation, agent_id: str) -> None:
    """Delivers what was published, plans, and waits for the assignment."""
    await world.deliver()
    await world.replica.planning.settle()
    await held_by(world, conversation, agent_id)


async def test_a_conversation_that_is_handed_to_people_goes_to_an_agent(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await given(world, conversation, agent)
    assert (await world.agent_now(agent)).load == 1
    await world.deliver()  # its own assignment, told again
    assert (await world.agent_now(agent)).load == 1


async def test_leaving_frees_the_load(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue, capacity=1)
    first, second = world.fake.begin(queue.id), world.fake.begin(queue.id)
    await given(world, first, agent)
    assert second.assignee_id is None
    world.fake.move(first, Standing.GONE, "closed")
    await given(world, second, agent)
    assert (await world.item(first)).state is ItemState.DONE


async def test_a_contact_who_leaves_while_waiting_is_not_given_to_anybody(world: World) -> None:
    queue = await world.queue()
    conversation = world.fake.begin(queue.id)
    await world.deliver()
    world.fake.move(conversation, Standing.GONE, "abandoned")
    await world.deliver()
    await world.agent(queue)
    assert await world.replica.planning.settle() == 0


async def test_old_and_repeated_facts_change_nothing(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    facts = world.fake.facts[:]
    await given(world, conversation, agent)
    facts += world.fake.facts
    world.fake.move(conversation, Standing.GONE, "closed")
    await world.deliver()
    await world.deliver(facts)
    assert (await world.item(conversation)).state is ItemState.DONE
    assert await world.replica.planning.settle() == 0
    assert (await world.agent_now(agent)).load == 0


async def test_a_refusal_frees_the_load_and_follows_the_owner(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await world.deliver()
    world.fake.move(conversation, Standing.GONE, "closed")  # and its event is late
    await world.replica.planning.settle()

    async def freed() -> bool:
        return (await world.item(conversation)).state is ItemState.DONE

    await eventually(freed)
    assert (await world.agent_now(agent)).load == 0


async def test_who_is_refused_for_good_leaves_it_to_others(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    world.fake.refuse = "AGENT_REFUSED"
    await world.deliver()
    await world.replica.planning.settle()

    async def waits_again() -> bool:
        return (await world.item(conversation)).state is ItemState.WAITING

    await eventually(waits_again)
    world.fake.refuse = ""
    assert await world.replica.planning.settle() == 0  # not the same agent for a minute
    other = await world.agent(queue)
    await given(world, conversation, other)
    assert (await world.agent_now(agent)).load == 0


async def test_an_intent_waits_for_the_conversation_service_to_come_back(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await world.deliver()
    world.fake.away = True
    await world.replica.planning.settle()
    item = await world.item(conversation)
    assert (item.state, (await world.agent_now(agent)).load) == (ItemState.ASSIGNING, 1)
    world.fake.away = False
    await held_by(world, conversation, agent)


async def test_a_lowered_capacity_evicts_nobody(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue, capacity=2)
    first, second = world.fake.begin(queue.id), world.fake.begin(queue.id)
    await given(world, first, agent)
    await held_by(world, second, agent)
    await world.capacity(agent, 1)
    third = world.fake.begin(queue.id)
    await world.deliver()
    assert await world.replica.planning.settle() == 0
    assert (await world.agent_now(agent)).load == 2
    world.fake.move(first, Standing.GONE, "closed")
    await world.deliver()
    assert await world.replica.planning.settle() == 0
    world.fake.move(second, Standing.GONE, "closed")
    await given(world, third, agent)


async def test_channels_weigh_differently(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue, capacity=3)
    await world.weights(voice=3)
    chat = world.fake.begin(queue.id)
    await given(world, chat, agent)
    call = world.fake.begin(queue.id, channel="voice")
    await world.deliver()
    assert await world.replica.planning.settle() == 0
    world.fake.move(chat, Standing.GONE, "closed")
    await given(world, call, agent)
    assert (await world.agent_now(agent)).load == 3


async def test_without_any_queue_it_waits_until_there_is_one(world: World) -> None:
    conversation = world.fake.begin(None)
    await world.deliver()
    assert (await world.item(conversation)).queue_id is None
    queue = await world.queue()
    agent = await world.agent(queue)
    await given(world, conversation, agent)


async def test_an_unknown_queue_means_the_oldest(world: World) -> None:
    oldest, _ = await world.queue(), await world.queue()
    agent = await world.agent(oldest)
    conversation = world.fake.begin("01890000-0000-7000-8000-000000000000")
    await given(world, conversation, agent)


async def test_last_agent_first_with_a_time_limit(world: World) -> None:
    queue = await world.queue(last_agent_s=30)
    known, other = await world.agent(queue, capacity=1), await world.agent(queue, online=False)
    first = world.fake.begin(queue.id)
    await given(world, first, known)
    world.fake.move(first, Standing.GONE, "closed")
    busy = world.fake.begin(queue.id)
    await given(world, busy, known)
    await world.connect(other)
    await world.say(other, Presence.ONLINE)

    again = world.fake.begin(queue.id, contact_id=first.contact_id)
    await world.deliver()
    assert await world.replica.planning.settle() == 0  # waits for whom it knows
    world.later(31)
    await world.connect(known, other)
    await world.replica.timers.tick()
    await given(world, again, other)


async def test_an_agent_picks_out_of_turn_within_capacity(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue, capacity=1, online=False)
    stranger = await world.agent(online=False)
    first, second = world.fake.begin(queue.id), world.fake.begin(queue.id)
    await world.deliver()
    with pytest.raises(PermissionDenied, match="NOT_MEMBER"):
        await world.replica.dispatch.pick(second.id, world.asker(stranger))
    item = await world.replica.dispatch.pick(second.id, world.asker(agent))
    assert (item.state, item.agent_id, second.assignee_id) == (ItemState.ASSIGNED, agent, agent)
    with pytest.raises(FailedPrecondition, match="CAPACITY_FULL"):
        await world.replica.dispatch.pick(first.id, world.asker(agent))
    with pytest.raises(FailedPrecondition, match="NOT_WAITING"):
        await world.replica.dispatch.pick(second.id, world.asker(agent))


async def test_a_supervisor_takes_over(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await given(world, conversation, agent)
    boss = world.asker(agent[:-12] + "0" * 12, supervises=True)
    item = await world.replica.dispatch.take_over(conversation.id, boss)
    assert (item.agent_id, conversation.assignee_id, item.next_agent_id) == (boss.id, boss.id, None)
    assert (await world.agent_now(agent)).load == 0
    assert (await world.agent_now(boss.id)).load == 1


async def test_a_transfer_to_a_queue_leaves_out_who_gave_it(world: World) -> None:
    sales, service = await world.queue(), await world.queue()
    both = await world.agent(sales, service)
    conversation = world.fake.begin(sales.id)
    await given(world, conversation, both)
    await world.replica.dispatch.transfer(
        conversation.id, world.asker(both), queue_id=service.id, agent_id="", note=""
    )
    assert await world.replica.planning.settle() == 0
    helper = await world.agent(service)
    await given(world, conversation, helper)
    assert (await world.agent_now(both)).load == 0


async def test_a_transfer_to_a_full_agent_waits_for_room(world: World) -> None:
    sales, service = await world.queue(), await world.queue()
    seller, helper = await world.agent(sales), await world.agent(service, capacity=1)
    first, second = world.fake.begin(sales.id), world.fake.begin(service.id)
    await given(world, first, seller)
    await held_by(world, second, helper)
    await world.replica.dispatch.transfer(
        first.id, world.asker(seller), queue_id="", agent_id=helper, note="yours"
    )
    assert await world.replica.planning.settle() == 0
    other = await world.agent(service)
    assert await world.replica.planning.settle() == 0, "it waits for one agent alone"
    world.fake.move(second, Standing.GONE, "closed")
    await given(world, first, helper)
    assert (await world.agent_now(other)).load == 0


async def test_a_required_agent_who_stays_away_loses_it_to_the_queue(world: World) -> None:
    sales = await world.queue()
    seller, helper = await world.agent(sales), await world.agent(sales)
    conversation = world.fake.begin(sales.id, required_agent_id=seller)
    await world.say(seller, Presence.AWAY)
    await world.deliver()
    assert await world.replica.planning.settle() == 0
    world.later(200)
    await world.connect(seller, helper)
    await world.replica.timers.tick()
    assert await world.replica.planning.settle() == 0
    world.later(101)
    await world.connect(seller, helper)
    await world.replica.timers.tick()
    await given(world, conversation, helper)


async def test_who_starts_a_conversation_has_it_and_its_event_changes_nothing(world: World) -> None:
    queue = await world.queue()
    agent, other = await world.agent(queue, capacity=1), await world.agent(queue)
    conversation = world.fake.begin(queue.id, required_agent_id=agent)
    started = world.fake.facts[:]
    world.fake.facts.clear()
    item = await world.replica.dispatch.assign_started(
        conversation.id, agent, "web", "Mei", conversation.epoch
    )
    assert (item.state, conversation.assignee_id) == (ItemState.ASSIGNED, agent)
    await world.deliver(started)
    await world.deliver()
    assert await world.replica.planning.settle() == 0
    assert ((await world.agent_now(agent)).load, (await world.agent_now(other)).load) == (1, 0)
    refused = world.fake.begin(queue.id)
    with pytest.raises(FailedPrecondition, match="CAPACITY_FULL"):
        await world.replica.dispatch.assign_started(refused.id, agent, "web", "Mei", refused.epoch)
