"""The `api` channel with the real conversation service: a message in, the bot's answer out, its state known to both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.integration.channel_adapter.channels import Hook, webhook_receiver
from tests.integration.channel_adapter.conftest import ADMIN, ENCRYPTION_KEY, RELEASE_KEY
from tests.support.polling import eventually
from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc, model_pb2
from yunsong.conversation.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    internal_pb2,
    internal_pb2_grpc,
    message_pb2,
)
from yunsong_channel_adapter.wire import struct_of
from yunsong_channel_adapter.wiring import build as build_channel_adapter
from yunsong_common.bus import declare_streams
from yunsong_common.db import run_migrations
from yunsong_common.errors import FailedPrecondition
from yunsong_common.grpc import Channels
from yunsong_common.service import Registries, serve
from yunsong_conversation.wiring import build as build_conversation


@pytest.fixture
async def channels(postgres_url: str, nats_url: str) -> AsyncIterator[Channels]:
    """Both services in one process, and channels to them as the bot."""
    for schema in ("channel_adapter", "conversation"):
        await run_migrations(f"yunsong_{schema}.migrations", postgres_url, schema)
    await declare_streams(nats_url, ["conversation", "channel", "router"])
    registries = Registries()
    task = asyncio.create_task(
        serve(
            [build_conversation, build_channel_adapter],
            registries,
            database_url=postgres_url,
            nats_url=nats_url,
            release_key=RELEASE_KEY,
            encryption_key=ENCRYPTION_KEY,
            allow_private_addresses=True,
            ops_host="127.0.0.1",
            ops_port=0,
            grace_s=5.0,
        )
    )
    await eventually(lambda: task.done() or "channel-adapter" in registries.addresses, what="the services")
    made = Channels(service="bot", release_key=RELEASE_KEY, addresses=registries.addresses)
    yield made
    await made.close()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """The business's server."""
    async with webhook_receiver() as made:
        yield made


async def test_a_message_comes_in_and_its_answer_goes_out(channels: Channels, hook: Hook) -> None:
    as_admin = channels.as_principal(ADMIN)
    inboxes = channel_pb2_grpc.InboxServiceStub(channels.channel_adapter)
    inbound = channel_pb2_grpc.InboundServiceStub(channels.channel_adapter)
    conversations = conversation_pb2_grpc.ConversationServiceStub(channels.conversation)
    internal = internal_pb2_grpc.ConversationInternalServiceStub(channels.conversation)

    async def create() -> channel_pb2.CreateInboxResponse:
        inbox = model_pb2.Inbox(
            name="App", channel="api", enabled=True, bot_enabled=True, config=struct_of({"url": hook.url})
        )
        try:
            created: channel_pb2.CreateInboxResponse = await inboxes.CreateInbox(
                channel_pb2.CreateInboxRequest(inbox=inbox),
                metadata=channels.as_principal(ADMIN, idempotency_key="one"),
            )
        except Exception as error:  # the service is still starting
            raise AssertionError(repr(error)) from error
        return created

    inbox = (await eventually(create, within_s=20, what="an inbox")).inbox
    post = channel_pb2.PostMessageRequest(
        inbox_id=inbox.id,
        identity="u-1",
        external_id="m-1",
        content=message_pb2.Content(text=message_pb2.TextContent(text="您好")),
    )
    first = await inbound.PostMessage(post, metadata=as_admin)
    assert (await inbound.PostMessage(post, metadata=as_admin)).duplicate

    answers = [
        internal_pb2.AppendEntry(
            conversation_id=first.conversation_id,
            client_id=f"answer-{number}",
            author_kind=message_pb2.AUTHOR_KIND_BOT,
            content=message_pb2.Content(text=message_pb2.TextContent(text=f"answer {number}")),
        )
        for number in range(3)
    ]
    results = (await internal.AppendMessages(internal_pb2.AppendMessagesRequest(entries=answers))).results
    assert [result.error_reason for result in results] == ["", "", ""]
    await eventually(lambda: hook.texts() == ["answer 0", "answer 1", "answer 2"], what="the answers")
    assert {event["data"]["identity"] for _, event in hook.got} == {"u-1"}

    async def all_sent() -> bool:
        request = conversation_pb2.ListMessagesRequest(conversation_id=first.conversation_id)
        messages = (await conversations.ListMessages(request)).messages
        by_bot = [each for each in messages if each.author.kind == message_pb2.AUTHOR_KIND_BOT]
        return [each.delivery_state for each in by_bot] == [message_pb2.DELIVERY_STATE_SENT] * 3

    await eventually(all_sent, what="the states")
    with pytest.raises(FailedPrecondition) as refused:
        await inboxes.DeleteInbox(channel_pb2.DeleteInboxRequest(inbox_id=inbox.id), metadata=as_admin)
    assert refused.value.reason == "INBOX_IN_USE"
