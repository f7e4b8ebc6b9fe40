"""The life of a conversation from the first message to the rating."""

from __future__ import annotations

import pytest

from tests.integration.conversation.conftest import SUPERVISOR_PERMISSIONS, Replica, Staff, text
from yunsong.conversation.v1 import contact_door_pb2, conversation_pb2, internal_pb2, model_pb2
from yunsong_common.errors import FailedPrecondition, NotFound
from yunsong_common.ids import new_id

S = model_pb2


async def test_a_conversation_lives(service: Replica) -> None:
    agent, other = Staff("坐席 1"), Staff("小王")
    boss = Staff("主管", SUPERVISOR_PERMISSIONS)
    queue = await service.queue(agent)
    inbox = await service.inbox(queue_id=queue)
    visitor = await service.visitor(inbox, name="客户 1")

    first = await service.say(visitor, "耳机怎么退货？")
    conversation_id = first.conversation_id
    assert (await service.get(conversation_id)).state == S.CONVERSATION_STATE_BOT

    answer = await service.internal("bot").AppendMessages(
        internal_pb2.AppendMessagesRequest(
            entries=[
                internal_pb2.AppendEntry(
                    conversation_id=conversation_id,
                    client_id=f"answer-{first.id}",
                    content=text("七天内可以退货。"),
                    expected_state=S.CONVERSATION_STATE_BOT,
                )
            ]
        )
    )
    assert answer.results[0].error_reason == ""

    epoch = await service.hand_off(conversation_id, summary="想退耳机", required_skills={"returns": 2})
    waiting = await service.get(conversation_id)
    assert waiting.state == S.CONVERSATION_STATE_QUEUED
    assert (waiting.queue_id, dict(waiting.required_skills), waiting.epoch) == (queue, {"returns": 2}, epoch)
    assert waiting.HasField("queued_at")

    with pytest.raises(NotFound):
        await service.answer(other, conversation_id, "你好")
    with pytest.raises(FailedPrecondition, match="CONVERSATION_WAITING"):
        await service.answer(agent, conversation_id, "你好")

    await service.assign(conversation_id, agent, epoch)
    await service.answer(agent, conversation_id, "您好，我来处理")
    await service.answer(agent, conversation_id, "需要换新", visibility=2)
    await service.answer(boss, conversation_id, "先道歉", whisper=True)
    active = await service.get(conversation_id)
    assert (active.state, active.assignee_id, active.epoch) == (S.CONVERSATION_STATE_ACTIVE, agent.id, epoch)
    assert active.HasField("first_reply_at")
    assert active.last_message_preview == "您好，我来处理"

    seen = await service.door.ListMyMessages(
        contact_door_pb2.ListMyMessagesRequest(conversation_id=conversation_id), metadata=service.as_(visitor)
    )
    said = [m.content.text.text for m in seen.messages if m.content.HasField("text")]
    assert said == ["耳机怎么退货？", "七天内可以退货。", "您好，我来处理"]
    revs = [m.public_rev for m in seen.messages]
    assert revs == sorted(set(revs))

    closed = await service.staff.CloseConversation(
        conversation_pb2.CloseConversationRequest(conversation_id=conversation_id, summary="已退"),
        metadata=service.as_(agent),
    )
    assert (closed.state, closed.close_reason, closed.summary) == (
        S.CONVERSATION_STATE_RESOLVED,
        S.CLOSE_REASON_AGENT,
        "已退",
    )
    rated = await service.door.RateMyConversation(
        contact_door_pb2.RateMyConversationRequest(conversation_id=conversation_id, score=5, comment="好"),
        metadata=service.as_(visitor),
    )
    assert rated.csat_score == 5
    assert rated.can_rate


async def test_the_change_log_has_no_gap_and_gives_what_a_fresh_read_gives(service: Replica) -> None:
    agent = Staff("坐席 1")
    visitor, conversation_id = await service.active(await service.inbox(), agent)
    await service.answer(agent, conversation_id, "备注", visibility=2)
    await service.answer(agent, conversation_id, "您好")
    changes = await service.staff.ReadChanges(
        conversation_pb2.ReadChangesRequest(conversation_id=conversation_id), metadata=service.as_(agent)
    )
    assert [c.rev for c in changes.changes] == list(range(1, changes.head_rev + 1))
    assert not changes.snapshot_required
    assert changes.changes[-1].message_posted.message.content.text.text == "您好"

    own = await service.door.ReadMyChanges(
        contact_door_pb2.ReadMyChangesRequest(conversation_id=conversation_id), metadata=service.as_(visitor)
    )
    assert [c.public_rev for c in own.changes] == list(range(1, own.head_public_rev + 1))
    fresh = await service.door.GetMyConversation(
        contact_door_pb2.GetMyConversationRequest(conversation_id=conversation_id),
        metadata=service.as_(visitor),
    )
    last_state = [c.conversation_changed for c in own.changes if c.HasField("conversation_changed")][-1]
    assert (last_state.state, last_state.agent_name) == (fresh.state, fresh.agent_name)
    posted = [c.message_posted for c in own.changes if c.HasField("message_posted")]
    listed = await service.door.ListMyMessages(
        contact_door_pb2.ListMyMessagesRequest(conversation_id=conversation_id), metadata=service.as_(visitor)
    )
    assert posted == list(listed.messages)


async def test_an_old_epoch_and_a_repeated_assignment(service: Replica) -> None:
    agent = Staff("坐席 1")
    inbox = await service.inbox()
    visitor = await service.visitor(inbox)
    conversation_id = (await service.say(visitor, "人工")).conversation_id
    epoch = await service.hand_off(conversation_id)
    assignment_id = new_id()
    first = await service.assign(conversation_id, agent, epoch, assignment_id=assignment_id)
    again = await service.assign(conversation_id, agent, epoch, assignment_id=assignment_id)
    assert first == again
    move = internal_pb2.MoveConversationRequest(
        conversation_id=conversation_id,
        to_state=S.CONVERSATION_STATE_QUEUED,
        epoch=epoch,
        reason="transferred",
        queue_name="售后",
        command_id=new_id(),
    )
    moved = await service.internal("router").MoveConversation(move)
    assert moved == await service.internal("router").MoveConversation(move)
    assert moved.epoch == epoch + 1
    with pytest.raises(FailedPrecondition, match="EPOCH_STALE"):
        await service.assign(conversation_id, agent, epoch)
    assert (await service.get(conversation_id)).assignee_id == ""
    with pytest.raises(FailedPrecondition, match="TRANSITION_REFUSED"):
        await service.internal("bot").MoveConversation(
            internal_pb2.MoveConversationRequest(
                conversation_id=conversation_id,
                to_state=S.CONVERSATION_STATE_OFF_HOURS,
                epoch=moved.epoch,
                reason="x",
                command_id=new_id(),
            )
        )
