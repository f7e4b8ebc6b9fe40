"""Events that no webhook wants cost nothing, and no replica passes one over that a new webhook wants."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.support.polling import eventually
from tests.support.servers import ServiceDatabase
from yunsong_common.clock import ManualClock
from yunsong_common.db import Database
from yunsong_gateway.webhooks import repository
from yunsong_gateway.webhooks.known import LEASE_S, KnownWebhooks

POSTED = "yunsong.conversation.v1.message_posted"
CHANGED = "yunsong.gateway.v1.user_changed"


@pytest.fixture
async def database(service_database: ServiceDatabase) -> Database:
    made = await service_database("gateway")
    async with made.transaction() as tx:
        await tx.raw.execute("TRUNCATE webhooks CASCADE")
    return made


async def create(database: Database, *event_types: str) -> None:
    async with database.transaction() as tx:
        await repository.create(
            tx, url="https://example.com", event_types=event_types, enabled=True, description="", secret=b""
        )


async def read(known: KnownWebhooks, database: Database) -> None:
    async with database.read() as tx:
        await known.enabled(tx)


async def test_a_webhook_is_known_to_every_replica_when_its_caller_hears_of_it(database: Database) -> None:
    clock = ManualClock()
    here, there = KnownWebhooks(database, clock), KnownWebhooks(database, clock)
    assert there.may_want(POSTED), "what is not known yet is never passed over"
    await read(here, database)
    await read(there, database)
    assert not there.may_want(POSTED)

    await create(database, POSTED)
    told = asyncio.create_task(here.spread())
    await clock.advance(0)
    assert here.may_want(CHANGED), "the replica that made it asks again"
    await clock.advance(LEASE_S - 0.1)
    assert not told.done()
    assert not there.may_want(POSTED), "it may still go by what it knew, so the caller waits"
    await clock.advance(0.1)
    await told
    assert there.may_want(POSTED)

    await read(there, database)
    assert there.may_want(POSTED)
    assert not there.may_want(CHANGED)


async def test_a_replica_that_cannot_read_passes_nothing_over(database: Database) -> None:
    clock = ManualClock()
    known = KnownWebhooks(database, clock)
    running = asyncio.create_task(known.run())
    await eventually(lambda: clock.sleepers, what="the first reading")
    assert not known.may_want(POSTED)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await clock.advance(LEASE_S)
    assert known.may_want(POSTED)
