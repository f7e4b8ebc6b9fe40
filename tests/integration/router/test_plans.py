"""Every query that a plan, a list or a timer runs finds its index on a filled table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.integration.router.world import World
from yunsong_common.db import Transaction
from yunsong_common.ids import new_id
from yunsong_router.repository import agents, commands, items, planning, promises, queues, waiting

_FILL = """
INSERT INTO work_items (id, conversation_id, queue_id, state, epoch, conversation_rev, priority, weight, channel, contact_id,
    contact_name, skills, waiting_since, entered_at, agent_id, offer_expires_at, due_at)
SELECT gen_random_uuid(), gen_random_uuid(), ($1::uuid[])[1 + n % 20], s.state, 1, 1, 3, 1, 'web', '', '', '{}',
    now() - make_interval(secs => n), now(),
    CASE WHEN s.state IN ('offered', 'assigned') THEN ($2::uuid[])[1 + n % 50] END,
    CASE WHEN s.state = 'offered' THEN now() + interval '1 hour' END,
    CASE WHEN s.state = 'waiting' THEN now() + interval '1 hour' END
FROM generate_series(1, 30000) n CROSS JOIN LATERAL (
    SELECT CASE WHEN n % 10 < 7 THEN 'done' WHEN n % 10 < 9 THEN 'waiting' WHEN n % 100 < 98 THEN 'assigned' ELSE 'offered' END AS state) s
"""


class Recorder:
    """Stands in for asyncpg's connection: notes every statement with its arguments and runs it."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.statements: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._raw, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute"):
            return method

        async def noted(query: str, *args: Any) -> Any:
            self.statements.append((query, args))
            return await method(query, *args)

        return noted


@pytest.fixture
async def filled(world: World) -> World:
    """Thirty thousand items over twenty queues, most of them done."""
    queue_ids = [(await world.queue()).id for _ in range(20)]
    agent_ids = [await world.agent(online=False) for _ in range(50)]
    async with world.database.transaction() as tx:
        await tx.raw.execute(_FILL, queue_ids, agent_ids)
        await tx.raw.execute(
            "INSERT INTO promises (conversation_id, running, answered, timer_at) "
            "SELECT conversation_id, state <> 'done', false, CASE WHEN state <> 'done' THEN now() + interval '1 hour' END FROM work_items"
        )
    async with world.database.transaction() as tx:
        await tx.raw.execute("ANALYZE work_items, promises, agents, queues")
    return world


Query = Callable[[Transaction, World], Awaitable[object]]


async def _page(tx: Transaction, world: World) -> object:
    queue = (await queues.page(tx, None, 1))[0]
    return await planning.next_items(tx, [queue.id], {queue.id: queue}, await tx.now(), None, 50)


async def _required(tx: Transaction, world: World) -> object:
    queue = (await queues.page(tx, None, 1))[0]
    return await planning.required_items(tx, {queue.id: queue}, await tx.now())


async def _waiting_in(tx: Transaction, world: World) -> object:
    return await items.waiting_in(tx, (await queues.page(tx, None, 1))[0].id, None, 50)


async def _held(tx: Transaction, world: World) -> object:
    return await items.lock_held_by(tx, [(await agents.everybody(tx))[0].id])


async def _due(tx: Transaction, world: World) -> object:
    return await waiting.lock_due(tx, await tx.now(), 500)


async def _offers(tx: Transaction, world: World) -> object:
    return await waiting.lock_expired_offers(tx, await tx.now(), 500)


async def _off_hours(tx: Transaction, world: World) -> object:
    return await waiting.lock_off_hours(tx, (await queues.page(tx, None, 1))[0].id, 100)


async def _promises(tx: Transaction, world: World) -> object:
    return await promises.due(tx, await tx.now(), 500)


async def _conversation(tx: Transaction, world: World) -> object:
    return await items.get(tx, new_id())


async def _commands(tx: Transaction, world: World) -> object:
    return await commands.claim(tx, 10)


@pytest.mark.parametrize(
    "query",
    [_page, _required, _waiting_in, _held, _due, _offers, _off_hours, _promises, _conversation, _commands],
)
async def test_no_query_reads_a_whole_table(filled: World, query: Query) -> None:
    async with filled.database.transaction() as tx:
        recorder: Any = Recorder(tx.raw)
        tx._connection.raw = recorder
        try:
            await query(tx, filled)
        finally:
            tx._connection.raw = recorder._raw
        explained = [
            "\n".join(row[0] for row in await tx.raw.fetch(f"EXPLAIN {statement}", *args))
            for statement, args in recorder.statements
            if "work_items" in statement or "promises" in statement or "commands" in statement
        ]
    assert explained
    for text in explained:
        assert not re.search(r"Seq Scan on (work_items|promises)", text), text
