"""Transactions, the pool's bounds, the database's clock, and keys that make a call happen once."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from sqlalchemy import func, select

from tests.integration.common.sample.tables import seen
from tests.support.polling import eventually
from yunsong.ops.v1 import ops_pb2
from yunsong_common.clock import ManualClock
from yunsong_common.db import Database, Pool, Transaction, once, run_migrations, schema_state
from yunsong_common.errors import Aborted, InvalidArgument, ResourceExhausted, Unavailable
from yunsong_common.ids import new_id

INSERT = "INSERT INTO seen (event_id, entity_id, rev) VALUES ($1, $2, $3)"


@pytest.fixture
async def database(migrated: str) -> object:
    made = Database(migrated, schema="sample", pool_size=4)
    yield made
    await made.close()


async def count(database: Database, entity: str) -> int:
    async with database.read() as tx:
        found = await tx.execute(select(func.count()).select_from(seen).where(seen.c.entity_id == entity))
        return int(found.scalar_one())


async def test_both_views_share_the_transaction(database: Database) -> None:
    entity = new_id()

    async def half(tx: Transaction) -> None:
        await tx.execute(seen.insert().values(event_id="a", entity_id=entity, rev=1))
        await tx.raw.execute(INSERT, "b", entity, 2)
        assert await tx.raw.fetchval("SELECT count(*) FROM seen WHERE entity_id = $1", entity) == 2
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.run(half)
    assert await count(database, entity) == 0
    async with database.transaction() as tx:
        await tx.raw.execute(INSERT, "a", entity, 1)
    assert await count(database, entity) == 1


async def test_a_cancelled_transaction_is_rolled_back_and_its_connection_is_not_lost(
    database: Database,
) -> None:
    entity, begun = new_id(), asyncio.Event()

    async def hang() -> None:
        async with database.transaction() as tx:
            await tx.raw.execute(INSERT, "a", entity, 1)
            begun.set()
            await tx.raw.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(hang())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database, entity) == 0
    assert database.pool.in_use == 0


async def test_the_pool_starts_empty_is_bounded_and_shrinks(migrated: str) -> None:
    clock = ManualClock()
    pool = Pool(migrated, size=2, waiters=1, wait_s=0.05, idle_s=60, clock=clock)
    assert pool.opened == 0
    first, second = await pool.acquire("sample"), await pool.acquire("sample")
    waiting = asyncio.create_task(pool.acquire("sample"))
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted, match="already wait"):
        await pool.acquire("sample")
    with pytest.raises(ResourceExhausted, match="came free"):
        await waiting
    await pool.release(first)
    await pool.release(second)
    await clock.advance(61)
    await pool.shrink()
    assert pool.opened == 0
    await pool.close()


async def test_a_connection_that_is_taken_while_the_pool_shrinks_stays_open(migrated: str) -> None:
    clock = ManualClock()
    pool = Pool(migrated, size=2, idle_s=60, clock=clock)
    for connection in [await pool.acquire("sample"), await pool.acquire("sample")]:
        await pool.release(connection)
    await clock.advance(61)
    shrinking = asyncio.create_task(pool.shrink())
    await asyncio.sleep(0)  # it closes the first one now
    taken = await pool.acquire("sample")
    await shrinking
    assert await taken.raw.fetchval("SELECT 1") == 1
    await pool.release(taken)
    await pool.close()


async def test_a_waiting_caller_gets_the_connection_that_comes_free(migrated: str) -> None:
    pool = Pool(migrated, size=1)
    held = await pool.acquire("sample")
    waiting = [asyncio.create_task(pool.acquire("sample")) for _ in range(3)]
    await asyncio.sleep(0)
    await pool.release(held)
    for task in waiting:
        await pool.release(await task)
    assert pool.opened == 1
    assert pool.in_use == 0
    await pool.close()


async def test_schemas_share_a_pool_without_seeing_each_other(migrated: str) -> None:
    pool = Pool(migrated, size=1)
    one, other = Database(pool, schema="sample"), Database(pool, schema="public")
    for _ in range(3):
        async with one.read() as tx:
            assert await tx.raw.fetchval("SELECT current_schema()") == "sample"
        async with other.read() as tx:
            assert await tx.raw.fetchval("SELECT current_schema()") == "public"
    assert pool.opened == 1
    await pool.close()


async def test_a_deadlock_is_run_again(database: Database) -> None:
    left, right = new_id(), new_id()
    async with database.transaction() as tx:
        await tx.raw.execute(INSERT, "x", left, 0)
        await tx.raw.execute(INSERT, "x", right, 0)
    both = asyncio.Barrier(2)
    runs: list[str] = []

    async def lock(tx: Transaction, first: str, second: str) -> None:
        runs.append(first)
        await tx.raw.execute("UPDATE seen SET rev = rev + 1 WHERE entity_id = $1", first)
        if len(runs) <= 2:
            await both.wait()
        await tx.raw.execute("UPDATE seen SET rev = rev + 1 WHERE entity_id = $1", second)

    await asyncio.gather(
        database.run(lambda tx: lock(tx, left, right)), database.run(lambda tx: lock(tx, right, left))
    )
    assert len(runs) == 3
    async with database.read() as tx:
        assert (
            await tx.raw.fetchval("SELECT sum(rev) FROM seen WHERE entity_id = ANY($1)", [left, right]) == 4
        )


async def test_a_lock_that_is_held_too_long_is_a_conflict(database: Database) -> None:
    entity = new_id()
    async with database.transaction() as tx:
        await tx.raw.execute(INSERT, "x", entity, 0)

    async def update(tx: Transaction) -> None:
        await tx.raw.execute("SET LOCAL lock_timeout = '50ms'")
        await tx.raw.execute("UPDATE seen SET rev = 9 WHERE entity_id = $1", entity)

    async with database.transaction() as holder:
        await holder.raw.execute("UPDATE seen SET rev = 1 WHERE entity_id = $1", entity)
        with pytest.raises(Aborted):
            await database.run(update, attempts=2)


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    database = Database("postgresql://u:p@127.0.0.1:1/none", schema="sample")
    with pytest.raises(Unavailable):
        await database.check()
    assert database.pool.opened == 0
    await database.close()


async def test_the_clock_is_the_databases_plus_the_offset(database: Database) -> None:
    database.clock_offset = dt.timedelta(days=3)
    async with database.transaction() as tx:
        real: dt.datetime = await tx.raw.fetchval("SELECT clock_timestamp()")
        now = await tx.now()
        assert now == await tx.now()
    assert dt.timedelta(0) <= now - real - dt.timedelta(days=3) < dt.timedelta(seconds=5)


async def test_a_snapshot_does_not_move(database: Database) -> None:
    entity = new_id()
    async with database.read(snapshot=True) as tx:
        assert await tx.raw.fetchval("SELECT count(*) FROM seen WHERE entity_id = $1", entity) == 0
        async with database.transaction() as other:
            await other.raw.execute(INSERT, "a", entity, 1)
        assert await tx.raw.fetchval("SELECT count(*) FROM seen WHERE entity_id = $1", entity) == 0


async def test_a_key_gives_the_first_answer_once_even_to_a_simultaneous_call(database: Database) -> None:
    entity, key = new_id(), new_id()
    request = ops_pb2.ReplayDeadLetterRequest(consumer="c", event_id=entity)

    async def call(
        tx: Transaction, request: ops_pb2.ReplayDeadLetterRequest = request
    ) -> ops_pb2.ConsumerHead:
        async def effect() -> ops_pb2.ConsumerHead:
            await tx.raw.execute(INSERT, "a", entity, 1)
            return ops_pb2.ConsumerHead(consumer=new_id())

        return await once(
            tx,
            key=key,
            principal="p",
            method="S/M",
            request=request,
            response=ops_pb2.ConsumerHead,
            effect=effect,
        )

    answers = await asyncio.gather(*(database.run(call) for _ in range(4)))
    assert len({answer.consumer for answer in answers}) == 1
    assert await count(database, entity) == 1
    with pytest.raises(InvalidArgument) as refused:
        await database.run(lambda tx: call(tx, ops_pb2.ReplayDeadLetterRequest(consumer="other")))
    assert refused.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_migrations_may_run_at_once_and_again(postgres_url: str, database: Database) -> None:
    module = "tests.integration.common.sample.migrations"
    assert await asyncio.gather(*(run_migrations(module, postgres_url, "sample") for _ in range(3))) == [
        1,
        1,
        1,
    ]
    state = await schema_state(database)
    assert state is not None
    assert [known for known in range(4) if state.serves(known)] == [1]


async def test_connections_that_the_server_closed_are_replaced(database: Database) -> None:
    async with database.read() as tx:
        pid = await tx.raw.fetchval("SELECT pg_backend_pid()")
        async with database.read() as other:
            await other.raw.execute("SELECT pg_terminate_backend($1)", pid)
        await eventually(tx.raw.is_closed)
    async with database.read() as tx:
        assert await tx.raw.fetchval("SELECT 1") == 1
