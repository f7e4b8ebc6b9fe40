"""What comes in: messages and receipts by REST, webhooks, and contacts who open a session."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.integration.channel_adapter.conftest import Field, Replica
from tests.support.polling import eventually
from yunsong.channel.v1 import channel_pb2, model_pb2
from yunsong.conversation.v1 import message_pb2
from yunsong_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
    YunsongError,
)
from yunsong_common.ids import new_id

SENT = message_pb2.DELIVERY_STATE_SENT
VISITOR = "a-visitor-id-of-128-bits"


def text(content: str) -> message_pb2.Content:
    return message_pb2.Content(text=message_pb2.TextContent(text=content))


async def post(
    adapter: Replica, inbox_id: str, external_id: str, **fields: Any
) -> channel_pb2.PostMessageResponse:
    request = channel_pb2.PostMessageRequest(
        inbox_id=inbox_id,
        **{"identity": "u-1", "external_id": external_id, "content": text("hello"), **fields},
    )
    answer: channel_pb2.PostMessageResponse = await adapter.inbound.PostMessage(
        request, metadata=adapter.admin()
    )
    return answer


async def test_a_message_comes_in_once(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    first = await post(adapter, inbox.id, "m-1", contact_name="contact 1", locale="zh-CN")
    again = await post(adapter, inbox.id, "m-1")
    assert not first.duplicate
    assert again.duplicate
    with pytest.raises(AlreadyExists, match="EXTERNAL_ID_REUSED"):
        await post(adapter, inbox.id, "m-1", content=text("another"))
    entry = adapters.conversation.inbound[inbox.id, "m-1"]
    assert (entry.identity, entry.verified) == ("user:u-1", True)


async def test_who_wrote_last_gets_the_answers(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id, identity="user:first")
    await post(adapter, inbox.id, "m-1", identity="second")
    [message_id] = await adapters.conversation.post(thread, "answer")
    await eventually(lambda: adapters.conversation.state_of(message_id) == SENT)
    assert adapters.hook.got[-1][1]["data"]["identity"] == "second"


async def test_many_at_once_are_all_taken(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    await asyncio.gather(*(post(adapter, inbox.id, f"m-{number}") for number in range(100)))
    assert len(adapters.conversation.inbound) == 100


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"identity": "blocked"}, "CONTACT_BLOCKED"),
        ({"content": message_pb2.Content()}, "CONTENT_REFUSED"),
        ({"content": message_pb2.Content(system=message_pb2.SystemContent(code="x"))}, "CONTENT_REFUSED"),
        ({"identity": ""}, "INVALID_REQUEST"),
        ({"content": text("x" * 10_001)}, "INVALID_REQUEST"),
    ],
)
async def test_a_wrong_message_is_refused_with_its_reason(
    adapters: Field, adapter: Replica, fields: dict[str, Any], reason: str
) -> None:
    inbox = await adapters.api_inbox(adapter)
    with pytest.raises(YunsongError) as refused:
        await post(adapter, inbox.id, "m-1", **fields)
    assert refused.value.reason == reason


async def test_only_an_inbox_that_takes_messages_takes_them(adapters: Field, adapter: Replica) -> None:
    off = (await adapter.create("api", config={"url": adapters.hook.url}, enabled=False)).inbox
    web = (await adapter.create("web")).inbox
    for inbox_id, kind, reason in (
        (off.id, FailedPrecondition, "INBOX_DISABLED"),
        (web.id, FailedPrecondition, "CHANNEL_TAKES_NO_MESSAGES"),
        (new_id(), NotFound, "INBOX_UNKNOWN"),
    ):
        with pytest.raises(kind) as refused:
            await post(adapter, inbox_id, "m-1")
        assert refused.value.reason == reason


async def test_an_outage_of_the_conversation_service_is_said(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    adapters.conversation.away = True
    with pytest.raises(Unavailable):
        await post(adapter, inbox.id, "m-1")


async def test_receipts_move_the_message_on(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    one, two = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: adapters.conversation.state_of(two) == SENT)

    async def receipt(
        message_id: str, kind: channel_pb2.ReceiptKind.ValueType, inbox_id: str = inbox.id
    ) -> None:
        request = channel_pb2.PostReceiptRequest(
            inbox_id=inbox_id, message_id=message_id, kind=kind, error="full"
        )
        await adapter.inbound.PostReceipt(request, metadata=adapter.admin())

    await receipt(one, channel_pb2.RECEIPT_KIND_DELIVERED)
    await eventually(lambda: adapters.conversation.state_of(one) == message_pb2.DELIVERY_STATE_DELIVERED)
    await receipt(two, channel_pb2.RECEIPT_KIND_FAILED)
    await eventually(lambda: adapters.conversation.state_of(two) == message_pb2.DELIVERY_STATE_FAILED)
    assert await adapter.statuses(conversation_id=thread.id) == ["SENT", "DEAD"]
    other = await adapters.api_inbox(adapter)
    with pytest.raises(NotFound):
        await receipt(one, channel_pb2.RECEIPT_KIND_DELIVERED, other.id)


def webhook(inbox: model_pb2.Inbox, body: bytes, token: str = "t0ken") -> channel_pb2.HandleWebhookRequest:
    return channel_pb2.HandleWebhookRequest(
        inbox_key=inbox.key,
        method="POST",
        query="echo=hi&other=1",
        headers=[channel_pb2.HttpHeader(name="X-Token", value=token)],
        body=body,
    )


async def test_a_webhook_is_read_by_its_channel_and_answered_as_it_says(
    adapters: Field, adapter: Replica
) -> None:
    inbox = await adapters.sms_inbox(adapter)
    items = [
        {"external_id": "s-1", "identity": "+86 1", "kind": "text", "text": "hello"},
        {"external_id": "s-2", "identity": "blocked", "kind": "text", "text": "spam"},
    ]
    answer = await adapter.inbound.HandleWebhook(webhook(inbox, json.dumps(items).encode()))
    assert (answer.status, answer.body) == (200, b"hi")
    assert adapters.conversation.inbound[inbox.id, "s-1"].content.text.text == "hello"
    # What comes in another form under the same id is there already: the channel must not send it for ever.
    items[0]["text"] = "hello!"
    assert (await adapter.inbound.HandleWebhook(webhook(inbox, json.dumps(items).encode()))).status == 200
    assert adapters.conversation.inbound[inbox.id, "s-1"].content.text.text == "hello"


async def test_a_receipt_by_webhook_names_the_channels_own_id(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.sms_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id, channel="sms", identity="+86 1")
    [message_id] = await adapters.conversation.post(thread, "one")
    await eventually(lambda: adapters.conversation.state_of(message_id) == SENT)
    receipt = {"receipt": {"external_id": f"sms-{message_id}", "state": "delivered"}}
    await adapter.inbound.HandleWebhook(webhook(inbox, json.dumps([receipt]).encode()))
    await eventually(
        lambda: adapters.conversation.state_of(message_id) == message_pb2.DELIVERY_STATE_DELIVERED
    )


@pytest.mark.parametrize(("token", "body", "status"), [("wrong", b"[]", 401), ("t0ken", b"", 400)])
async def test_a_webhook_that_cannot_be_trusted_or_read_takes_nothing_in(
    adapters: Field, adapter: Replica, token: str, body: bytes, status: int
) -> None:
    inbox = await adapters.sms_inbox(adapter)
    assert (await adapter.inbound.HandleWebhook(webhook(inbox, body, token))).status == status
    assert adapters.conversation.inbound == {}


async def test_a_webhook_is_not_answered_before_it_is_stored(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.sms_inbox(adapter)
    adapters.conversation.away = True
    items = [{"external_id": "s-1", "identity": "+86 1", "kind": "text", "text": "hello"}]
    with pytest.raises(Unavailable):
        await adapter.inbound.HandleWebhook(webhook(inbox, json.dumps(items).encode()))


async def test_a_session_begins_with_the_key_the_page_and_the_visitor(adapter: Replica) -> None:
    inbox = (
        await adapter.create("web", allowed_origins=["https://shop.example"], identity_required=False)
    ).inbox

    async def open_session(**fields: Any) -> channel_pb2.AuthenticateContactResponse:
        request = channel_pb2.AuthenticateContactRequest(
            **{"inbox_key": inbox.key, "origin": "https://shop.example", "visitor_id": VISITOR, **fields}
        )
        answer: channel_pb2.AuthenticateContactResponse = await adapter.inbound.AuthenticateContact(request)
        return answer

    session = await open_session()
    assert session.inbox.id == inbox.id
    assert session.external_id.startswith("visitor:")
    assert not session.verified
    for fields, kind, reason in (
        ({"origin": "https://evil.example"}, PermissionDenied, "ORIGIN_REFUSED"),
        ({"inbox_key": "nobody"}, NotFound, "INBOX_UNKNOWN"),
        ({"visitor_id": "short"}, InvalidArgument, "VISITOR_ID_WEAK"),
        ({"user_id": "u-1", "user_hash": "0" * 64}, PermissionDenied, "IDENTITY_PROOF_INVALID"),
    ):
        with pytest.raises(kind) as refused:
            await open_session(**fields)
        assert refused.value.reason == reason


async def test_anyone_sees_the_public_part_and_no_more(adapter: Replica) -> None:
    inbox = (await adapter.create("web")).inbox
    public = await adapter.inbound.GetInboxByKey(channel_pb2.GetInboxByKeyRequest(key=inbox.key))
    assert (public.id, public.name, public.channel) == (inbox.id, inbox.name, "web")
    with pytest.raises(NotFound):
        await adapter.inbound.GetInboxByKey(channel_pb2.GetInboxByKeyRequest(key="nobody"))
