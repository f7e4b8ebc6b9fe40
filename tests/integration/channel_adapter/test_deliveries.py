"""Messages go out in order, once, signed; what fails is tried again, given up, replayed."""

from __future__ import annotations

import asyncio

import pytest
from standardwebhooks import Webhook

from tests.integration.channel_adapter.conftest import Field, Replica
from tests.support.polling import eventually
from yunsong.channel.v1 import channel_pb2, events_pb2
from yunsong.conversation.v1 import events_pb2 as conversation_events_pb2
from yunsong.conversation.v1 import message_pb2
from yunsong.gateway.v1 import model_pb2 as gateway_model_pb2
from yunsong_common.errors import FailedPrecondition, NotFound
from yunsong_common.ids import new_id
from yunsong_plugin_api import Attachment, ChannelError

SENT = message_pb2.DELIVERY_STATE_SENT
FAILED = message_pb2.DELIVERY_STATE_FAILED
UNCERTAIN = message_pb2.DELIVERY_STATE_UNCERTAIN


async def test_a_message_goes_out_signed_and_its_state_is_reported(adapters: Field, adapter: Replica) -> None:
    created = await adapter.create("api", config={"url": adapters.hook.url})
    thread = adapters.conversation.begin(created.inbox.id)
    [message_id] = await adapters.conversation.post(thread, "您好")
    await eventually(lambda: adapters.conversation.state_of(message_id) == SENT, what="the report")
    [(headers, event)] = adapters.hook.got
    Webhook(created.secrets["webhook_secret"]).verify(adapters.hook.bodies[0], dict(headers))
    assert headers["webhook-id"] == event["id"] == message_id
    assert event["data"]["identity"] == "u-1"
    assert event["data"]["author"] == {"kind": "agent", "name": "agent 1"}
    assert event["data"]["content"] == {"text": {"text": "您好"}}
    assert await adapter.statuses(conversation_id=thread.id) == ["SENT"]


async def test_only_what_the_contact_may_see_and_did_not_write_goes_out(
    adapters: Field, adapter: Replica
) -> None:
    inbox = await adapters.api_inbox(adapter)
    double = adapters.conversation
    thread, web = double.begin(inbox.id), double.begin(inbox.id, channel="web")
    contact = message_pb2.Actor(kind=message_pb2.AUTHOR_KIND_CONTACT)
    await double.publish(
        double.write(thread, "a note", visibility=message_pb2.VISIBILITY_INTERNAL),
        double.write(thread, "a whisper", visibility=message_pb2.VISIBILITY_INTERNAL, whisper=True),
        double.write(thread, "a question", author=contact),
        double.write(web, "over the socket"),
        double.write(thread, "an answer"),
    )
    await eventually(lambda: adapters.hook.texts() == ["an answer"])
    assert await adapter.statuses(conversation_id=web.id) == []


async def test_a_conversation_goes_in_order_and_many_go_at_once(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    threads = [adapters.conversation.begin(inbox.id, identity=f"user:u-{number}") for number in range(6)]
    adapters.hook.gate.clear()
    for number in range(8):
        for thread in threads:
            await adapters.conversation.post(thread, str(number))
    await eventually(
        lambda: adapters.hook.running == len(threads), what="one on the wire for each conversation"
    )
    adapters.hook.gate.set()
    await eventually(lambda: len(adapters.hook.got) == 48, what="all messages")
    for thread in threads:
        texts = [
            event["data"]["content"]["text"]["text"]
            for _, event in adapters.hook.got
            if event["data"]["conversation_id"] == thread.id
        ]
        assert texts == [str(number) for number in range(8)]
    assert adapters.hook.most_running == len(threads)


async def test_an_event_that_comes_late_does_not_change_the_order(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    first, second = (adapters.conversation.write(thread, text) for text in ("first", "second"))
    await adapters.conversation.publish(second)
    await eventually(lambda: adapters.hook.texts() == ["first", "second"])
    await adapters.conversation.publish(first)
    [third] = await adapters.conversation.post(thread, "third")
    await eventually(lambda: adapters.conversation.state_of(third) == SENT)
    assert adapters.hook.texts() == ["first", "second", "third"]


async def test_a_failure_is_tried_again_and_holds_back_what_follows(
    adapters: Field, adapter: Replica
) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    answers = iter([(503, {}), (429, {"retry-after": "0"}), (500, {})])
    adapters.hook.answer = lambda _headers, _event: next(answers, (200, {}))
    *_, last = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: adapters.conversation.state_of(last) == SENT)
    assert adapters.hook.texts() == ["one", "one", "one", "one", "two"]
    assert len({headers["webhook-id"] for headers, _ in adapters.hook.got}) == 2
    deliveries = await adapter.list_deliveries(conversation_id=thread.id)
    assert [(each.attempts, each.error) for each in reversed(deliveries)] == [(4, ""), (1, "")]


async def test_a_dead_one_lets_the_next_go_and_can_be_replayed(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    adapters.hook.answer = lambda _headers, event: (
        (500, {}) if event["data"]["content"]["text"]["text"] == "one" else (200, {})
    )
    one, two = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: adapters.conversation.state_of(two) == SENT)
    assert adapters.conversation.state_of(one) == FAILED
    assert "4 attempts" in adapters.conversation.errors[one]
    assert adapters.hook.texts() == ["one"] * 4 + ["two"]
    assert await adapter.statuses(conversation_id=thread.id) == ["DEAD", "SENT"]
    async with adapters.database.read() as tx:
        payload = await tx.raw.fetchval(
            "SELECT payload FROM outbox WHERE entity_id = $1 AND type = 'yunsong.channel.v1.DeliveryDied'",
            thread.id,
        )
    assert events_pb2.DeliveryDied.FromString(payload).message_id == one

    adapters.hook.answer = lambda _headers, _event: (200, {})
    [dead] = await adapter.list_deliveries(
        statuses=[channel_pb2.DELIVERY_STATUS_DEAD], conversation_id=thread.id
    )
    replay = channel_pb2.ReplayDeliveryRequest(delivery_id=dead.id)
    replayed = await adapter.deliveries.ReplayDelivery(replay, metadata=adapter.admin())
    assert (replayed.status, replayed.attempts) == (channel_pb2.DELIVERY_STATUS_QUEUED, 0)
    await eventually(lambda: adapters.conversation.state_of(one) == SENT)
    with pytest.raises(FailedPrecondition) as refused:
        await adapter.deliveries.ReplayDelivery(replay, metadata=adapter.admin())
    assert refused.value.reason == "DELIVERY_NOT_DEAD"
    with pytest.raises(NotFound):
        await adapter.deliveries.ReplayDelivery(
            channel_pb2.ReplayDeliveryRequest(delivery_id=new_id()), metadata=adapter.admin()
        )


async def test_a_refusal_is_dead_at_once(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    adapters.hook.answer = lambda _headers, _event: (422, {})
    [message_id] = await adapters.conversation.post(thread, "one")
    await eventually(lambda: adapters.conversation.state_of(message_id) == FAILED)
    assert len(adapters.hook.got) == 1


async def test_a_redirect_is_not_followed(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    adapters.hook.answer = lambda headers, _event: (307, {"location": f"http://{headers['host']}/elsewhere"})
    [message_id] = await adapters.conversation.post(thread, "one")
    await eventually(lambda: adapters.conversation.state_of(message_id) == FAILED)
    assert "307" in adapters.conversation.errors[message_id]


async def test_a_waiting_one_is_skipped_and_no_longer_blocks(adapters: Field) -> None:
    adapter = await adapters.start(retry_base_s=60, retry_max_s=60)
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    adapters.hook.answer = lambda _headers, event: (
        (500, {}) if event["data"]["content"]["text"]["text"] == "one" else (200, {})
    )
    one, two = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: _has_status(adapter, thread.id, "RETRYING"))
    first = (await adapter.list_deliveries(conversation_id=thread.id))[-1]
    skip = channel_pb2.SkipDeliveryRequest(delivery_id=first.id)
    skipped = await adapter.deliveries.SkipDelivery(skip, metadata=adapter.admin())
    assert skipped.status == channel_pb2.DELIVERY_STATUS_SKIPPED
    await eventually(lambda: adapters.conversation.state_of(two) == SENT)
    assert adapters.conversation.state_of(one) == FAILED
    with pytest.raises(FailedPrecondition) as refused:
        await adapter.deliveries.SkipDelivery(skip, metadata=adapter.admin())
    assert refused.value.reason == "DELIVERY_DONE"


async def _has_status(adapter: Replica, conversation_id: str, status: str) -> bool:
    return status in await adapter.statuses(conversation_id=conversation_id)


async def test_what_is_recalled_before_it_went_does_not_go(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    adapters.hook.gate.clear()
    _, second = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: adapters.hook.running == 1)
    await adapters.conversation.recall(thread, second)
    await eventually(lambda: _has_status(adapter, thread.id, "SKIPPED"))
    adapters.hook.gate.set()
    [third] = await adapters.conversation.post(thread, "three")
    await eventually(lambda: adapters.conversation.state_of(third) == SENT)
    assert adapters.hook.texts() == ["one", "three"]


async def test_an_edit_before_it_went_goes_instead(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    adapters.hook.gate.clear()
    first, second = (adapters.conversation.write(thread, text) for text in ("one", "twoo"))
    await adapters.conversation.publish(first, second)
    await eventually(lambda: adapters.hook.running == 1)
    second.message.content.text.text = "two"
    await adapters.conversation.publish(
        conversation_events_pb2.MessageEdited(meta=second.meta, message=second.message)
    )
    await eventually(lambda: _stored_texts(adapters, thread.id, "two"))
    adapters.hook.gate.set()
    await eventually(lambda: adapters.hook.texts() == ["one", "two"])


async def _stored_texts(adapters: Field, conversation_id: str, text: str) -> bool:
    async with adapters.database.read() as tx:
        rows = await tx.raw.fetch(
            "SELECT message FROM deliveries WHERE conversation_id = $1", conversation_id
        )
    return text in [row["message"]["content"]["text"]["text"] for row in rows]


async def test_a_contact_without_an_identity_on_the_inbox_cannot_be_reached(
    adapters: Field, adapter: Replica
) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id, identity="")
    [message_id] = await adapters.conversation.post(thread, "one")
    await eventually(lambda: adapters.conversation.state_of(message_id) == FAILED)
    assert "no identity" in adapters.conversation.errors[message_id]


async def test_internal_addresses_are_not_called(adapters: Field) -> None:
    # The address was allowed once: the setting, or what the name leads to, changed since.
    lenient = await adapters.start()
    inbox = await adapters.api_inbox(lenient)
    await adapters.stop(lenient)
    await adapters.start(allow_private_addresses=False)
    thread = adapters.conversation.begin(inbox.id)
    [message_id] = await adapters.conversation.post(thread, "one")
    await eventually(lambda: adapters.conversation.state_of(message_id) == FAILED)
    assert "ALLOW_PRIVATE_ADDRESSES" in adapters.conversation.errors[message_id]
    assert adapters.hook.got == []


async def test_reports_wait_for_a_conversation_service_that_is_away(
    adapters: Field, adapter: Replica
) -> None:
    inbox = await adapters.sms_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id, channel="sms", identity="+86 1")
    adapters.sms.gate.clear()
    [message_id] = await adapters.conversation.post(thread, "one")
    await eventually(lambda: len(adapters.sms.sent) == 1)
    adapters.conversation.away = True
    adapters.sms.gate.set()
    await eventually(lambda: _has_status(adapter, thread.id, "SENT"))
    assert adapters.conversation.state_of(message_id) == 0
    adapters.conversation.away = False
    await eventually(lambda: adapters.conversation.state_of(message_id) == SENT)


async def test_a_plugin_gets_text_for_what_it_cannot_show(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.sms_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id, channel="sms", identity="+86 1")
    card = message_pb2.Content(card=message_pb2.CardContent(title="Cup", url="https://shop.example/cup"))
    await adapters.conversation.publish(adapters.conversation.write(thread, "", content=card))
    await eventually(lambda: adapters.sms.sent)
    assert adapters.sms.sent[0].text == "Cup\nhttps://shop.example/cup"
    assert adapters.sms.sent[0].identity == "+86 1"


@pytest.mark.parametrize(
    ("error", "state", "attempts"),
    [
        (ChannelError("busy"), SENT, 2),
        (ChannelError("no such number", permanent=True), FAILED, 1),
        (ChannelError("no answer", uncertain=True), UNCERTAIN, 1),
        (KeyError("a mistake"), UNCERTAIN, 1),
    ],
    ids=["not taken", "refused", "unknown", "crash"],
)
async def test_a_channel_without_a_key_never_sends_twice(
    adapters: Field, adapter: Replica, error: Exception, state: int, attempts: int
) -> None:
    inbox = await adapters.sms_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id, channel="sms", identity="+86 1")
    adapters.sms.errors.append(error)
    one, two = await adapters.conversation.post(thread, "one", "two")
    await eventually(lambda: adapters.conversation.state_of(two) == SENT)
    assert adapters.conversation.state_of(one) == state
    assert [message.text for message in adapters.sms.sent] == ["one"] * attempts + ["two"]


async def test_a_slow_inbox_leaves_room_for_others(adapters: Field) -> None:
    adapter = await adapters.start(max_sending=4, max_sending_per_inbox=2)
    slow, quick = await adapters.api_inbox(adapter), await adapters.sms_inbox(adapter)
    adapters.hook.gate.clear()
    for number in range(2):
        await adapters.conversation.post(adapters.conversation.begin(slow.id), str(number))
    await eventually(lambda: adapters.hook.running == 2)
    for number in range(10):
        await adapters.conversation.post(adapters.conversation.begin(slow.id), str(number))
    thread = adapters.conversation.begin(quick.id, channel="sms", identity="+86 1")
    [message_id] = await adapters.conversation.post(thread, "through")
    await eventually(lambda: adapters.conversation.state_of(message_id) == SENT)
    adapters.hook.gate.set()


async def test_what_is_erased_is_gone(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    await adapters.conversation.post(thread, "one")
    await eventually(lambda: _has_status(adapter, thread.id, "SENT"))
    await adapters.conversation.publish(
        conversation_events_pb2.ContactErased(contact_id=thread.contact_id, conversation_ids=[thread.id])
    )
    await eventually(lambda: _is_gone(adapter, thread.id))


async def _is_gone(adapter: Replica, conversation_id: str) -> bool:
    return await adapter.list_deliveries(conversation_id=conversation_id) == []


async def test_deliveries_are_listed_newest_first_page_by_page(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.api_inbox(adapter)
    thread = adapters.conversation.begin(inbox.id)
    ids = await adapters.conversation.post(thread, *"abcde")
    await eventually(lambda: adapters.conversation.state_of(ids[-1]) == SENT)
    found: list[str] = []
    token = ""
    while True:
        request = channel_pb2.ListDeliveriesRequest(page_size=2, page_token=token, inbox_id=inbox.id)
        page = await adapter.deliveries.ListDeliveries(request, metadata=adapter.admin())
        found += [each.message_id for each in page.deliveries]
        token = page.next_page_token
        if not token:
            break
    assert sorted(found) == sorted(ids)
    assert len(found) == 5


async def test_two_replicas_share_the_work_and_keep_the_order(adapters: Field) -> None:
    first = await adapters.start()
    await adapters.start()
    inbox = await adapters.api_inbox(first)
    threads = [adapters.conversation.begin(inbox.id, identity=f"user:u-{number}") for number in range(4)]
    await asyncio.gather(
        *(adapters.conversation.post(thread, *(str(number) for number in range(10))) for thread in threads)
    )
    await eventually(lambda: len(adapters.hook.got) >= 40)
    for thread in threads:
        texts = [
            event["data"]["content"]["text"]["text"]
            for _, event in adapters.hook.got
            if event["data"]["conversation_id"] == thread.id
        ]
        assert texts == [str(number) for number in range(10)]


async def test_a_file_goes_out_with_an_address_to_fetch_it_from(adapters: Field, adapter: Replica) -> None:
    double, gateway = adapters.conversation, adapters.gateway
    inbox = await adapters.api_inbox(adapter)
    thread = double.begin(inbox.id)
    url = "https://support.example/api/v1/files/1/content?expires=1&signature=2"
    file = gateway_model_pb2.File(id=new_id(), name="a.png", media_type="image/png", size=7, url=url)
    gateway.away = True
    content = message_pb2.FileContent(file_id=file.id, name="a.png", media_type="image/png", size=7)
    picture = double.write(thread, "", content=message_pb2.Content(image=content))
    await double.publish(picture)
    await eventually(lambda: gateway.asked, what="a first attempt")
    assert adapters.hook.got == []
    gateway.files[file.id] = file
    gateway.away = False
    await eventually(lambda: double.state_of(picture.message.id) == SENT, what="the report")
    [(_, event)] = adapters.hook.got
    sent = {"file_id": file.id, "name": "a.png", "media_type": "image/png", "size": 7, "url": url}
    assert event["data"]["content"] == {"image": sent}

    gone = double.write(
        thread,
        "",
        content=message_pb2.Content(file=message_pb2.FileContent(file_id=new_id(), name="b.pdf")),
    )
    await double.publish(gone)
    await eventually(lambda: double.state_of(gone.message.id) == SENT, what="the report")
    assert "url" not in adapters.hook.got[-1][1]["data"]["content"]["file"]

    sms = await adapters.sms_inbox(adapter)
    by_sms = double.begin(sms.id, channel="sms", identity="+86 1")
    await double.publish(double.write(by_sms, "", content=message_pb2.Content(image=content)))
    await eventually(lambda: adapters.sms.sent, what="a text message")
    [text_message] = adapters.sms.sent
    assert text_message.text == f"a.png\n{url}"
    assert text_message.attachment == Attachment(url, "a.png", "image/png", 7)
