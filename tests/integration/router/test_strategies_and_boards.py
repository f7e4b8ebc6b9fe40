"""A plugin's strategy chooses, and a broken one cannot stop routing; boards and positions are told when they change."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from google.protobuf.message import Message

from tests.integration.router.test_assigning import given
from tests.integration.router.world import World
from yunsong.router.v1 import events_pb2
from yunsong_common.errors import InvalidArgument
from yunsong_plugin_api import AgentView, Preference, WorkItemView
from yunsong_router.domain.model import Queue
from yunsong_router.handlers.boards import Boards
from yunsong_router.handlers.intake import Standing
from yunsong_router.handlers.strategies import Strategies


class Smallest:
    """Prefers who can hold the least."""

    api_version = "1.0"
    name = "smallest"
    depends_on_item = False

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        return (agent.capacity,)


class Broken(Smallest):
    """Raises."""

    name = "broken"

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        raise RuntimeError("broken on purpose")


def installed(*plugins: type[Smallest]) -> Strategies:
    group = "yunsong.routing_strategies.v1"
    return Strategies.installed(
        [EntryPoint(p.name, f"{p.__module__}:{p.__qualname__}", group) for p in plugins]
    )


async def test_a_plugins_strategy_chooses(world: World) -> None:
    world.replica.strategies = world.replica.planning.strategies = installed(Smallest)
    queue = await world.queue(strategy="smallest")
    await world.agent(queue, capacity=9)
    small = await world.agent(queue, capacity=2)
    await given(world, world.fake.begin(queue.id), small)


async def test_a_broken_strategy_leaves_the_plan_to_the_default(world: World) -> None:
    world.replica.strategies = world.replica.planning.strategies = installed(Broken)
    queue = await world.queue(strategy="broken")
    agent = await world.agent(queue)
    await given(world, world.fake.begin(queue.id), agent)


async def test_a_strategy_that_is_not_installed_is_refused(world: World) -> None:
    with pytest.raises(InvalidArgument, match="STRATEGY_UNKNOWN"):
        await world.queue(strategy="missing")


async def published(world: World, boards: Boards) -> list[Message]:
    """What one look publishes."""
    async with world.database.transaction() as tx:
        await boards.publish(tx)
        return list(tx.live)


async def test_boards_and_positions_are_told_when_they_change(world: World) -> None:
    queue: Queue = await world.queue()
    boards = Boards(world.replica.commander.measures)
    (empty,) = await published(world, boards)
    assert isinstance(empty, events_pb2.QueueBoard)
    assert (empty.queue_id, empty.waiting, empty.rev) == (queue.id, 0, 1)
    assert await published(world, boards) == []

    first, second = world.fake.begin(queue.id), world.fake.begin(queue.id)
    await world.deliver()
    board, *positions = await published(world, boards)
    assert isinstance(board, events_pb2.QueueBoard)
    assert (board.waiting, board.rev) == (2, 2)
    assert {p.conversation_id: p.position for p in positions if isinstance(p, events_pb2.QueuePosition)} == {
        first.id: 1,
        second.id: 2,
    }
    world.fake.move(first, Standing.GONE, "abandoned")
    await world.deliver()
    _, moved = await published(world, boards)
    assert isinstance(moved, events_pb2.QueuePosition)
    assert (moved.conversation_id, moved.position) == (second.id, 1)
    assert await published(world, boards) == []


async def test_the_estimate_comes_from_what_was_handled(world: World) -> None:
    queue = await world.queue()
    agent = await world.agent(queue, capacity=1)
    for _ in range(5):
        conversation = world.fake.begin(queue.id)
        await given(world, conversation, agent)
        world.later(100)
        await world.connect(agent)
        world.fake.move(conversation, Standing.GONE, "closed")
        await world.deliver()
    await given(world, world.fake.begin(queue.id), agent)
    world.fake.begin(queue.id)
    await world.deliver()
    boards = Boards(world.replica.commander.measures)
    told = [m for m in await published(world, boards) if isinstance(m, events_pb2.QueuePosition)]
    assert [(p.position, p.estimate_known) for p in told] == [(1, True)]
    assert 100 <= told[0].estimated_wait_s <= 105
