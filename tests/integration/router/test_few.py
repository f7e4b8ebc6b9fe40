"""A plan over the few who come into question gives what a plan over everybody gives."""

from __future__ import annotations

import random

import pytest

from tests.integration.router.world import World
from yunsong_common.db import Transaction
from yunsong_router.domain.planning import OnlineAgent, Planner, QueueRules, WaitingItem
from yunsong_router.repository import planning, queues


async def _planned(
    tx: Transaction, world: World, items: list[WaitingItem], agents: list[OnlineAgent]
) -> list[tuple[str, str]]:
    rules = {
        queue.id: QueueRules(
            queue.id,
            world.replica.strategies.get(queue.strategy),
            queue.priority,
            last_served_agent_id=queue.last_served_agent_id,
        )
        for queue in await queues.page(tx, None, 50)
    }
    planner = Planner.over(agents, rules, (await tx.now()).timestamp())
    for item in items:
        planner.place(item)
    return [(p.item_id, p.agent_id) for p in planner.placements]


@pytest.mark.parametrize("strategy", ["least_loaded", "longest_idle", "round_robin"])
async def test_the_few_are_enough(world: World, strategy: str) -> None:
    dice = random.Random(strategy)
    made = [await world.queue(strategy=strategy, priority=10 * n + 10) for n in range(2)]
    staff = [
        await world.agent(
            *dice.sample(made, dice.randint(1, 2)), capacity=dice.randint(1, 4), english=dice.randint(1, 5)
        )
        for _ in range(25)
    ]
    async with world.database.transaction() as tx:
        for agent_id in staff:
            await tx.raw.execute(
                "UPDATE agents SET load = $2, last_assigned_at = CASE WHEN $3 THEN now() - make_interval(secs => $4) END WHERE id = $1",
                agent_id, dice.randint(0, 2), dice.random() < 0.8, float(dice.randint(1, 9)),
            )  # fmt: skip
        await tx.raw.execute("UPDATE queues SET last_served_agent_id = $1", sorted(staff)[10])
    async with world.database.read(snapshot=True) as tx:
        by_id = {queue.id: queue for queue in await queues.page(tx, None, 50)}
        for _ in range(40):
            items = [
                WaitingItem(
                    id=f"i{n}",
                    queue_id=dice.choice(made).id,
                    waiting_since=float(n),
                    weight=dice.randint(1, 2),
                    skills=(("english", dice.randint(1, 5)),) if dice.random() < 0.5 else (),
                    preferred_agent_id=dice.choice(staff) if dice.random() < 0.2 else None,
                    prefer_until=dice.choice([0.0, 1e12]),
                    excluded=frozenset(dice.sample(staff, dice.randint(0, 3))),
                )
                for n in range(dice.randint(1, 20))
            ]
            everybody = await planning.agents_with_room(tx, list(by_id), staff)
            few = await planning.best_agents(tx, by_id, items)
            assert await _planned(tx, world, items, few) == await _planned(tx, world, items, everybody)
