"""What goes out, live and durable, and what comes in from the router and the channel adapter."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator

import pytest
from google.protobuf.message import Message

from tests.integration.conversation.conftest import Replica, Staff
from tests.support.polling import eventually
from yunsong.channel.v1 import events_pb2 as channel_events_pb2
from yunsong.channel.v1 import model_pb2 as channel_model_pb2
from yunsong.conversation.v1 import contact_door_pb2, conversation_pb2, events_pb2, model_pb2
from yunsong.router.v1 import events_pb2 as router_events_pb2
from yunsong.router.v1 import model_pb2 as router_model_pb2
from yunsong_common.bus import Bus
from yunsong_common.ids import new_id
from yunsong_common.outbox.subjects import live_subject, subject_of
from yunsong_conversation.domain.inboxes import Inbox


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Somebody else's connection to NATS."""
    one = Bus(nats_url, name="somebody")
    task = asyncio.create_task(one.run())
    await one.wait_connected()
    yield one
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def tell(bus: Bus, event: Message, seq: int) -> None:
    """Publishes an event as its owner would."""
    bus.client.publish(
        subject_of(event),
        event.SerializeToString(),
        headers={"Nats-Msg-Id": new_id(), "Yunsong-Event": f"{seq} {dt.datetime.now(dt.UTC).isoformat()}"},
    )
    await bus.flush()


async def test_the_live_copy_is_what_a_read_gives_and_holds_no_note(service: Replica, bus: Bus) -> None:
    agent = Staff("坐席 1")
    visitor, conversation_id = await service.active(await service.inbox(), agent)
    heard: list[contact_door_pb2.ContactChange] = []
    durable: list[str] = []
    await bus.subscribe_live(
        live_subject(contact_door_pb2.ContactChange, conversation_id),
        lambda message: heard.append(contact_door_pb2.ContactChange.FromString(message.data)),
    )
    await bus.subscribe_live(
        f"yunsong.conversation.v1.*.{conversation_id}",
        lambda message: durable.append(message.subject.split(".")[3]),
    )
    await bus.flush()
    before = (await service.get(conversation_id)).public_rev
    said = await service.answer(agent, conversation_id, "您好")
    await service.answer(agent, conversation_id, "内部备注", visibility=2)
    await service.staff.MarkRead(
        conversation_pb2.MarkReadRequest(conversation_id=conversation_id, through_rev=said.rev),
        metadata=service.as_(agent),
    )
    await service.staff.EditMessage(
        conversation_pb2.EditMessageRequest(
            conversation_id=conversation_id, message_id=said.id, text="您好！"
        ),
        metadata=service.as_(agent),
    )
    await service.staff.CloseConversation(
        conversation_pb2.CloseConversationRequest(conversation_id=conversation_id),
        metadata=service.as_(agent),
    )
    await service.door.RateMyConversation(
        contact_door_pb2.RateMyConversationRequest(conversation_id=conversation_id, score=4),
        metadata=service.as_(visitor),
    )
    head = (await service.get(conversation_id)).public_rev

    def since() -> list[contact_door_pb2.ContactChange]:
        # Copies of what came before may still be on their way when the subscription begins.
        return [change for change in heard if change.public_rev > before]

    await eventually(lambda: len(since()) == head - before, what="all live copies")
    read = await service.door.ReadMyChanges(
        contact_door_pb2.ReadMyChangesRequest(conversation_id=conversation_id, after_public_rev=before),
        metadata=service.as_(visitor),
    )
    assert since() == list(read.changes)
    assert "内部备注" not in str(heard)
    await eventually(lambda: "conversation_rated" in durable, what="the durable events")
    assert {
        "message_posted",
        "messages_read",
        "message_edited",
        "state_changed",
        "conversation_rated",
    } <= set(durable)


async def test_a_waiting_conversation_tells_the_router_what_it_needs(service: Replica, bus: Bus) -> None:
    heard: list[events_pb2.StateChanged] = []
    await bus.subscribe_live(
        live_subject(events_pb2.StateChanged),
        lambda message: heard.append(events_pb2.StateChanged.FromString(message.data)),
    )
    await bus.flush()
    queue = new_id()
    inbox = await service.inbox(bot_enabled=False, queue_id=queue, required_skills={"english": 3})
    conversation_id = (await service.say(await service.visitor(inbox), "hello")).conversation_id

    def told() -> list[events_pb2.StateChanged]:
        return [event for event in heard if event.meta.conversation_id == conversation_id]

    await eventually(told, what="the event")
    event = told()[0]
    assert event.to_state == model_pb2.CONVERSATION_STATE_QUEUED
    assert (event.conversation.queue_id, dict(event.conversation.required_skills)) == (queue, {"english": 3})
    assert (event.meta.epoch, event.conversation.epoch, event.conversation.priority) == (
        1,
        1,
        model_pb2.PRIORITY_NORMAL,
    )
    assert event.meta.rev == 3


async def test_what_others_tell_is_kept_in_its_order(service: Replica, bus: Bus) -> None:
    agent = Staff("坐席 1")
    _, conversation_id = await service.active(await service.inbox(), agent)
    inbox = channel_model_pb2.Inbox(
        id=new_id(), channel="web", enabled=True, bot_enabled=True, reopen_window_s=60, rev=2, name="官网"
    )
    await tell(bus, channel_events_pb2.InboxChanged(inbox=inbox), 1)
    older = channel_model_pb2.Inbox(id=inbox.id, channel="web", enabled=False, rev=1)
    await tell(bus, channel_events_pb2.InboxChanged(inbox=older), 2)
    queue = router_model_pb2.Queue(id=new_id(), name="售后", member_ids=[agent.id])
    await tell(bus, router_events_pb2.QueueChanged(queue=queue), 10)
    due = router_events_pb2.SlaChanged(conversation_id=conversation_id)
    due.next_due_at.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5))
    await tell(bus, due, 11)

    async def arrived() -> bool:
        return bool((await service.get(conversation_id)).HasField("due_at"))

    await eventually(arrived, what="the due time")
    listed = await service.staff.ListConversations(
        conversation_pb2.ListConversationsRequest(sort=conversation_pb2.CONVERSATION_SORT_DUE),
        metadata=service.as_(agent),
    )
    assert [conversation.id for conversation in listed.conversations] == [conversation_id]

    async def talks() -> bool:
        async with service.db.read() as tx:
            return bool(
                await tx.raw.fetchval("SELECT count(*) FROM queue_members WHERE agent_id = $1", agent.id)
            )

    await eventually(talks, what="the queue")
    said = await service.say(await service.visitor(Inbox(inbox.id, 2, "web")), "你好")
    waiting = said.conversation_id
    await service.hand_off(waiting, queue.id)
    # Its members see what waits in a queue; after they left it, no more.
    mine = conversation_pb2.GetConversationRequest(conversation_id=waiting)
    assert (await service.staff.GetConversation(mine, metadata=service.as_(agent))).id == waiting
    del queue.member_ids[:]
    await tell(bus, router_events_pb2.QueueChanged(queue=queue), 12)

    async def gone() -> bool:
        return not await talks()

    await eventually(gone, what="the change of the queue")


async def test_an_unknown_inbox_is_asked_for_and_refused_when_nobody_knows_it(service: Replica) -> None:
    # No channel adapter answers here, so whether the inbox exists cannot be known.
    visitor = await service.visitor(Inbox(new_id(), 1, "web"))
    with pytest.raises(Exception, match=r"UNAVAILABLE|INBOX_UNKNOWN"):
        await service.say(visitor, "有人吗")
