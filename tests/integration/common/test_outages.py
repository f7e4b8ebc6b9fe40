"""What PostgreSQL holds reaches every consumer, whatever happens to NATS, and what was in work is done once."""

from __future__ import annotations

import asyncio
import shutil

import uvloop

from tests.integration.common.conftest import Node, running
from tests.integration.common.test_outbox_and_consumers import all_marked, has_seen, subscription
from tests.support.polling import eventually
from yunsong_common.bus.jetstream import call
from yunsong_common.db import Database, run_migrations
from yunsong_common.ids import new_id
from yunsong_common.outbox.publisher import Mode
from yunsong_standalone.embedded import EmbeddedNats


async def test_events_committed_while_nats_is_away_follow_in_order(
    migrated: str, private_nats: EmbeddedNats
) -> None:
    node, entity = Node(migrated, private_nats.url()), new_id()
    consumer = node.consumer(subscription(new_id()))
    async with running(node.bus.run, node.publisher.run, consumer.run):
        await node.direct()
        await node.post(entity, 1)
        await eventually(lambda: has_seen(node, entity, [1]))
        private_nats.kill()
        await eventually(lambda: not node.bus.connected)
        for rev in range(2, 700):
            await node.post(entity, rev)
        assert await node.unpublished() == 698
        await asyncio.to_thread(private_nats.start)
        await eventually(lambda: has_seen(node, entity, list(range(1, 700))), within_s=20)
        await eventually(lambda: all_marked(node))
        await eventually(lambda: node.publisher.mode is Mode.DIRECT)
    await node.database.close()


async def test_a_wiped_nats_is_filled_again_and_nothing_happens_twice(
    migrated: str, private_nats: EmbeddedNats
) -> None:
    node, entity, name = Node(migrated, private_nats.url()), new_id(), new_id()
    async with running(node.bus.run, node.publisher.run):
        await node.direct()
        async with running(node.consumer(subscription(name)).run):
            await node.post(entity, 1, 2)
            await eventually(lambda: has_seen(node, entity, [1, 2]))
        # The consumer is down, an event reaches NATS, and NATS loses everything.
        await node.post(entity, 3)
        await eventually(lambda: all_marked(node))
        private_nats.stop()
        shutil.rmtree(private_nats.folder / "streams")
        await asyncio.to_thread(private_nats.start)
        async with running(node.consumer(subscription(name)).run):
            await eventually(lambda: has_seen(node, entity, [1, 2, 3]), within_s=20)
            await node.direct()
            await node.post(entity, 4)
            await eventually(lambda: has_seen(node, entity, [1, 2, 3, 4]))
    await node.database.close()


async def test_a_wipe_under_running_consumers_is_noticed(migrated: str, private_nats: EmbeddedNats) -> None:
    node, entity = Node(migrated, private_nats.url()), new_id()
    async with running(node.bus.run, node.publisher.run, node.consumer(subscription(new_id())).run):
        await node.direct()
        await node.post(entity, 1)
        await eventually(lambda: has_seen(node, entity, [1]))
        await call(node.bus.client, "STREAM.DELETE.YUNSONG_CONVERSATION")
        await node.post(entity, 2)
        await eventually(lambda: has_seen(node, entity, [1, 2]), within_s=30)
    await node.database.close()


async def test_a_relay_takes_over_what_a_dead_replica_left(migrated: str, nats_url: str) -> None:
    entity = new_id()
    dead = Database(migrated, schema="sample")
    node = Node(migrated, nats_url)
    async with running(node.bus.run, node.publisher.run, node.consumer(subscription(new_id())).run):
        await node.direct()
        orphan = Node(migrated, nats_url)
        orphan.database.listener = None  # it dies between its commit and its publication
        await orphan.post(entity, 1)
        await eventually(lambda: has_seen(node, entity, [1]), within_s=20)
        await orphan.database.close()
    await dead.close()
    await node.database.close()


def test_it_works_on_the_loop_that_services_run_on(postgres_url: str, private_nats: EmbeddedNats) -> None:
    async def scenario() -> None:
        await run_migrations("tests.integration.common.sample.migrations", postgres_url, "sample")
        node, entity = Node(postgres_url, private_nats.url()), new_id()
        async with running(node.bus.run, node.publisher.run, node.consumer(subscription(new_id())).run):
            await node.direct()
            await node.post(entity, 1)
            await eventually(lambda: has_seen(node, entity, [1]))
            private_nats.kill()
            await eventually(lambda: not node.bus.connected)
            await node.post(entity, 2)
            private_nats.start()
            await eventually(lambda: has_seen(node, entity, [1, 2]), within_s=20)
        await node.database.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
