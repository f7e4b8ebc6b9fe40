"""Two replicas, connections that die in the middle of transactions, facts that come twice: the two facts of routing hold all the same."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.integration.router.world import Conversation, Replica, World
from tests.support.polling import eventually
from yunsong_common.db import Database
from yunsong_common.errors import Unavailable, YunsongError
from yunsong_router.domain.model import ItemState, Presence, Queue
from yunsong_router.handlers import intake, presence
from yunsong_router.handlers.intake import Fact, Standing

_ABOVE_CAPACITY = "SELECT count(*) FROM agents WHERE load > capacity"
_DRIFTED = (
    "SELECT count(*) FROM agents a WHERE load <> (SELECT coalesce(sum(weight), 0) FROM work_items w WHERE "
    "(w.agent_id = a.id AND w.state IN ('offered', 'assigning', 'assigned'))) "
    "+ (SELECT coalesce(sum(weight), 0) FROM work_items w WHERE w.next_agent_id = a.id)"
)
# Told again in SQL: online, lease alive, member, skills, room; nobody is excluded and no last agent is waited for here.
_WAITS_FOR_NOTHING = (
    "SELECT count(*) FROM work_items w WHERE w.state = 'waiting' AND NOT w.moving AND EXISTS ("
    "SELECT 1 FROM agents a JOIN queue_members m ON m.agent_id = a.id AND m.queue_id = w.queue_id "
    "WHERE a.connected AND a.presence = 'online' AND a.enabled AND a.load + w.weight <= a.capacity "
    "AND (w.required_agent_id IS NULL OR w.required_agent_id = a.id) "
    "AND NOT EXISTS (SELECT 1 FROM exclusions e WHERE e.work_item_id = w.id AND e.agent_id = a.id) "
    "AND NOT EXISTS (SELECT 1 FROM jsonb_each_text(w.skills) s WHERE coalesce((a.skills ->> s.key)::int, 0) < s.value::int))"
)


class Chaos:
    """Random work over two replicas."""

    def __init__(self, world: World, replicas: list[Replica], dice: random.Random) -> None:
        self.world = world
        self.replicas = replicas
        self.dice = dice
        self.told: list[Fact] = []
        self.queues: list[Queue] = []
        self.agents: list[str] = []

    async def prepare(self) -> None:
        self.queues = [await self.world.queue(priority=10 * n + 10) for n in range(3)]
        for _ in range(6):
            english = self.dice.choice([0, *range(1, 6)])
            members = self.dice.sample(self.queues, 2)
            self.agents.append(
                await self.world.agent(*members, capacity=self.dice.randint(1, 4), english=max(1, english))
            )

    async def step(self) -> None:
        """One random thing."""
        open_ = [c for c in self.world.fake.conversations.values() if c.standing is not Standing.GONE]
        active = [c for c in open_ if c.standing is Standing.ACTIVE]
        choice = self.dice.random()
        if choice < 0.4 or not open_:
            skills = {"english": self.dice.randint(1, 5)} if self.dice.random() < 0.3 else {}
            self.world.fake.begin(
                self.dice.choice(self.queues).id, skills=skills, priority=self.dice.randint(1, 4)
            )
        elif choice < 0.65:
            self.world.fake.move(self.dice.choice(open_), Standing.GONE, "closed")
        elif choice < 0.75 and active:
            await self._transfer(self.dice.choice(active))
        elif choice < 0.85:
            state = self.dice.choice([Presence.ONLINE, Presence.AWAY])
            agent_id = self.dice.choice(self.agents)
            await self._on_some(lambda tx: presence.say(tx, agent_id, state, ""))
        await self._deliver()

    async def _transfer(self, conversation: Conversation) -> None:
        dispatch = self.dice.choice(self.replicas).dispatch
        asker = self.world.asker(conversation.assignee_id or "", supervises=True)
        with contextlib.suppress(YunsongError):
            await dispatch.transfer(
                conversation.id, asker, queue_id=self.dice.choice(self.queues).id, agent_id="", note=""
            )

    async def _deliver(self) -> None:
        """What was published, each fact to some replica, some of it twice, some of it old."""
        facts, self.world.fake.facts[:] = self.world.fake.facts[:], []
        self.told += facts
        again = self.dice.sample(self.told, min(2, len(self.told))) if self.dice.random() < 0.3 else []
        for fact in [*facts, *again]:
            await self._on_some(lambda tx, fact=fact: intake.absorb(tx, fact, self.world.policy))

    async def _on_some(self, work: object) -> None:
        """Runs work on some replica until it was committed, as the runtime of a consumer does."""
        while True:
            try:
                await self.dice.choice(self.replicas).database.run(work)  # type: ignore[arg-type]
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return

    async def settle(self) -> None:
        """Everything that was begun comes to its end."""

        async def still() -> bool:
            await self._deliver()
            async with self.world.database.read() as tx:
                left: int = await tx.raw.fetchval(
                    "SELECT (SELECT count(*) FROM commands) + (SELECT count(*) FROM triggers)"
                )
            return left == 0 and not self.world.fake.facts

        await eventually(still, within_s=40, what="the router stands still")


@pytest.fixture
async def replicas(world: World, postgres_url: str) -> AsyncIterator[list[Replica]]:
    """Two running replicas, with small plans so that they meet often."""
    databases = [Database(postgres_url, schema="router") for _ in range(2)]
    made = [Replica(database, world.fake, world.policy, plan_size=3) for database in databases]
    tasks = [asyncio.create_task(task) for r in made for task in (r.planning.run(), r.commander.run())]
    yield made
    for task in tasks:
        assert not task.done(), task.exception()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for database in databases:
        await database.close()


async def kill_some(url: str, dice: random.Random, until: asyncio.Event) -> int:
    """Cuts random connections of the router, most of them in the middle of a transaction."""
    connection = await asyncpg.connect(url)
    killed = 0
    try:
        while not until.is_set():
            killed += await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'yunsong-router' AND pid <> pg_backend_pid() AND state <> 'idle' AND random() < 0.5"
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(0.01, 0.1)):
                    await until.wait()
    finally:
        await connection.close()
    return killed


async def watch(url: str, until: asyncio.Event) -> list[int]:
    """Looks at every moment it can; gives what it saw above capacity or drifted."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "router"})
    seen: list[int] = []
    try:
        while not until.is_set():
            seen.append(await connection.fetchval(f"SELECT ({_ABOVE_CAPACITY}) + ({_DRIFTED})"))
            await asyncio.sleep(0.005)
    finally:
        await connection.close()
    return seen


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_two_facts_hold_whatever_dies(
    world: World, replicas: list[Replica], postgres_url: str, seed: int
) -> None:
    dice = random.Random(seed)
    chaos = Chaos(world, replicas, dice)
    await chaos.prepare()
    over = asyncio.Event()
    killer, watcher = (
        asyncio.create_task(kill_some(postgres_url, dice, over)),
        asyncio.create_task(watch(postgres_url, over)),
    )
    for _ in range(120):
        await chaos.step()
    over.set()
    killed = await killer
    await chaos.settle()
    assert killed > 0
    assert not any(await watcher)

    async with world.database.read() as tx:
        assert await tx.raw.fetchval(_ABOVE_CAPACITY) == 0
        assert await tx.raw.fetchval(_DRIFTED) == 0
        assert await tx.raw.fetchval(_WAITS_FOR_NOTHING) == 0
    for conversation in world.fake.conversations.values():
        item = await world.item(conversation)
        wanted = {
            Standing.ACTIVE: ItemState.ASSIGNED,
            Standing.QUEUED: ItemState.WAITING,
            Standing.GONE: ItemState.DONE,
        }
        assert (item.state, item.agent_id) == (wanted[conversation.standing], conversation.assignee_id)
    for agent_id in chaos.agents:
        await world.feed(agent_id)  # without a gap


async def test_a_replica_that_dies_with_the_groups_lock_leaves_nothing_behind(
    world: World, replicas: list[Replica], postgres_url: str
) -> None:
    queue = await world.queue()
    await world.agent(queue, capacity=50)
    dying = await asyncpg.connect(postgres_url, server_settings={"search_path": "router"})
    async with world.database.transaction() as tx:
        group: str = await tx.raw.fetchval("SELECT group_id::text FROM queues")
    await dying.execute("BEGIN")
    assert await dying.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtext('yunsong.router.group'), hashtext($1))", group
    )
    for _ in range(30):
        world.fake.begin(queue.id)
    await world.deliver()
    await dying.execute("DELETE FROM triggers")
    assert world.fake.assigned == 0
    dying.terminate()
    await eventually(lambda: world.fake.assigned == 30, within_s=20)
    async with world.database.read() as tx:
        assert await tx.raw.fetchval("SELECT count(*) FROM work_items WHERE state = 'waiting'") == 0
