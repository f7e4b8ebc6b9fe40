"""A router on a real database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.integration.router.world import FakeConversations, Replica, World
from tests.support.servers import ServiceDatabase
from yunsong_router.handlers.policy import Policy

_EVERYTHING = (
    "work_items, exclusions, commands, triggers, promises, last_agents, handlings, leases, presence_watch, queue_members, "
    "queues, agents, skills, channel_weights, outbox"
)


@pytest.fixture
async def world(service_database: ServiceDatabase) -> AsyncIterator[World]:
    """An empty router whose intents run as they do in a process; plans and timers run when the test says so."""
    database = await service_database("router")
    async with database.transaction() as tx:
        await tx.raw.execute(f"TRUNCATE {_EVERYTHING} CASCADE")
    policy = Policy()
    fake = FakeConversations(database)
    replica = Replica(database, fake, policy)
    running = asyncio.create_task(replica.commander.run())
    yield World(database, fake, replica, policy)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
