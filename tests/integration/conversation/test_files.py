"""Who may read a file because of a message that holds it: at once, and as long as the message holds it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conversation.conftest import SUPERVISOR_PERMISSIONS, Replica, Staff, Visitor
from yunsong.conversation.v1 import contact_door_pb2, conversation_pb2, internal_pb2, message_pb2
from yunsong_common.errors import PermissionDenied
from yunsong_common.ids import new_id
from yunsong_conversation.repository.files import HOLDING

pb = conversation_pb2
KINDS = ("image", "file", "audio", "video")


def holding(file_id: str, kind: str = "image", **more: Any) -> message_pb2.Content:
    content = message_pb2.Content()
    getattr(content, kind).CopyFrom(message_pb2.FileContent(file_id=file_id, **more))
    return content


async def may_read(service: Replica, who: Staff | Visitor, file_id: str) -> bool:
    answer = await service.internal("gateway").CheckFileAccess(
        internal_pb2.CheckFileAccessRequest(file_id=file_id), metadata=service.as_(who)
    )
    return bool(answer.allowed)


async def send_own(service: Replica, visitor: Visitor, content: message_pb2.Content) -> Any:
    return await service.door.SendMyMessage(
        contact_door_pb2.SendMyMessageRequest(client_id=new_id(), content=content),
        metadata=service.as_(visitor),
    )


async def send(
    service: Replica, agent: Staff, conversation_id: str, content: message_pb2.Content, **more: Any
) -> Any:
    request = pb.SendMessageRequest(
        conversation_id=conversation_id, client_id=new_id(), content=content, **more
    )
    return await service.staff.SendMessage(request, metadata=service.as_(agent))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("long", [False, True])
async def test_the_two_sides_of_a_conversation_read_its_files(
    service: Replica, kind: str, long: bool
) -> None:
    agent, other, boss = Staff("坐席 1"), Staff("坐席 2"), Staff("主管", SUPERVISOR_PERMISSIONS)
    inbox = await service.inbox()
    visitor, conversation_id = await service.active(inbox, agent)
    stranger = await service.visitor(inbox)
    more = {"name": "长" * 80, "media_type": "x/" + "y" * 100, "size": 2**31} if long else {}
    file_id = new_id()
    assert not await may_read(service, agent, file_id)
    await send_own(service, visitor, holding(file_id, kind, **more))
    assert [await may_read(service, who, file_id) for who in (visitor, agent, boss)] == [True] * 3
    assert [await may_read(service, who, file_id) for who in (stranger, other)] == [False] * 2
    answered = new_id()
    await send(service, agent, conversation_id, holding(answered, kind, **more))
    assert await may_read(service, visitor, answered)
    assert not await may_read(service, stranger, answered)


async def test_a_file_in_a_note_is_for_staff_alone_until_it_is_sent(service: Replica) -> None:
    agent = Staff("坐席 1")
    visitor, conversation_id = await service.active(await service.inbox(), agent)
    file_id = new_id()
    await send(service, agent, conversation_id, holding(file_id), visibility=message_pb2.VISIBILITY_INTERNAL)
    assert await may_read(service, agent, file_id)
    assert not await may_read(service, visitor, file_id)
    sent = await send(service, agent, conversation_id, holding(file_id))
    assert await may_read(service, visitor, file_id)
    await service.staff.RecallMessage(
        pb.RecallMessageRequest(conversation_id=conversation_id, message_id=sent.id),
        metadata=service.as_(agent),
    )
    assert not await may_read(service, visitor, file_id)
    assert await may_read(service, agent, file_id)


async def test_members_of_the_queue_read_while_it_waits_and_the_mentioned_after(service: Replica) -> None:
    member, mentioned = Staff("坐席 1"), Staff("坐席 2")
    queue_id = await service.queue(member)
    visitor = await service.visitor(await service.inbox())
    file_id = new_id()
    conversation_id = (await send_own(service, visitor, holding(file_id))).conversation_id
    assert not await may_read(service, member, file_id)
    epoch = await service.hand_off(conversation_id, queue_id)
    assert await may_read(service, member, file_id)
    agent = Staff("李")
    await service.assign(conversation_id, agent, epoch)
    assert not await may_read(service, member, file_id)
    assert not await may_read(service, mentioned, file_id)
    await service.answer(
        agent,
        conversation_id,
        "看一下",
        visibility=message_pb2.VISIBILITY_INTERNAL,
        mention_user_ids=[mentioned.id],
    )
    assert await may_read(service, mentioned, file_id)


async def test_who_may_read_no_conversation_may_not_ask(service: Replica) -> None:
    with pytest.raises(PermissionDenied):
        await may_read(service, Staff("x", ("label.read",)), new_id())


async def test_the_message_of_a_file_is_found_by_its_index(service: Replica) -> None:
    agent = Staff("坐席 1")
    visitor, _ = await service.active(await service.inbox(), agent)
    await send_own(service, visitor, holding(new_id()))
    async with service.db.transaction() as tx:
        await tx.raw.execute("SET LOCAL enable_seqscan = off")
        plan = await tx.raw.fetch(f"EXPLAIN SELECT 1 {HOLDING} LIMIT 1", new_id())
    assert "messages_file" in "\n".join(row[0] for row in plan)
