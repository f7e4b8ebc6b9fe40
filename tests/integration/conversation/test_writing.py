"""Messages come in from many sides at once: none is lost, doubled or out of order, and none stops the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.integration.conversation.conftest import (
    SUPERVISOR_PERMISSIONS,
    Replica,
    Staff,
    Start,
    Visitor,
    text,
)
from yunsong.conversation.v1 import contact_door_pb2, conversation_pb2, internal_pb2, message_pb2, model_pb2
from yunsong_common.errors import AlreadyExists, PermissionDenied, ResourceExhausted
from yunsong_common.ids import new_id
from yunsong_conversation.repository import conversations

Append = internal_pb2.AppendEntry


async def append(
    service: Replica, *entries: Append, caller: str = "gateway"
) -> list[internal_pb2.AppendResult]:
    answer = await service.internal(caller).AppendMessages(
        internal_pb2.AppendMessagesRequest(entries=entries)
    )
    return list(answer.results)


async def stored(service: Replica, visitor: Visitor) -> list[contact_door_pb2.ContactMessage]:
    found = await service.door.ListMyConversations(
        contact_door_pb2.ListMyConversationsRequest(), metadata=service.as_(visitor)
    )
    assert len(found.conversations) == 1
    listed = await service.door.ListMyMessages(
        contact_door_pb2.ListMyMessagesRequest(conversation_id=found.conversations[0].id, page_size=200),
        metadata=service.as_(visitor),
    )
    return list(listed.messages)


async def test_simultaneous_first_messages_make_one_conversation(start: Start) -> None:
    replicas = [await start(), await start()]
    inbox = await replicas[0].inbox()
    for _ in range(5):
        visitor = await replicas[0].visitor(inbox)
        said = [replicas[n % 2].say(visitor, f"第{n}句") for n in range(8)]
        results = await asyncio.gather(*said)
        assert len({result.conversation_id for result in results}) == 1
        messages = await stored(replicas[1], visitor)
        assert Counter(m.id for m in messages) == Counter(result.id for result in results)
        # The conversation's beginning took the first revision.
        assert [m.public_rev for m in messages] == list(range(2, 10))


async def test_the_order_of_one_connection_is_kept(start: Start) -> None:
    replicas = [await start(append_batch=7), await start(append_batch=7)]
    inbox = await replicas[0].inbox()
    visitors = [await replicas[0].visitor(inbox) for _ in range(6)]

    async def talk(replica: Replica, visitor: Visitor, who: str) -> None:
        calls = []
        for n in range(30):
            entry = Append(principal=replica.token(visitor), client_id=f"{who}{n}", content=text(f"{who}{n}"))
            calls.append(asyncio.create_task(append(replica, entry)))
            await asyncio.sleep(0)
        for call in calls:
            assert not (await call)[0].error_reason

    await asyncio.gather(
        *(
            talk(replica, visitor, who)
            for visitor in visitors
            for replica, who in zip(replicas, "ab", strict=True)
        )
    )
    for visitor in visitors:
        said = [m.client_id for m in await stored(replicas[0], visitor)]
        for who in "ab":
            assert [one for one in said if one.startswith(who)] == [f"{who}{n}" for n in range(30)]


async def test_the_same_client_id_gives_the_same_message(service: Replica) -> None:
    visitor = await service.visitor(await service.inbox())
    first = await service.say(visitor, "你好", "one")
    again = await service.say(visitor, "你好", "one")
    assert first == again
    with pytest.raises(AlreadyExists, match="CLIENT_ID_REUSED"):
        await service.say(visitor, "再见", "one")
    token = service.token(visitor)
    entry = Append(principal=token, client_id="two", content=text("二"))
    results = await append(service, entry, entry)
    assert [r.duplicate for r in results] == [False, True]
    assert results[0].message_id == results[1].message_id


async def test_a_repetition_after_the_end_begins_nothing(service: Replica) -> None:
    visitor = await service.visitor(await service.inbox())
    first = await service.say(visitor, "你好", "one")
    await service.door.EndMyConversation(
        contact_door_pb2.EndMyConversationRequest(conversation_id=first.conversation_id),
        metadata=service.as_(visitor),
    )
    again = await service.say(visitor, "你好", "one")
    assert (again.id, again.conversation_id) == (first.id, first.conversation_id)
    assert len(await stored(service, visitor)) > 0
    assert (await service.say(visitor, "又来了", "two")).conversation_id != first.conversation_id


async def test_a_poisoned_entry_fails_alone(service: Replica) -> None:
    inbox = await service.inbox()
    good, blocked = await service.visitor(inbox), await service.visitor(inbox)
    conversation_id = (await service.say(good, "你好")).conversation_id
    async with service.db.transaction() as tx:
        await tx.raw.execute("UPDATE contacts SET blocked = true WHERE id = $1", blocked.id)
    stranger, outsider = Staff("路人"), await service.visitor(inbox)
    token = service.token(good)
    results = await append(
        service,
        Append(principal=token, client_id="1", content=text("好的")),
        Append(principal=token, client_id="2", content=text("a\0b")),
        Append(principal="forged.token", client_id="3", content=text("x")),
        Append(principal=service.token(blocked), client_id="4", content=text("x")),
        Append(
            principal=service.token(stranger),
            conversation_id=conversation_id,
            client_id="5",
            content=text("x"),
        ),
        Append(principal=service.token(stranger), conversation_id=new_id(), client_id="6", content=text("x")),
        Append(
            principal=service.token(outsider),
            conversation_id=conversation_id,
            client_id="7",
            content=text("x"),
        ),
        Append(
            conversation_id=conversation_id,
            client_id="8",
            content=text("x"),
            expected_state=model_pb2.CONVERSATION_STATE_ACTIVE,
        ),
        Append(conversation_id="no-uuid", client_id="9", content=text("x")),
        Append(principal=token, client_id="\0", content=text("x")),
        Append(principal=token, client_id="10", content=text("x"), reply_to_message_id=new_id()),
        Append(
            principal=token,
            client_id="11",
            content=message_pb2.Content(system=message_pb2.SystemContent(code="x")),
        ),
        Append(principal=token, client_id="12", content=text("也好")),
    )
    assert [r.error_reason for r in results] == [
        "",
        "CONTENT_INVALID",
        "PRINCIPAL_INVALID",
        "CONTACT_BLOCKED",
        "CONVERSATION_UNKNOWN",
        "CONVERSATION_UNKNOWN",
        "CONVERSATION_UNKNOWN",
        "STATE_UNEXPECTED",
        "CONVERSATION_INVALID",
        "TEXT_INVALID",
        "REPLY_UNKNOWN",
        "CONTENT_SYSTEM",
        "",
    ]
    assert all(r.error_code and r.error_message for r in results if r.error_reason)
    assert [m.content.text.text for m in await stored(service, good)] == ["你好", "好的", "也好"]


async def test_a_held_conversation_stalls_nobody_else(service: Replica) -> None:
    inbox = await service.inbox()
    held, free = await service.visitor(inbox), await service.visitor(inbox)
    conversation_id = (await service.say(held, "一")).conversation_id
    async with asyncio.timeout(10):
        async with service.db.transaction() as tx:
            await conversations.lock(tx, conversation_id)
            waiting = [asyncio.create_task(service.say(held, f"等{n}", f"w{n}")) for n in range(3)]
            for n in range(20):
                await service.say(free, f"快{n}")
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)
    assert len(await stored(service, held)) == 4


async def test_a_full_writer_says_so(start: Start) -> None:
    service = await start(append_pending=100)
    inbox = await service.inbox()
    visitor = await service.visitor(inbox)
    conversation_id = (await service.say(visitor, "一")).conversation_id
    token = service.token(visitor)
    async with service.db.transaction() as tx:
        await conversations.lock(tx, conversation_id)
        calls = [
            asyncio.create_task(
                append(
                    service,
                    *(Append(principal=token, client_id=f"{who}{n}", content=text("x")) for n in range(60)),
                )
            )
            for who in "ab"
        ]
        refused, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert len(refused) == 1
    refusals = [answer for answer in answers if isinstance(answer, ResourceExhausted)]
    assert [(refusal.reason, bool(refusal.retry_after_s)) for refusal in refusals] == [("WRITER_FULL", True)]


async def test_outside_messages_find_or_make_contact_and_conversation(service: Replica) -> None:
    inbox = await service.inbox(channel="api", bot_enabled=False)

    def entry(identity: str, external_id: str, words: str, **more: Any) -> internal_pb2.InboundEntry:
        return internal_pb2.InboundEntry(
            inbox_id=inbox.id, identity=identity, external_id=external_id, content=text(words), **more
        )

    async def post(*entries: internal_pb2.InboundEntry) -> list[internal_pb2.AppendResult]:
        request = internal_pb2.PostInboundRequest(entries=entries)
        return list((await service.internal("channel-adapter").PostInbound(request)).results)

    results = await post(
        entry("openid-1", "m1", "你好", contact_name="微信用户", verified=True),
        entry("openid-2", "m2", "hello", verified=True),
        entry("openid-1", "m3", "在吗", verified=True),
        entry("openid-1", "m1", "你好", verified=True),
        entry("openid-1", "m4", "冒充"),
    )
    assert [r.error_reason for r in results] == ["", "", "", "", "IDENTITY_VERIFIED"]
    assert [r.duplicate for r in results] == [False, False, False, True, False]
    assert results[0].conversation_id == results[2].conversation_id != results[1].conversation_id
    conversation = await service.get(results[0].conversation_id)
    assert conversation.state == model_pb2.CONVERSATION_STATE_QUEUED
    assert (conversation.contact_name, conversation.channel, conversation.epoch) == ("微信用户", "api", 1)
    [other_words, other_person, first] = await post(
        entry("openid-1", "m1", "你好!", verified=True),
        entry("openid-2", "m1", "你好", verified=True),
        entry("openid-1", "m1", "你好", verified=True),
    )
    assert [other_words.error_reason, other_person.error_reason] == ["EXTERNAL_ID_REUSED"] * 2
    assert (first.duplicate, first.message_id) == (True, results[0].message_id)
    [one, other] = await post(
        entry("openid-4", "n1", "一", verified=True), entry("openid-4", "n1", "二", verified=True)
    )
    assert (one.error_reason, other.error_reason) == ("", "EXTERNAL_ID_REUSED")
    again = await asyncio.gather(*(post(entry("openid-3", "same", "同时", verified=True)) for _ in range(6)))
    assert len({r[0].message_id for r in again}) == 1
    assert sum(not r[0].duplicate for r in again) == 1


async def test_a_contact_who_writes_wakes_and_reopens(service: Replica) -> None:
    agent = Staff("坐席 1")
    inbox = await service.inbox(reopen_window_s=3600, bot_enabled=False)
    visitor, conversation_id = await service.active(inbox, agent)
    epoch = (await service.get(conversation_id)).epoch
    await service.staff.CloseConversation(
        conversation_pb2.CloseConversationRequest(conversation_id=conversation_id),
        metadata=service.as_(agent),
    )
    message = await service.say(visitor, "还有问题")
    assert message.conversation_id == conversation_id
    again = await service.get(conversation_id)
    assert again.state == model_pb2.CONVERSATION_STATE_QUEUED
    assert (again.epoch, again.assignee_id, again.last_assignee_id) == (epoch + 1, "", agent.id)
    assert not again.HasField("resolved_at")
    await service.assign(conversation_id, agent, again.epoch)
    await service.staff.CloseConversation(
        conversation_pb2.CloseConversationRequest(conversation_id=conversation_id),
        metadata=service.as_(agent),
    )
    service.later(hours=2)
    assert (await service.say(visitor, "新问题")).conversation_id != conversation_id


async def test_notes_mentions_and_whispers_stay_inside(service: Replica) -> None:
    agent, colleague = Staff("坐席 1"), Staff("小王")
    boss = Staff("主管", SUPERVISOR_PERMISSIONS)
    visitor, conversation_id = await service.active(await service.inbox(), agent)
    with pytest.raises(PermissionDenied, match="SUPERVISE_REQUIRED"):
        await service.answer(agent, conversation_id, "悄悄", whisper=True)
    note = await service.answer(
        agent, conversation_id, "@小王 看看", visibility=2, mention_user_ids=[colleague.id]
    )
    whisper = await service.answer(boss, conversation_id, "慢一点", whisper=True)
    assert (note.public_rev, whisper.public_rev, whisper.visibility) == (
        0,
        0,
        message_pb2.VISIBILITY_INTERNAL,
    )
    # Who is mentioned may read along and leave a note, not answer.
    await service.answer(colleague, conversation_id, "看过了", visibility=2)
    changes = await service.door.ReadMyChanges(
        contact_door_pb2.ReadMyChangesRequest(conversation_id=conversation_id), metadata=service.as_(visitor)
    )
    assert "悄悄" not in str(changes)
    assert not any(
        word in text_ for text_ in map(str, changes.changes) for word in ("看看", "慢一点", "看过")
    )
    assert (await service.get(conversation_id)).last_message_preview == "转人工"


async def test_each_entry_of_a_call_stays_in_its_own_trace(service: Replica) -> None:
    inbox = await service.inbox()
    visitors = [await service.visitor(inbox) for _ in range(3)]
    traces = [f"00-{n:032x}-{n:016x}-01" for n in (1, 2)]
    entries = [
        Append(principal=service.token(visitor), client_id="1", content=text("hi"), traceparent=traceparent)
        for visitor, traceparent in zip(visitors, [*traces, "no traceparent"], strict=True)
    ]
    results = await append(service, *entries)
    async with service.db.read() as tx:
        rows = await tx.raw.fetch(
            "SELECT entity_id::text AS id, headers->>'traceparent' AS traceparent FROM outbox "
            "WHERE type LIKE '%MessagePosted' AND entity_id = ANY ($1)",
            [result.conversation_id for result in results],
        )
    found = {row["id"]: row["traceparent"] for row in rows}
    kept = [found[result.conversation_id] for result in results]
    assert kept[:2] == traces
    assert kept[2] not in (*traces, "no traceparent")
