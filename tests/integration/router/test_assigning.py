"""From a handoff to an agent, and away again."""

from __future__ import annotations

from tests.integration.router.world import World
from tests.support.polling import eventually
from yunsong_router.domain.model import ItemState
from yunsong_router.handlers.intake import Standing


async def test_a_conversation_that_is_handed_to_people_goes_to_an_agent(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue)
    conversation = world.fake.begin(queue.id)
    await world.deliver()

    assert await world.replica.planning.settle() == 1
    await eventually(lambda: conversation.assignee_id == agent)

    async def assigned() -> bool:
        item = await world.item(conversation)
        return item.state is ItemState.ASSIGNED and item.agent_id == agent

    await eventually(assigned)
    assert (await world.agent_now(agent)).load == 1


async def test_leaving_frees_the_load(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue, capacity=1)
    first, second = world.fake.begin(queue.id), world.fake.begin(queue.id)
    await world.deliver()
    await world.replica.planning.settle()
    await eventually(lambda: first.assignee_id == agent)
    assert second.assignee_id is None

    world.fake.move(first, Standing.GONE, "closed")
    await world.deliver()
    await world.replica.planning.settle()
    await eventually(lambda: second.assignee_id == agent)
    assert (await world.item(first)).state is ItemState.DONE
