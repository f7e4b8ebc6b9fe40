"""What the contact sees of conversations, messages and changes. Live copies and read-backs are both made here."""

from __future__ import annotations

import datetime as dt
from typing import Any

from yunsong.conversation.v1 import contact_door_pb2, events_pb2, message_pb2, model_pb2
from yunsong_conversation.domain.conversation import rating_open
from yunsong_conversation.domain.states import State
from yunsong_conversation.protocol import time_of


def contact_change_of(event: Any) -> contact_door_pb2.ContactChange | None:
    """What the contact gets of an event; None when it must not see it. Live copies and read-backs are both made here."""
    meta = event.meta
    if not meta.public_rev:
        return None
    change = contact_door_pb2.ContactChange(
        public_rev=meta.public_rev, conversation_id=meta.conversation_id, occurred_at=meta.occurred_at
    )
    match event:
        case events_pb2.MessagePosted():
            change.message_posted.CopyFrom(contact_message_of(event.message))
        case events_pb2.MessageEdited():
            change.message_edited.CopyFrom(contact_message_of(event.message))
        case events_pb2.MessageRecalled():
            change.message_recalled_id = event.message_id
        case events_pb2.MessagesRead() if event.reader_kind == message_pb2.AUTHOR_KIND_CONTACT:
            change.read_public_rev = event.public_read_rev
        case events_pb2.MessagesRead():
            change.agent_read_public_rev = event.public_read_rev
        case _:
            now = meta.occurred_at.ToDatetime(dt.UTC)
            change.conversation_changed.CopyFrom(contact_conversation_of(event.conversation, now))
    return change


def contact_message_of(message: message_pb2.Message) -> contact_door_pb2.ContactMessage:
    """A public message as the contact sees it. Raises `ValueError` for an internal one: that is a fault of ours."""
    if message.visibility != message_pb2.VISIBILITY_PUBLIC:
        raise ValueError("an internal message has no form for the contact")
    own = message.author.kind == message_pb2.AUTHOR_KIND_CONTACT
    return contact_door_pb2.ContactMessage(
        id=message.id,
        conversation_id=message.conversation_id,
        public_rev=message.public_rev,
        author_kind=message.author.kind,
        author_name=message.author.name,
        content=message.content if message.HasField("content") else None,
        client_id=message.client_id if own else "",
        reply_to_message_id=message.reply_to_message_id,
        delivery_state=message.delivery_state,
        created_at=message.created_at,
        edited_at=message.edited_at if message.HasField("edited_at") else None,
        recalled_at=message.recalled_at if message.HasField("recalled_at") else None,
    )


def contact_conversation_of(
    c: model_pb2.Conversation, now: dt.datetime
) -> contact_door_pb2.ContactConversation:
    """A conversation as the contact sees it at `now`."""
    snoozed = c.state == model_pb2.CONVERSATION_STATE_SNOOZED
    can_rate = rating_open(State(c.state), time_of(c, "first_assigned_at"), time_of(c, "resolved_at"), now)
    return contact_door_pb2.ContactConversation(
        id=c.id,
        state=model_pb2.CONVERSATION_STATE_ACTIVE if snoozed else c.state,
        agent_name=c.assignee_name,
        public_rev=c.public_rev,
        agent_read_public_rev=c.agent_read_public_rev,
        read_public_rev=c.contact_read_public_rev,
        unread_count=c.contact_unread_count,
        created_at=c.created_at,
        resolved_at=c.resolved_at if c.HasField("resolved_at") else None,
        csat_score=c.csat_score,
        can_rate=can_rate,
    )
