"""Contacts: identities, merge, block, erase, and the door each of them comes in by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from tests.integration.conversation.conftest import ADMIN_PERMISSIONS, Replica, Staff, Visitor
from yunsong.conversation.v1 import contact_door_pb2, contact_pb2, conversation_pb2, internal_pb2, model_pb2
from yunsong_common.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound, PermissionDenied
from yunsong_common.ids import new_id

ADMIN = Staff("管理员", ADMIN_PERMISSIONS)


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


async def ensure(
    service: Replica, inbox_id: str, external_id: str, **claim: Any
) -> internal_pb2.EnsureContactResponse:
    return await service.internal("gateway").EnsureContact(
        internal_pb2.EnsureContactRequest(inbox_id=inbox_id, external_id=external_id, **claim)
    )


async def test_a_verified_identity_is_never_given_to_an_anonymous_caller(service: Replica) -> None:
    inbox = await service.inbox()
    owner = await ensure(service, inbox.id, "user-1", verified=True, name="客户 1", email="m@shop.example")
    assert (await ensure(service, inbox.id, "user-1", verified=True)).contact.id == owner.contact.id
    with pytest.raises(PermissionDenied, match="IDENTITY_VERIFIED"):
        await ensure(service, inbox.id, "user-1")


async def test_who_used_a_name_before_its_owner_loses_it(service: Replica) -> None:
    inbox = await service.inbox()
    squatter = Visitor((await ensure(service, inbox.id, "user-2")).contact.id, inbox.id)
    theirs = await service.say(squatter, "我先来的")
    owner = await ensure(service, inbox.id, "user-2", verified=True)
    assert owner.contact.id != squatter.id
    assert not owner.HasField("open_conversation")
    said = await service.say(Visitor(owner.contact.id, inbox.id, verified=True), "机密")
    assert said.conversation_id != theirs.conversation_id
    with pytest.raises(NotFound):
        await service.door.GetMyConversation(
            contact_door_pb2.GetMyConversationRequest(conversation_id=said.conversation_id),
            metadata=service.as_(squatter),
        )


async def test_what_was_written_before_signing_in_moves_over(service: Replica) -> None:
    inbox = await service.inbox()
    guest = await service.visitor(inbox, "session-1", name="访客")
    before = await service.say(guest, "有货吗")
    user = await ensure(service, inbox.id, "user-3", verified=True, previous_external_id="session-1")
    assert user.open_conversation.id == before.conversation_id
    signed_in = Visitor(user.contact.id, inbox.id, verified=True)
    assert (await service.say(signed_in, "还是我")).conversation_id == before.conversation_id
    # The old name leads to nobody who has proved anything.
    assert (await ensure(service, inbox.id, "session-1")).contact.id not in (user.contact.id, guest.id)
    with pytest.raises(PermissionDenied, match="IDENTITY_VERIFIED"):
        await service.say(guest, "旧会话")
    # Both have an open conversation: the guest's is closed as merged.
    other = await service.visitor(inbox, "session-2")
    second = await service.say(other, "第二台设备")
    again = await ensure(service, inbox.id, "user-3", verified=True, previous_external_id="session-2")
    assert again.open_conversation.id == before.conversation_id
    closed = await service.get(second.conversation_id)
    assert (closed.close_reason, closed.contact_id) == (model_pb2.CLOSE_REASON_MERGED, user.contact.id)


async def test_simultaneous_claims_make_one_contact(service: Replica) -> None:
    inbox = await service.inbox()
    answers = await asyncio.gather(*(ensure(service, inbox.id, "same") for _ in range(8)))
    assert len({answer.contact.id for answer in answers}) == 1


async def test_a_contact_cannot_be_known_on_an_inbox_that_is_gone(service: Replica) -> None:
    gone = await service.inbox(deleted=True)
    request = contact_pb2.CreateContactRequest(
        contact=contact_pb2.ContactFields(name="Li"),
        identities=[contact_pb2.NewIdentity(inbox_id=gone.id, external_id="vip-78")],
    )
    with pytest.raises(NotFound, match="INBOX_UNKNOWN"):
        await service.contacts.CreateContact(request, metadata=service.as_(ADMIN))


async def test_a_name_cannot_turn_the_text_around_it(service: Replica) -> None:
    request = contact_pb2.CreateContactRequest(contact=contact_pb2.ContactFields(name="\u202eLi\nMing\u0007"))
    made = await service.contacts.CreateContact(request, metadata=service.as_(ADMIN))
    assert made.name == "Li Ming"
    changed = await service.contacts.UpdateContact(
        contact_pb2.UpdateContactRequest(
            contact_id=made.id,
            contact=contact_pb2.ContactFields(name="Wang\u2066"),
            update_mask=FieldMask(paths=["name"]),
        ),
        metadata=service.as_(ADMIN),
    )
    assert changed.name == "Wang"


async def test_contacts_are_made_changed_and_found(service: Replica) -> None:
    inbox = await service.inbox()
    as_admin = service.as_(ADMIN)
    request = contact_pb2.CreateContactRequest(
        contact=contact_pb2.ContactFields(
            name="欧阳小云", email="Cloud@shop.example", phone="+8613800138000"
        ),
        identities=[contact_pb2.NewIdentity(inbox_id=inbox.id, external_id="vip-77")],
    )
    key = new_id()
    made = await service.contacts.CreateContact(request, metadata=service.as_(ADMIN, idempotency_key=key))
    same = await service.contacts.CreateContact(request, metadata=service.as_(ADMIN, idempotency_key=key))
    assert made == same
    with pytest.raises(AlreadyExists, match="IDENTITY_TAKEN"):
        await service.contacts.CreateContact(request, metadata=as_admin)
    for query in ("阳小", "cloud@", "0138", "p-77", "欧"):
        found = await service.contacts.ListContacts(
            contact_pb2.ListContactsRequest(query=query), metadata=as_admin
        )
        assert made.id in [contact.id for contact in found.contacts], query
    missed = await service.contacts.ListContacts(
        contact_pb2.ListContactsRequest(query="云小"), metadata=as_admin
    )
    assert made.id not in [contact.id for contact in missed.contacts]

    changed = await service.contacts.UpdateContact(
        contact_pb2.UpdateContactRequest(
            contact_id=made.id,
            contact=contact_pb2.ContactFields(name="欧阳云", attributes=struct(level="gold", age=30)),
            update_mask=FieldMask(paths=["name", "attributes.level"]),
            rev=made.rev,
        ),
        metadata=as_admin,
    )
    assert (changed.name, changed.email, dict(changed.attributes)) == (
        "欧阳云",
        made.email,
        {"level": "gold"},
    )
    with pytest.raises(Aborted, match="REVISION_CHANGED"):
        await service.contacts.UpdateContact(
            contact_pb2.UpdateContactRequest(
                contact_id=made.id,
                contact=contact_pb2.ContactFields(name="x"),
                update_mask=FieldMask(paths=["name"]),
                rev=made.rev,
            ),
            metadata=as_admin,
        )


async def test_a_list_of_contacts_is_paged(service: Replica) -> None:
    inbox = await service.inbox()
    visitors = {(await service.visitor(inbox)).id for _ in range(5)}
    seen: list[str] = []
    token = ""
    while True:
        page = await service.contacts.ListContacts(
            contact_pb2.ListContactsRequest(inbox_id=inbox.id, page_size=2, page_token=token),
            metadata=service.as_(ADMIN),
        )
        seen += [contact.id for contact in page.contacts]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == 5
    assert set(seen) == visitors


async def test_a_merge_moves_everything(service: Replica) -> None:
    web, api = await service.inbox(), await service.inbox(channel="api")
    stays, goes = (
        await service.visitor(web, name="客户 1"),
        await service.visitor(api, email="m@shop.example"),
    )
    theirs = await service.say(goes, "从微信来")
    as_admin = service.as_(ADMIN)
    with pytest.raises(FailedPrecondition, match="MERGE_SELF"):
        await service.contacts.MergeContacts(
            contact_pb2.MergeContactsRequest(contact_id=stays.id, merged_contact_id=stays.id),
            metadata=as_admin,
        )
    merged = await service.contacts.MergeContacts(
        contact_pb2.MergeContactsRequest(contact_id=stays.id, merged_contact_id=goes.id), metadata=as_admin
    )
    assert (merged.name, merged.email) == ("客户 1", "m@shop.example")
    assert {identity.inbox_id for identity in merged.identities} == {web.id, api.id}
    assert (await service.get(theirs.conversation_id)).contact_id == stays.id
    with pytest.raises(NotFound):
        await service.contacts.GetContact(
            contact_pb2.GetContactRequest(contact_id=goes.id), metadata=as_admin
        )
    # A session that was opened before goes on in the same conversation.
    assert (await service.say(goes, "继续")).conversation_id == theirs.conversation_id
    other = await service.visitor(web)
    await service.say(other, "一")
    await service.say(stays, "二")
    with pytest.raises(FailedPrecondition, match="MERGE_OPEN_CONFLICT"):
        await service.contacts.MergeContacts(
            contact_pb2.MergeContactsRequest(contact_id=stays.id, merged_contact_id=other.id),
            metadata=as_admin,
        )


async def test_an_erased_contact_leaves_nothing(service: Replica) -> None:
    inbox = await service.inbox()
    visitor = await service.visitor(inbox, name="独特姓名")
    said = await service.say(visitor, "独特内容")
    await service.contacts.EraseContact(
        contact_pb2.EraseContactRequest(contact_id=visitor.id), metadata=service.as_(ADMIN)
    )
    with pytest.raises(NotFound):
        await service.get(said.conversation_id)
    async with service.db.read() as tx:
        payloads = [row[0] for row in await tx.raw.fetch("SELECT payload FROM outbox")]
        erased = await tx.raw.fetchval(
            "SELECT count(*) FROM outbox WHERE type = 'yunsong.conversation.v1.ContactErased' AND entity_id = $1",
            visitor.id,
        )
        left = await tx.raw.fetchval(
            "SELECT count(*) FROM messages WHERE conversation_id = $1", said.conversation_id
        )
    assert not any("独特".encode() in payload for payload in payloads)
    assert (erased, left) == (1, 0)
    with pytest.raises(NotFound):
        await service.say(visitor, "还在")


async def test_a_blocked_contact_is_refused_until_it_is_admitted(service: Replica) -> None:
    inbox = await service.inbox()
    visitor = await service.visitor(inbox, "blocked-1")
    await service.say(visitor, "你好")

    async def block(blocked: bool) -> None:
        await service.contacts.SetContactBlocked(
            contact_pb2.SetContactBlockedRequest(contact_id=visitor.id, blocked=blocked),
            metadata=service.as_(ADMIN),
        )

    await block(True)
    with pytest.raises(PermissionDenied, match="CONTACT_BLOCKED"):
        await service.say(visitor, "再来")
    with pytest.raises(PermissionDenied, match="CONTACT_BLOCKED"):
        await ensure(service, inbox.id, "blocked-1")
    await block(False)
    await service.say(visitor, "谢谢")


async def test_a_contact_s_own_door(service: Replica) -> None:
    inbox = await service.inbox()
    one, two = await service.visitor(inbox), await service.visitor(inbox)
    theirs = await service.say(one, "我的")
    doors: list[tuple[Any, Any]] = [
        (service.door.GetMyConversation, contact_door_pb2.GetMyConversationRequest),
        (service.door.ListMyMessages, contact_door_pb2.ListMyMessagesRequest),
        (service.door.ReadMyChanges, contact_door_pb2.ReadMyChangesRequest),
        (service.door.RequestAgent, contact_door_pb2.RequestAgentRequest),
        (service.door.EndMyConversation, contact_door_pb2.EndMyConversationRequest),
    ]
    for call, request in doors:
        with pytest.raises(NotFound, match="CONVERSATION_UNKNOWN"):
            await call(request(conversation_id=theirs.conversation_id), metadata=service.as_(two))
    with pytest.raises(PermissionDenied):
        await service.staff.GetConversation(
            conversation_pb2.GetConversationRequest(conversation_id=theirs.conversation_id),
            metadata=service.as_(one),
        )
    asked = await service.door.RequestAgent(
        contact_door_pb2.RequestAgentRequest(conversation_id=theirs.conversation_id),
        metadata=service.as_(one),
    )
    assert asked.state == model_pb2.CONVERSATION_STATE_QUEUED
    ended = await service.door.EndMyConversation(
        contact_door_pb2.EndMyConversationRequest(conversation_id=theirs.conversation_id),
        metadata=service.as_(one),
    )
    assert ended.state == model_pb2.CONVERSATION_STATE_RESOLVED
    assert (await service.get(theirs.conversation_id)).close_reason == model_pb2.CLOSE_REASON_ABANDONED
    profile = await service.door.UpdateMyProfile(
        contact_door_pb2.UpdateMyProfileRequest(name="小红", attributes=struct(page="/cart")),
        metadata=service.as_(one),
    )
    assert (profile.name, profile.verified) == ("小红", False)
    assert (
        await service.door.GetMyProfile(contact_door_pb2.GetMyProfileRequest(), metadata=service.as_(one))
    ) == profile
