"""What a crash, a deploy and an outage leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from tests.integration.channel_adapter.conftest import Field, adapters_on
from tests.support.polling import eventually
from yunsong.conversation.v1 import message_pb2
from yunsong_channel_adapter.settings import ChannelAdapterSettings
from yunsong_common.db import run_migrations
from yunsong_common.settings import variable_of
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, free_port

SENT = message_pb2.DELIVERY_STATE_SENT
UNCERTAIN = message_pb2.DELIVERY_STATE_UNCERTAIN


async def process(adapters: Field) -> asyncio.subprocess.Process:
    """The service as it runs in production, in a process of its own."""
    settings: dict[str, Any] = {**adapters.settings, "grpc_port": free_port(), "ops_port": free_port()}
    environment = {variable_of(ChannelAdapterSettings, name): str(value) for name, value in settings.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "yunsong_channel_adapter",
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )


async def test_what_a_kill_left_on_the_wire_goes_again_under_the_same_id(adapters: Field) -> None:
    first = await adapters.start()
    inbox = await adapters.api_inbox(first)
    await adapters.stop(first)
    killed = await process(adapters)
    thread = adapters.conversation.begin(inbox.id)
    adapters.hook.gate.clear()
    ids = await adapters.conversation.post(thread, "one", "two", "three")
    await eventually(lambda: adapters.hook.running == 1, within_s=20, what="a message on the wire")
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    await adapters.start()
    adapters.hook.gate.set()
    await eventually(
        lambda: adapters.conversation.state_of(ids[-1]) == SENT, within_s=20, what="the last message"
    )
    seen = list(dict.fromkeys(headers["webhook-id"] for headers, _ in adapters.hook.got))
    assert seen == ids
    assert adapters.hook.texts() == ["one", "one", "two", "three"]


async def test_what_a_crash_left_on_a_channel_without_a_key_is_uncertain(adapters: Field) -> None:
    first = await adapters.start()
    inbox = await adapters.sms_inbox(first)
    thread = adapters.conversation.begin(inbox.id, channel="sms", identity="+86 1")
    adapters.sms.gate.clear()
    one, two = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: len(adapters.sms.sent) == 1, what="a message on the wire")
    async with adapters.database.transaction() as tx:
        # The holder is not heard of any more.
        await tx.raw.execute("UPDATE lanes SET due_at = now() WHERE conversation_id = $1", thread.id)
    await adapters.start()
    await eventually(lambda: adapters.conversation.state_of(one) == UNCERTAIN, what="the doubt")
    adapters.sms.gate.set()
    await eventually(lambda: adapters.conversation.state_of(two) == SENT)
    assert [message.text for message in adapters.sms.sent] == ["one", "two"]
    # The holder was alive after all, and knows better.
    await eventually(lambda: adapters.conversation.state_of(one) == SENT)


async def test_a_stop_lets_what_is_on_the_wire_come_to_its_end(adapters: Field) -> None:
    first = await adapters.start()
    inbox = await adapters.sms_inbox(first)
    thread = adapters.conversation.begin(inbox.id, channel="sms", identity="+86 1")
    adapters.sms.gate.clear()
    one, two = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: len(adapters.sms.sent) == 1)
    stopping = asyncio.create_task(adapters.stop(first))
    await eventually(lambda: first.task.cancelling() > 0)
    adapters.sms.gate.set()
    await stopping
    second = await adapters.start()
    await eventually(lambda: adapters.conversation.state_of(two) == SENT)
    assert adapters.conversation.state_of(one) == SENT
    assert [message.text for message in adapters.sms.sent] == ["one", "two"]
    assert await second.statuses(conversation_id=thread.id) == ["SENT", "SENT"]


async def test_an_outage_of_the_database_while_sending_loses_nothing(
    private_postgres: EmbeddedPostgres, private_nats: EmbeddedNats
) -> None:
    url = private_postgres.url()
    async with adapters_on(url, private_nats.url()) as adapters:
        adapter = await adapters.start()
        inbox = await adapters.sms_inbox(adapter)
        thread = adapters.conversation.begin(inbox.id, channel="sms", identity="+86 1")
        adapters.sms.gate.clear()
        one, two = await adapters.conversation.post(thread, "one", "two")
        await eventually(lambda: len(adapters.sms.sent) == 1)
        await asyncio.to_thread(private_postgres.kill)
        adapters.sms.gate.set()
        await asyncio.to_thread(private_postgres.start)
        await eventually(
            lambda: adapters.conversation.state_of(two) == SENT, within_s=30, what="the second message"
        )
        assert adapters.conversation.state_of(one) == SENT
        assert [message.text for message in adapters.sms.sent] == ["one", "two"]


async def test_an_outage_of_nats_only_delays(
    private_postgres: EmbeddedPostgres, private_nats: EmbeddedNats
) -> None:
    url = private_postgres.url()
    await run_migrations("yunsong_channel_adapter.migrations", url, "channel_adapter")
    async with adapters_on(url, private_nats.url()) as adapters:
        adapter = await adapters.start()
        thread = adapters.conversation.begin((await adapters.api_inbox(adapter)).id)
        [before] = await adapters.conversation.post(thread, "before")
        await eventually(lambda: adapters.conversation.state_of(before) == SENT)
        await asyncio.to_thread(private_nats.kill)
        [during] = await adapters.conversation.post(thread, "during")
        await asyncio.to_thread(private_nats.start)
        await eventually(lambda: adapters.conversation.state_of(during) == SENT, within_s=30)
        assert adapters.hook.texts() == ["before", "during"]
