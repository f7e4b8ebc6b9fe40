"""What staff does with conversations, and what time does."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from tests.integration.conversation.conftest import (
    SUPERVISOR_PERMISSIONS,
    Replica,
    Staff,
    Start,
    Visitor,
    text,
)
from tests.support.polling import eventually
from yunsong.conversation.v1 import contact_door_pb2, conversation_pb2, internal_pb2, message_pb2, model_pb2
from yunsong_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from yunsong_common.ids import new_id

pb = conversation_pb2
S = model_pb2


async def changes(service: Replica, conversation_id: str, after_rev: int = 0) -> list[Any]:
    answer = await service.staff.ReadChanges(
        pb.ReadChangesRequest(conversation_id=conversation_id, after_rev=after_rev),
        metadata=service.channels["qa"].as_service(),
    )
    return list(answer.changes)


async def own_changes(service: Replica, visitor: Visitor, conversation_id: str) -> list[Any]:
    answer = await service.door.ReadMyChanges(
        contact_door_pb2.ReadMyChangesRequest(conversation_id=conversation_id), metadata=service.as_(visitor)
    )
    return list(answer.changes)


async def test_an_edit_and_a_recall_reach_both_sides_and_leave_nothing_behind(service: Replica) -> None:
    agent = Staff("坐席 1")
    visitor, conversation_id = await service.active(await service.inbox(), agent)
    message = await service.answer(agent, conversation_id, "密码是机密词")
    ids = {"conversation_id": conversation_id, "message_id": message.id}
    edited = await service.staff.EditMessage(
        pb.EditMessageRequest(text="密码是更机密词", **ids), metadata=service.as_(agent)
    )
    assert edited.HasField("edited_at")
    assert (await service.get(conversation_id)).last_message_preview == "密码是更机密词"
    with pytest.raises(PermissionDenied, match="NOT_AUTHOR"):
        await service.staff.RecallMessage(
            pb.RecallMessageRequest(**ids), metadata=service.as_(Staff("主管", SUPERVISOR_PERMISSIONS))
        )
    await service.staff.RecallMessage(pb.RecallMessageRequest(**ids), metadata=service.as_(agent))
    with pytest.raises(FailedPrecondition, match="MESSAGE_RECALLED"):
        await service.staff.EditMessage(pb.EditMessageRequest(text="x", **ids), metadata=service.as_(agent))

    own = await own_changes(service, visitor, conversation_id)
    assert own[-1].message_recalled_id == message.id
    everything = [
        str(own),
        str(await changes(service, conversation_id)),
        str(await service.get(conversation_id)),
        str(
            await service.staff.ListMessages(
                pb.ListMessagesRequest(conversation_id=conversation_id), metadata=service.as_(agent)
            )
        ),
    ]
    found = await service.staff.SearchMessages(
        pb.SearchMessagesRequest(query="机密", conversation_id=conversation_id), metadata=service.as_(agent)
    )
    assert not found.hits
    async with service.db.read() as tx:
        payloads = [
            row[0]
            for row in await tx.raw.fetch("SELECT payload FROM outbox WHERE entity_id = $1", conversation_id)
        ]
    assert not any("机密" in one for one in everything)
    assert not any("机密".encode() in payload for payload in payloads)

    late = await service.say(visitor, "写错了")
    service.later(minutes=3)
    with pytest.raises(FailedPrecondition, match="RECALL_TOO_LATE"):
        await service.door.RecallMyMessage(
            contact_door_pb2.RecallMyMessageRequest(conversation_id=conversation_id, message_id=late.id),
            metadata=service.as_(visitor),
        )


async def test_read_marks_and_unread_counts(service: Replica) -> None:
    agent, boss = Staff("坐席 1"), Staff("主管", SUPERVISOR_PERMISSIONS)
    visitor, conversation_id = await service.active(await service.inbox(), agent)
    await service.say(visitor, "一")
    last = await service.say(visitor, "二")
    assert (await service.get(conversation_id)).unread_count == 3
    rev = (await service.get(conversation_id)).rev

    async def read_by(who: Staff, through: int) -> int:
        request = pb.MarkReadRequest(conversation_id=conversation_id, through_rev=through)
        return int((await service.staff.MarkRead(request, metadata=service.as_(who))).read_rev)

    assert await read_by(boss, rev) == rev
    assert (await service.get(conversation_id)).unread_count == 3
    assert await read_by(agent, rev) == rev
    assert await read_by(agent, 1) == rev
    conversation = await service.get(conversation_id)
    assert (conversation.unread_count, conversation.rev) == (0, rev + 1)
    assert (await own_changes(service, visitor, conversation_id))[-1].agent_read_public_rev == last.public_rev

    answer = await service.answer(agent, conversation_id, "好的")
    door = service.door
    mine = contact_door_pb2.GetMyConversationRequest(conversation_id=conversation_id)
    assert (await door.GetMyConversation(mine, metadata=service.as_(visitor))).unread_count == 1
    await door.MarkMyRead(
        contact_door_pb2.MarkMyReadRequest(
            conversation_id=conversation_id, through_public_rev=answer.public_rev
        ),
        metadata=service.as_(visitor),
    )
    seen = await door.GetMyConversation(mine, metadata=service.as_(visitor))
    assert (seen.unread_count, seen.read_public_rev) == (0, answer.public_rev)


async def test_fields_labels_and_categories(service: Replica) -> None:
    agent, boss = Staff("坐席 1"), Staff("主管", SUPERVISOR_PERMISSIONS)
    _, conversation_id = await service.active(await service.inbox(), agent)
    label = await service.taxonomy.CreateLabel(pb.CreateLabelRequest(name="退款"), metadata=service.as_(boss))
    with pytest.raises(AlreadyExists, match="LABEL_NAME_TAKEN"):
        await service.taxonomy.CreateLabel(pb.CreateLabelRequest(name=" 退款 "), metadata=service.as_(boss))
    with pytest.raises(InvalidArgument, match="INVALID_REQUEST"):
        await service.taxonomy.CreateLabel(pb.CreateLabelRequest(name=" \t"), metadata=service.as_(boss))
    labelled = await service.staff.SetLabels(
        pb.SetLabelsRequest(conversation_id=conversation_id, label_ids=[label.id]),
        metadata=service.as_(agent),
    )
    assert list(labelled.label_ids) == [label.id]
    with pytest.raises(NotFound, match="LABEL_UNKNOWN"):
        await service.staff.SetLabels(
            pb.SetLabelsRequest(conversation_id=conversation_id, label_ids=[new_id()]),
            metadata=service.as_(agent),
        )
    listed = await service.staff.ListConversations(
        pb.ListConversationsRequest(label_id=label.id), metadata=service.as_(boss)
    )
    assert [c.id for c in listed.conversations] == [conversation_id]
    await service.taxonomy.DeleteLabel(pb.DeleteLabelRequest(label_id=label.id), metadata=service.as_(boss))
    assert not (await service.get(conversation_id)).label_ids

    attributes = Struct()
    attributes.update({"order": "A1"})
    updated = await service.staff.UpdateConversation(
        pb.UpdateConversationRequest(
            conversation_id=conversation_id,
            update_mask=FieldMask(paths=["priority", "attributes"]),
            priority=S.PRIORITY_URGENT,
            attributes=attributes,
        ),
        metadata=service.as_(agent),
    )
    assert (updated.priority, dict(updated.attributes)) == (S.PRIORITY_URGENT, {"order": "A1"})
    last = (await changes(service, conversation_id))[-1].conversation_updated
    assert list(last.changed_fields) == ["priority", "attributes"]
    with pytest.raises(InvalidArgument, match="update_mask"):
        await service.staff.UpdateConversation(
            pb.UpdateConversationRequest(
                conversation_id=conversation_id, update_mask=FieldMask(paths=["state"])
            ),
            metadata=service.as_(agent),
        )

    category = await service.taxonomy.CreateWrapUpCategory(
        pb.CreateWrapUpCategoryRequest(name="退货", position=1), metadata=service.as_(boss)
    )
    with pytest.raises(FailedPrecondition, match="WRAP_UP_REQUIRED"):
        await service.staff.CloseConversation(
            pb.CloseConversationRequest(conversation_id=conversation_id), metadata=service.as_(agent)
        )
    closed = await service.staff.CloseConversation(
        pb.CloseConversationRequest(conversation_id=conversation_id, wrap_up_category_id=category.id),
        metadata=service.as_(agent),
    )
    assert closed.wrap_up_category_name == "退货"
    await service.taxonomy.DeleteWrapUpCategory(
        pb.DeleteWrapUpCategoryRequest(wrap_up_category_id=category.id), metadata=service.as_(boss)
    )
    assert (await service.get(conversation_id)).wrap_up_category_name == "退货"


async def test_a_snoozed_conversation_wakes_when_due_or_when_the_contact_writes(start: Start) -> None:
    service = await start()
    other = await start()
    agent = Staff("坐席 1")
    inbox = await service.inbox()
    for wake in ("time", "contact"):
        visitor, conversation_id = await service.active(inbox, agent)
        until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=3)
        request = pb.SnoozeConversationRequest(conversation_id=conversation_id)
        request.until.FromDatetime(until)
        snoozed = await service.staff.SnoozeConversation(request, metadata=service.as_(agent))
        assert snoozed.state == S.CONVERSATION_STATE_SNOOZED
        own = await service.door.GetMyConversation(
            contact_door_pb2.GetMyConversationRequest(conversation_id=conversation_id),
            metadata=service.as_(visitor),
        )
        assert own.state == S.CONVERSATION_STATE_ACTIVE
        if wake == "time":
            service.later(hours=4)
            other.later(hours=4)
        else:
            await service.say(visitor, "还在吗")

        async def woken(conversation_id: str = conversation_id) -> bool:
            return bool((await service.get(conversation_id)).state == S.CONVERSATION_STATE_QUEUED)

        await eventually(woken, what="waking")
        moves = [
            c.state_changed for c in await changes(service, conversation_id) if c.HasField("state_changed")
        ]
        woke = [m for m in moves if m.from_state == S.CONVERSATION_STATE_SNOOZED]
        assert [(m.reason, m.preferred_agent_id) for m in woke] == [
            ("snooze_due" if wake == "time" else "contact_wrote", agent.id)
        ]
        service.later(hours=-4 if wake == "time" else 0)
        other.later(hours=-4 if wake == "time" else 0)


async def test_a_silent_contact_is_reminded_once_then_the_conversation_is_closed(service: Replica) -> None:
    agent = Staff("坐席 1")
    inbox = await service.inbox(idle_reminder_s=600, idle_close_s=1200)
    visitor, conversation_id = await service.active(inbox, agent)
    await service.answer(agent, conversation_id, "还需要帮助吗？")

    async def lines(code: str) -> int:
        listed = await service.door.ListMyMessages(
            contact_door_pb2.ListMyMessagesRequest(conversation_id=conversation_id),
            metadata=service.as_(visitor),
        )
        return sum(m.content.system.code == code for m in listed.messages)

    service.later(seconds=601)
    await eventually(partial(lines, "conversation.idle_reminder"), what="the reminder")
    service.later(seconds=100)
    await service.say(visitor, "等一下")
    await service.answer(agent, conversation_id, "好的")
    service.later(seconds=601)

    async def twice() -> bool:
        return await lines("conversation.idle_reminder") == 2

    await eventually(twice, what="a second reminder after new words")
    service.later(seconds=601)
    await eventually(partial(lines, "conversation.closed"), what="the end")
    assert await lines("conversation.idle_reminder") == 2
    closed = await service.get(conversation_id)
    assert (closed.state, closed.close_reason) == (S.CONVERSATION_STATE_RESOLVED, S.CLOSE_REASON_IDLE)


async def test_deliveries_only_go_forward(service: Replica) -> None:
    agent = Staff("坐席 1")
    _, conversation_id = await service.active(await service.inbox(), agent)
    message = await service.answer(agent, conversation_id, "您好")
    assert message.delivery_state == message_pb2.DELIVERY_STATE_PENDING

    async def report(*states: message_pb2.DeliveryState.ValueType) -> int:
        reports = [
            internal_pb2.DeliveryReport(
                conversation_id=conversation_id, message_id=message.id, delivery_state=state
            )
            for state in states
        ]
        await service.internal("channel-adapter").SetDeliveryStates(
            internal_pb2.SetDeliveryStatesRequest(reports=reports)
        )
        listed = await service.staff.ListMessages(
            pb.ListMessagesRequest(conversation_id=conversation_id), metadata=service.as_(agent)
        )
        return next(m.delivery_state for m in listed.messages if m.id == message.id)

    rev = (await service.get(conversation_id)).rev
    assert (
        await report(message_pb2.DELIVERY_STATE_SENT, message_pb2.DELIVERY_STATE_DELIVERED)
        == message_pb2.DELIVERY_STATE_DELIVERED
    )
    assert (
        await report(message_pb2.DELIVERY_STATE_SENT, message_pb2.DELIVERY_STATE_FAILED)
        == message_pb2.DELIVERY_STATE_DELIVERED
    )
    assert (await service.get(conversation_id)).rev == rev + 2
    states = [c.delivery_changed.delivery_state for c in await changes(service, conversation_id, rev)]
    assert states == [2, 3]


async def test_spam_is_closed_hidden_and_does_not_reopen(service: Replica) -> None:
    agent = Staff("坐席 1")
    inbox = await service.inbox(reopen_window_s=600)
    visitor, conversation_id = await service.active(inbox, agent)
    spam = await service.staff.MarkSpam(
        pb.MarkSpamRequest(conversation_id=conversation_id, block_contact=True), metadata=service.as_(agent)
    )
    assert (spam.state, spam.close_reason, spam.spam) == (
        S.CONVERSATION_STATE_RESOLVED,
        S.CLOSE_REASON_SPAM,
        True,
    )
    with pytest.raises(PermissionDenied, match="CONTACT_BLOCKED"):
        await service.say(visitor, "再来")
    listed = partial(service.staff.ListConversations, metadata=service.as_(agent))
    assert not (await listed(pb.ListConversationsRequest(contact_id=visitor.id))).conversations
    found = await listed(pb.ListConversationsRequest(contact_id=visitor.id, include_spam=True))
    assert [c.id for c in found.conversations] == [conversation_id]


async def test_an_agent_starts_a_conversation_once(service: Replica) -> None:
    agent = Staff("坐席 1")
    inbox = await service.inbox()
    visitor = await service.visitor(inbox, name="客户 1")
    request = pb.StartConversationRequest(
        contact_id=visitor.id, inbox_id=inbox.id, content=text("您的快递到了"), client_id=new_id()
    )
    key = new_id()
    # The router is away: the event names who must have it.
    first = await service.staff.StartConversation(
        request, metadata=service.as_(agent, idempotency_key=key), timeout=20
    )
    again = await service.staff.StartConversation(
        request, metadata=service.as_(agent, idempotency_key=key), timeout=20
    )
    assert first.id == again.id
    assert (first.state, first.epoch) == (S.CONVERSATION_STATE_QUEUED, 1)
    started = (await changes(service, first.id))[-1].state_changed
    assert (started.reason, started.required_agent_id) == ("started", agent.id)
    with pytest.raises(FailedPrecondition, match="CONVERSATION_OPEN"):
        await service.staff.StartConversation(request, metadata=service.as_(agent, idempotency_key=new_id()))
    stranger = await service.visitor(await service.inbox())
    with pytest.raises(FailedPrecondition, match="IDENTITY_MISSING"):
        await service.staff.StartConversation(
            pb.StartConversationRequest(
                contact_id=stranger.id, inbox_id=inbox.id, content=text("x"), client_id=new_id()
            ),
            metadata=service.as_(agent),
        )


async def test_a_pruned_change_log_asks_for_a_snapshot(service: Replica) -> None:
    agent = Staff("坐席 1")
    visitor, conversation_id = await service.active(await service.inbox(), agent)
    async with service.db.transaction() as tx:
        await tx.raw.execute("DELETE FROM outbox WHERE entity_id = $1 AND rev <= 3", conversation_id)

    async def read(after: int) -> pb.ReadChangesResponse:
        return await service.staff.ReadChanges(
            pb.ReadChangesRequest(conversation_id=conversation_id, after_rev=after),
            metadata=service.as_(agent),
        )

    assert (await read(0)).snapshot_required
    assert (await read(2)).snapshot_required
    kept = await read(3)
    assert [c.rev for c in kept.changes] == list(range(4, kept.head_rev + 1))
    assert not (await read(kept.head_rev)).changes
    own = await service.door.ReadMyChanges(
        contact_door_pb2.ReadMyChangesRequest(conversation_id=conversation_id), metadata=service.as_(visitor)
    )
    assert own.snapshot_required
    # A client that saw what a restored database has lost is told so, too.
    assert (await read(kept.head_rev + 1)).snapshot_required
