"""An event commits with its fact, reaches every consumer, and has its effect once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.integration.common.conftest import STREAM, Node, message_posted, note_seen, running
from tests.support.polling import eventually
from yunsong.conversation.v1 import events_pb2
from yunsong_common.bus import Delivery, EventMeta, Subscription, list_dead_letters, replay_dead_letter
from yunsong_common.bus import consumer as consumer_module
from yunsong_common.bus.consumer import Consumer
from yunsong_common.bus.failures import Retries
from yunsong_common.bus.jetstream import call
from yunsong_common.db import Transaction
from yunsong_common.errors import FailedPrecondition, NotFound, Unavailable
from yunsong_common.ids import new_id
from yunsong_common.outbox import read_changes

Handler = Callable[..., Awaitable[None]]


def subscription(
    consumer: str, handler: Handler = note_seen, **options: Any
) -> Subscription[events_pb2.MessagePosted]:
    return Subscription(
        event_type=events_pb2.MessagePosted,
        handler=handler,
        consumer=consumer,
        start="all",
        **options,
    )


async def test_an_event_is_published_marked_and_handled_once(node: Node) -> None:
    entity = new_id()
    async with running(node.consumer(subscription(new_id())).run):
        await node.post(entity, 1, 2, 3)
        await eventually(lambda: has_seen(node, entity, [1, 2, 3]), what="three events")
    await eventually(lambda: all_marked(node), what="the marks")


async def test_a_rolled_back_transaction_publishes_nothing(node: Node) -> None:
    entity = new_id()

    async def fails(tx: Transaction) -> None:
        tx.emit(message_posted(entity, 1), 1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await node.database.run(fails)
    async with node.database.read() as tx:
        assert await read_changes(tx.raw, entity, 0, 10) == []


async def test_two_replicas_share_a_durable_and_each_event_has_its_effect_once(
    node: Node, migrated: str, nats_url: str
) -> None:
    other = Node(migrated, nats_url)
    name = new_id()
    entities = [new_id() for _ in range(50)]
    async with running(
        other.bus.run, node.consumer(subscription(name)).run, other.consumer(subscription(name)).run
    ):
        for rev in range(1, 5):
            async with node.database.transaction() as tx:
                for entity in entities:
                    tx.emit(message_posted(entity, rev), rev)
        await eventually(lambda: all_seen(node, entities, {1, 2, 3, 4}), what="four events each")
    for entity in entities:
        assert len(await node.seen(entity)) == 4
    await other.database.close()


async def test_a_redelivered_event_has_no_second_effect(node: Node) -> None:
    entity, name = new_id(), new_id()
    first = node.consumer(subscription(name))
    async with running(first.run):
        await node.post(entity, 1)
        await eventually(lambda: has_seen(node, entity, [1]))
    # Without its durable, NATS delivers everything again.
    await call(node.bus.client, f"CONSUMER.DELETE.{STREAM}.{name}")
    again = node.consumer(subscription(name))
    async with running(again.run):
        await node.post(entity, 2)
        await eventually(lambda: has_seen(node, entity, [1, 2]))
        await eventually(lambda: is_idle(again))
    assert await node.seen(entity) == [1, 2]


async def test_start_new_sees_only_what_happens_after_the_first_start(node: Node) -> None:
    old, new, name = new_id(), new_id(), new_id()
    async with node.database.transaction() as tx:
        tx.emit(message_posted(old, 1), 1)
        # Older than the allowance for clocks that differ.
        tx.rows[0].occurred_at = tx.rows[0].occurred_at.replace(year=2020)
    item = Subscription(event_type=events_pb2.MessagePosted, handler=note_seen, consumer=name, start="new")
    async with running(node.consumer(item).run):
        await node.post(new, 1)
        await eventually(lambda: has_seen(node, new, [1]))
    assert await node.seen(old) == []


async def test_one_bad_event_does_not_fail_its_neighbours_and_is_tried_again(node: Node) -> None:
    entity, name = new_id(), new_id()
    broken = {2}

    async def handler(tx: Transaction, event: events_pb2.MessagePosted, meta: EventMeta) -> None:
        if event.meta.conversation_id == entity and event.meta.rev in broken:
            raise FailedPrecondition(reason="BROKEN", message="not yet")
        await note_seen(tx, event, meta)

    consumer = node.consumer(subscription(name, handler))
    async with running(consumer.run, Retries(consumer, node.database, node.metrics).run):
        await node.post(entity, 1, 2, 3)
        await eventually(lambda: has_seen(node, entity, [1, 3]))
        await eventually(lambda: waiting(node, name, 1))
        broken.clear()
        await eventually(lambda: has_seen(node, entity, [1, 3, 2]))
        await eventually(lambda: waiting(node, name, 0))


async def test_an_event_that_never_works_becomes_a_dead_letter_and_can_be_replayed(node: Node) -> None:
    entity, name = new_id(), new_id()
    attempts: list[int] = []
    broken = [True]

    async def handler(tx: Transaction, event: events_pb2.MessagePosted, meta: EventMeta) -> None:
        if event.meta.conversation_id != entity:
            return
        attempts.append(meta.attempt)
        if broken:
            raise ValueError("the contact wrote: secret")
        await note_seen(tx, event, meta)

    consumer = node.consumer(subscription(name, handler, max_attempts=2))
    async with running(consumer.run, Retries(consumer, node.database, node.metrics).run):
        await node.post(entity, 1)
        await eventually(lambda: dead(node, name))
        letters = [item for item in await list_dead_letters(node.database) if item.consumer == name]
        assert letters[0].attempts == 2
        assert letters[0].error.startswith("ValueError in ")
        assert "secret" not in letters[0].error
        broken.clear()
        assert await replay_dead_letter(node.database, name, letters[0].event_id)
        await eventually(lambda: has_seen(node, entity, [1]))
    assert attempts[-2:] == [2, 1]


async def test_a_handler_without_a_transaction_keeps_the_order_of_an_entity(node: Node) -> None:
    entities, name = [new_id() for _ in range(5)], new_id()
    seen: dict[str, list[int]] = {}

    async def handler(event: events_pb2.MessagePosted, meta: EventMeta) -> None:
        await asyncio.sleep(0)
        seen.setdefault(meta.entity_id, []).append(event.meta.rev)

    consumer = node.consumer(subscription(name, handler, transactional=False))
    async with running(consumer.run):
        for rev in range(1, 11):
            async with node.database.transaction() as tx:
                for entity in entities:
                    tx.emit(message_posted(entity, rev), rev)
        await eventually(lambda: all(len(seen.get(entity, [])) == 10 for entity in entities))
    assert all(seen[entity] == list(range(1, 11)) for entity in entities)


async def test_a_dependency_that_is_away_for_a_moment_costs_no_attempt(node: Node) -> None:
    entity, name = new_id(), new_id()
    calls: list[int] = []

    async def handler(event: events_pb2.MessagePosted, meta: EventMeta) -> None:
        if meta.entity_id == entity:
            calls.append(meta.attempt)
            if len(calls) < 3:
                raise Unavailable(reason="ELSEWHERE", message="away")

    consumer = node.consumer(subscription(name, handler, transactional=False))
    async with running(consumer.run):
        await eventually(lambda: is_idle(consumer))
        await node.post(entity, 1)
        await eventually(lambda: len(calls) == 3)
        await eventually(lambda: is_idle(consumer))
    assert calls == [1, 1, 1]
    assert await waiting(node, name, 0)


async def test_many_gives_neighbours_at_once(node: Node) -> None:
    entity, name = new_id(), new_id()
    sizes: list[int] = []

    async def handler(tx: Transaction, deliveries: list[Delivery[events_pb2.MessagePosted]]) -> None:
        sizes.append(len(deliveries))
        for delivery in deliveries:
            await note_seen(tx, delivery.event, delivery.meta)

    async with running(node.consumer(subscription(name, handler, many=True)).run):
        await node.post(entity, *range(1, 101))
        await eventually(lambda: has_seen(node, entity, list(range(1, 101))))
    assert sum(sizes) >= 100
    assert max(sizes) > 1


async def test_stop_finishes_the_batch_and_gives_the_rest_back(
    node: Node, migrated: str, nats_url: str
) -> None:
    entity, name = new_id(), new_id()
    consumer = node.consumer(subscription(name, batch=10))
    task = asyncio.create_task(consumer.run())
    await node.post(entity, *range(1, 101))
    await eventually(lambda: has_some(node, entity))
    consumer.stop()
    await asyncio.wait_for(task, 10)
    async with running(node.consumer(subscription(name, batch=10)).run):
        await eventually(lambda: has_seen_all(node, entity, set(range(1, 101))))
    assert len(await node.seen(entity)) == 100


async def test_the_change_log_gives_what_follows_a_revision(node: Node) -> None:
    entity = new_id()
    async with node.database.transaction() as tx:
        tx.emit(message_posted(entity, 1), 1, 1)
        tx.emit(message_posted(entity, 2), 2)
        tx.emit(message_posted(entity, 3), 3, 2)
    async with node.database.read() as tx:
        assert [item.rev for item in await read_changes(tx.raw, entity, 1, 10)] == [2, 3]
        assert [item.public_rev for item in await read_changes(tx.raw, entity, 1, 10, public=True)] == [2]


async def has_seen(node: Node, entity: str, revs: list[int]) -> bool:
    found = await node.seen(entity)
    assert found == revs
    return True


async def has_seen_all(node: Node, entity: str, revs: set[int]) -> bool:
    return set(await node.seen(entity)) == revs


async def all_seen(node: Node, entities: list[str], revs: set[int]) -> bool:
    return all([await has_seen_all(node, entity, revs) for entity in entities])


async def has_some(node: Node, entity: str) -> bool:
    return bool(await node.seen(entity))


async def all_marked(node: Node) -> bool:
    return await node.unpublished() == 0


async def is_idle(consumer: Consumer) -> bool:
    try:
        return await consumer.pending() == 0
    except NotFound:
        return False  # it has not started yet


async def waiting(node: Node, name: str, count: int) -> bool:
    letters = await list_dead_letters(node.database, limit=1000, waiting=True)
    return sum(item.consumer == name for item in letters) == count


async def dead(node: Node, name: str) -> bool:
    return any(item.consumer == name for item in await list_dead_letters(node.database, limit=1000))


async def test_an_event_that_means_nothing_leaves_no_trace(node: Node) -> None:
    entity, name = new_id(), new_id()

    def even(event: events_pb2.MessagePosted) -> bool:
        return event.meta.conversation_id == entity and event.meta.rev % 2 == 0

    consumer = node.consumer(subscription(name, concerns=even))
    async with running(consumer.run):
        await node.post(entity, 1, 2, 3, 4)
        await eventually(lambda: has_seen(node, entity, [2, 4]))
        await eventually(lambda: is_idle(consumer))
    async with node.database.read() as tx:
        recorded = await tx.raw.fetchval("SELECT count(*) FROM processed_events WHERE consumer = $1", name)
    assert recorded == 2


async def test_events_gather_while_the_last_batch_is_young(node: Node) -> None:
    entity = new_id()
    sizes: list[int] = []

    async def handler(tx: Transaction, deliveries: list[Delivery[events_pb2.MessagePosted]]) -> None:
        sizes.append(len(deliveries))
        for delivery in deliveries:
            await note_seen(tx, delivery.event, delivery.meta)

    def ours(event: events_pb2.MessagePosted) -> bool:
        return event.meta.conversation_id == entity

    consumer = node.consumer(subscription(new_id(), handler, many=True, gather_s=1.0, concerns=ours))
    async with running(consumer.run):
        await node.post(entity, 1)
        await eventually(lambda: has_seen(node, entity, [1]))
        for rev in range(2, 12):
            await node.post(entity, rev)
        await eventually(lambda: has_seen(node, entity, list(range(1, 12))))
    assert sizes[0] == 1
    assert len(sizes) <= 3


async def test_events_in_work_stay_with_a_process_that_lives_and_leave_one_that_does_not(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "_ACK_WAIT_S", 1)
    monkeypatch.setattr(consumer_module, "_PROGRESS_S", 0.2)
    entity, name, started = new_id(), new_id(), asyncio.Event()
    runs: list[str] = []

    async def stuck(event: events_pb2.MessagePosted, meta: EventMeta) -> None:
        if meta.entity_id == entity:
            runs.append("stuck")
            started.set()
            await asyncio.Event().wait()

    async def works(event: events_pb2.MessagePosted, meta: EventMeta) -> None:
        if meta.entity_id == entity:
            runs.append("works")

    async with running(node.consumer(subscription(name, works, transactional=False)).run):
        pass  # the durable exists, also for the one that hangs

    hanging = asyncio.create_task(node.consumer(subscription(name, stuck, transactional=False)).run())
    await node.post(entity, 1)
    await asyncio.wait_for(started.wait(), 10)
    since = time.monotonic()
    async with running(node.consumer(subscription(name, works, transactional=False)).run):
        await eventually(lambda: time.monotonic() - since > 3, what="three times the time to acknowledge")
        assert runs == ["stuck"]
        # It dies without a word.
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        await eventually(lambda: "works" in runs, within_s=5, what="the event at the other process")
