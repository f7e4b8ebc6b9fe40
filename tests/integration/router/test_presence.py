"""Leases: who is lost, and when nobody is."""

from __future__ import annotations

from tests.integration.router.test_assigning import given, held_by
from tests.integration.router.world import World
from tests.support.polling import eventually
from yunsong_router.domain.model import ItemState, Presence


async def beat(world: World, *agents: str, seconds: float, gateway: str = "gateway-1") -> None:
    """Time passes as it does while everything runs: the router lives and this gateway renews."""
    while seconds > 0:
        step = min(5.0, seconds)
        world.later(step)
        seconds -= step
        await world.connect(*agents, gateway=gateway)
        await world.replica.timers.tick()


async def settle_in(world: World, *agents: str) -> None:
    """The grace after the first start is over."""
    await world.replica.timers.tick()
    await beat(world, *agents, seconds=25)


async def test_an_agent_is_lost_after_the_grace_and_the_work_goes_to_the_head(world: World) -> None:
    queue = await world.queue()
    lost, witness = await world.agent(queue, capacity=1), await world.agent(online=False)
    await world.connect(witness)
    conversation = world.fake.begin(queue.id)
    await given(world, conversation, lost)
    await settle_in(world, lost, witness)
    waits = world.fake.begin(queue.id, priority=1)
    await world.deliver()

    await beat(world, witness, seconds=15)
    assert (await world.agent_now(lost)).connected
    await beat(world, witness, seconds=10)
    agent = await world.agent_now(lost)
    assert (agent.connected, agent.presence) == (False, Presence.OFFLINE)
    await eventually(lambda: conversation.reason == "agent_lost")
    await world.deliver()
    item = await world.item(conversation)
    assert (item.state, item.at_head) == (ItemState.WAITING, True)

    helper = await world.agent(queue, capacity=1)
    await given(world, conversation, helper)
    assert waits.assignee_id is None


async def test_an_agent_with_another_connection_stays(world: World) -> None:
    queue = await world.queue()
    agent, witness = await world.agent(queue), await world.agent(online=False)
    await world.connect(agent, gateway="gateway-2")
    await settle_in(world, agent, witness)
    for _ in range(8):
        world.later(5)
        await world.connect(witness, gateway="gateway-1")
        await world.connect(agent, gateway="gateway-2")
        await world.replica.timers.tick()
    assert (await world.agent_now(agent)).takes_work


async def test_signing_out_needs_no_grace(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await given(world, conversation, agent)
    await world.connect(agent, connections=0)
    assert not (await world.agent_now(agent)).connected
    await eventually(lambda: conversation.reason == "agent_lost")


async def test_an_outage_of_the_router_or_its_database_loses_nobody(world: World) -> None:
    queue = await world.queue()
    agents = [await world.agent(queue), await world.agent(queue)]
    conversation = world.fake.begin(queue.id)
    await world.deliver()
    await world.replica.planning.settle()
    await settle_in(world, *agents)

    world.later(300)  # nobody lived, nothing could be renewed
    await world.replica.timers.tick()
    await world.replica.timers.tick()
    assert all([(await world.agent_now(agent)).takes_work for agent in agents])
    world.later(10)
    await world.connect(agents[0])  # one gateway is back before the other
    await world.replica.timers.tick()
    assert all([(await world.agent_now(agent)).takes_work for agent in agents])
    await beat(world, *agents, seconds=30)
    assert all([(await world.agent_now(agent)).takes_work for agent in agents])
    assert conversation.reason == "assigned"


async def test_an_outage_of_all_gateways_loses_nobody(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    await settle_in(world, agent)
    for _ in range(30):
        world.later(5)
        await world.replica.timers.tick()
    assert (await world.agent_now(agent)).takes_work
    await world.connect(gateway="gateway-new")  # the gateway is back, its agents are not yet
    await world.replica.timers.tick()
    assert (await world.agent_now(agent)).takes_work
    await beat(world, seconds=15, gateway="gateway-new")
    assert (await world.agent_now(agent)).takes_work
    await beat(world, seconds=30, gateway="gateway-new")
    assert not (await world.agent_now(agent)).connected


async def test_an_agent_who_is_back_before_the_move_keeps_the_work(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await given(world, conversation, agent)
    world.fake.away = True  # the move cannot be asked for yet
    await world.connect(agent, connections=0)
    await world.connect(agent)
    world.fake.away = False
    await held_by(world, conversation, agent)

    async def settled() -> bool:
        return not (await world.item(conversation)).moving

    await eventually(settled)
    assert conversation.reason == "assigned"


async def test_agents_who_are_away_keep_what_they_have_and_get_nothing_new(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    first = world.fake.begin(queue.id)
    await given(world, first, agent)
    await world.say(agent, Presence.AWAY)
    second = world.fake.begin(queue.id)
    await world.deliver()
    assert await world.replica.planning.settle() == 0
    assert first.assignee_id == agent
    await world.say(agent, Presence.ONLINE)
    await given(world, second, agent)
