"""A service that exists only here, on real servers: its database, its bus, and what it publishes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.integration.common.sample import tables as sample_tables
from tests.support.polling import eventually
from yunsong.conversation.v1 import events_pb2
from yunsong_common.bus import Bus, EventMeta, Subscription
from yunsong_common.bus.consumer import Consumer
from yunsong_common.db import Database, Transaction, run_migrations
from yunsong_common.outbox.publisher import Mode, Publisher
from yunsong_common.telemetry import Metrics, Telemetry

SCHEMA = sample_tables.metadata.schema or ""
STREAM = "YUNSONG_CONVERSATION"


@contextlib.asynccontextmanager
async def running(*works: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Runs coroutines beside the block and cancels them at its end."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


class Node:
    """One replica of the sample service: connection, publisher and consumers."""

    def __init__(self, database_url: str, nats_url: str) -> None:
        self.database = Database(database_url, schema=SCHEMA)
        self.bus = Bus(nats_url, name="sample")
        self.metrics = Metrics(CollectorRegistry(), "sample")
        self.telemetry = Telemetry("sample", "0")
        self.publisher = Publisher(self.database, self.bus, package="conversation", metrics=self.metrics)
        self.database.listener = self.publisher.committed

    def consumer(self, *subscriptions: Subscription[Any]) -> Consumer:
        return Consumer(
            subscriptions,
            name=subscriptions[0].consumer,
            stream=STREAM,
            bus=self.bus,
            database=self.database,
            metrics=self.metrics,
            telemetry=self.telemetry,
        )

    async def direct(self) -> None:
        """Returns once commits are published at once."""
        await eventually(lambda: self.publisher.mode is Mode.DIRECT, what="direct publishing")

    async def post(self, entity_id: str, *revs: int) -> None:
        """Commits events of one entity in one transaction."""
        async with self.database.transaction() as tx:
            for rev in revs:
                tx.emit(message_posted(entity_id, rev), rev)

    async def seen(self, entity_id: str) -> list[int]:
        """The revisions that handlers saw, in order."""
        async with self.database.read() as tx:
            rows = await tx.raw.fetch("SELECT rev FROM seen WHERE entity_id = $1 ORDER BY seq", entity_id)
        return [row["rev"] for row in rows]

    async def unpublished(self) -> int:
        async with self.database.read() as tx:
            count: int = await tx.raw.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        return count


def message_posted(entity_id: str, rev: int) -> events_pb2.MessagePosted:
    return events_pb2.MessagePosted(meta=events_pb2.ChangeMeta(conversation_id=entity_id, rev=rev))


async def note_seen(tx: Transaction, event: events_pb2.MessagePosted, meta: EventMeta) -> None:
    """A handler with an effect that can be counted."""
    await tx.raw.execute(
        "INSERT INTO seen (event_id, entity_id, rev) VALUES ($1, $2, $3)",
        meta.event_id, event.meta.conversation_id, event.meta.rev,
    )  # fmt: skip


async def has_seen_one(node: Node, entity_id: str) -> bool:
    return bool(await node.seen(entity_id))


@pytest.fixture
async def migrated(postgres_url: str) -> str:
    """The URL of a database with the sample's schema."""
    await run_migrations("tests.integration.common.sample.migrations", postgres_url, SCHEMA)
    return postgres_url


@pytest.fixture
async def node(migrated: str, nats_url: str) -> AsyncIterator[Node]:
    """A replica whose bus and publisher run."""
    node = Node(migrated, nats_url)
    async with running(node.bus.run, node.publisher.run):
        await node.direct()
        yield node
    await node.database.close()
