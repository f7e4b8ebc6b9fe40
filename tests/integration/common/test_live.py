"""Live messages pass at once, are lost when nobody listens, and say so."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.common.conftest import message_posted, running
from tests.support.polling import eventually
from yunsong.conversation.v1 import events_pb2
from yunsong_common.bus import Bus, LiveMessage
from yunsong_common.errors import Unavailable
from yunsong_common.ids import new_id
from yunsong_standalone.embedded import EmbeddedNats


async def test_plain_and_coroutine_subscribers_get_messages_in_order(nats_url: str) -> None:
    bus, entity = Bus(nats_url, name="t"), new_id()
    plain: list[int] = []
    slow: list[int] = []

    def at_once(message: LiveMessage) -> None:
        plain.append(message.parse(events_pb2.MessagePosted).meta.rev)

    async def in_order(message: LiveMessage) -> None:
        await asyncio.sleep(0)
        slow.append(message.parse(events_pb2.MessagePosted).meta.rev)

    async with running(bus.run):
        await bus.wait_connected()
        first = await bus.subscribe_live(f"yunsong.*.v1.*.{entity}", at_once)
        await bus.subscribe_live(events_pb2.MessagePosted, in_order)
        await bus.flush()
        for rev in range(1, 101):
            assert bus.publish_live(message_posted(entity, rev))
        await eventually(lambda: plain == slow == list(range(1, 101)))
        await first.unsubscribe()
        await bus.flush()
        bus.publish_live(message_posted(entity, 101))
        await eventually(lambda: slow[-1] == 101)
    assert plain[-1] == 100


async def test_one_subscribers_fault_is_not_the_others(nats_url: str) -> None:
    bus, subject = Bus(nats_url, name="t"), f"test.{new_id()}"
    heard: list[bytes] = []

    def fails(_message: LiveMessage) -> None:
        raise ValueError

    async with running(bus.run):
        await bus.wait_connected()
        await bus.subscribe_live(subject, fails)
        await bus.subscribe_live(subject, lambda message: heard.append(message.data))
        await bus.flush()
        bus.publish_raw(subject, b"1")
        bus.publish_raw(subject, b"2")
        await eventually(lambda: heard == [b"1", b"2"])


async def test_a_slow_subscriber_loses_the_oldest_and_is_told(nats_url: str) -> None:
    bus, subject = Bus(nats_url, name="t"), f"test.{new_id()}"
    gate, heard, gaps = asyncio.Event(), list[bytes](), list[str]()

    async def slow(message: LiveMessage) -> None:
        await gate.wait()
        heard.append(message.data)

    async with running(bus.run):
        await bus.wait_connected()
        bus.on_gap(gaps.append)
        await bus.subscribe_live(subject, slow)
        await bus.flush()
        for number in range(1500):
            bus.publish_raw(subject, b"%d" % number)
        await eventually(lambda: bool(gaps))
        await bus.flush()
        gate.set()
        await eventually(lambda: bool(heard) and heard[-1] == b"1499")
    assert len(heard) < 1500
    assert gaps[0] == subject


async def test_subscriptions_survive_a_restart_and_the_gap_is_announced(private_nats: EmbeddedNats) -> None:
    bus, subject = Bus(private_nats.url(), name="t"), f"test.{new_id()}"
    heard: list[bytes] = []
    reconnects: list[int] = []
    bus.on_reconnect(lambda: reconnects.append(1))
    async with running(bus.run):
        await bus.wait_connected()
        await bus.subscribe_live(subject, lambda message: heard.append(message.data))
        private_nats.kill()
        await eventually(lambda: not bus.connected)
        assert not bus.publish_raw(subject, b"lost")
        with pytest.raises(Unavailable):
            await bus.check()
        await asyncio.to_thread(private_nats.start)
        await eventually(lambda: bus.connected)
        await bus.flush()
        assert reconnects == [1]
        bus.publish_raw(subject, b"found")
        await eventually(lambda: heard == [b"found"])


async def test_a_start_before_nats_waits_for_it(private_nats: EmbeddedNats) -> None:
    private_nats.stop()
    bus = Bus(private_nats.url(), name="t")
    async with running(bus.run):
        await asyncio.to_thread(private_nats.start)
        await eventually(lambda: bus.connected)
        await bus.flush()
