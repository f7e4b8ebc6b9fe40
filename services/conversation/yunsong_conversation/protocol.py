"""The domain in the words of the contract: resources and events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson
from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message as ProtoMessage

from yunsong.conversation.v1 import (
    change_pb2,
    events_pb2,
    message_pb2,
    model_pb2,
)
from yunsong_conversation.domain import changes
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import Actor, Message

_Meta = events_pb2.ChangeMeta


# -- small things


def struct_of(json_text: str) -> struct_pb2.Struct | None:
    """A Struct of a stored JSON object; None for an empty one."""
    if json_text in ("{}", ""):
        return None
    struct = struct_pb2.Struct()
    struct.update(orjson.loads(json_text))
    return struct


def json_of(struct: struct_pb2.Struct) -> str:
    """The JSON text of a Struct, to store."""
    return orjson.dumps(MessageToDict(struct), option=orjson.OPT_SORT_KEYS).decode()


def time_of(message: ProtoMessage, field: str) -> dt.datetime | None:
    """A timestamp field as a datetime; None when it is not set."""
    if not message.HasField(field):
        return None
    value: dt.datetime = getattr(message, field).ToDatetime(dt.UTC)
    return value


@lru_cache(maxsize=4096)
def stamp(moment: dt.datetime) -> timestamp_pb2.Timestamp:
    """A timestamp; shared, so only to be assigned. All messages of a batch have the same moment."""
    value = timestamp_pb2.Timestamp()
    value.FromDatetime(moment)
    return value


def _stamp(moment: dt.datetime | None) -> timestamp_pb2.Timestamp | None:
    return None if moment is None else stamp(moment)


# -- resources


def message_of(message: Message, content: message_pb2.Content | None = None) -> message_pb2.Message:
    """A message as staff sees it. `content` spares parsing the stored bytes when the caller has it at hand."""
    if content is None and message.content is not None:
        content = message_pb2.Content.FromString(message.content)
    author = message.author
    return message_pb2.Message(
        id=message.id,
        conversation_id=message.conversation_id,
        rev=message.rev,
        public_rev=message.public_rev,
        author=message_pb2.Actor(kind=int(author.kind), id=author.id, name=author.name),  # type: ignore[arg-type]
        visibility=int(message.visibility),  # type: ignore[arg-type]
        content=content,
        client_id=message.client_id,
        reply_to_message_id=message.reply_to_message_id,
        mention_user_ids=message.mention_user_ids,
        delivery_state=int(message.delivery),  # type: ignore[arg-type]
        delivery_error=message.delivery_error,
        created_at=stamp(message.created_at),
        edited_at=_stamp(message.edited_at),
        recalled_at=_stamp(message.recalled_at),
        external_id=message.external_id,
        metadata=struct_pb2.Struct.FromString(message.metadata) if message.metadata else None,
        whisper=message.whisper,
    )


def conversation_of(c: Conversation) -> model_pb2.Conversation:
    """A conversation as staff sees it."""
    numbers: dict[str, Any] = {
        "state": int(c.state),
        "last_author_kind": int(c.last_author_kind),
        "close_reason": int(c.close_reason),
    }
    return model_pb2.Conversation(
        id=c.id,
        inbox_id=c.inbox_id,
        channel=c.channel,
        contact_id=c.contact_id,
        contact_name=c.contact_name,
        queue_id=c.queue_id,
        assignee_id=c.assignee_id,
        assignee_name=c.assignee_name,
        priority=c.priority,  # type: ignore[arg-type]
        subject=c.subject,
        attributes=struct_of(c.attributes),
        label_ids=c.label_ids,
        rev=c.rev,
        public_rev=c.public_rev,
        epoch=c.epoch,
        agent_read_rev=c.agent_read_rev,
        contact_read_rev=c.contact_read_rev,
        unread_count=c.unread_count,
        last_message_preview=c.last_message_preview,
        last_message_at=stamp(c.last_message_at),
        created_at=stamp(c.created_at),
        queued_at=_stamp(c.queued_at),
        first_assigned_at=_stamp(c.first_assigned_at),
        first_reply_at=_stamp(c.first_reply_at),
        due_at=_stamp(c.due_at),
        snoozed_until=_stamp(c.snoozed_until),
        resolved_at=_stamp(c.resolved_at),
        wrap_up_category_id=c.wrap_up_category_id,
        wrap_up_category_name=c.wrap_up_category_name,
        summary=c.summary,
        csat_score=c.csat_score,
        csat_comment=c.csat_comment,
        spam=c.spam,
        last_assignee_id=c.last_assignee_id,
        required_skills=c.required_skills,
        locale=c.locale,
        participant_ids=c.participant_ids,
        agent_read_public_rev=c.agent_read_public_rev,
        contact_read_public_rev=c.contact_read_public_rev,
        contact_unread_count=c.contact_unread_count,
        **numbers,
    )


# -- events


def event_of(
    conversation: Conversation,
    change: changes.Change,
    actor: Actor,
    content: message_pb2.Content | None = None,
) -> ProtoMessage:
    """The event of a change. The conversation stands as it was right after the change."""
    meta = events_pb2.ChangeMeta(
        conversation_id=conversation.id,
        rev=change.rev,
        public_rev=change.public_rev,
        occurred_at=stamp(change.at),
        actor=message_pb2.Actor(kind=int(actor.kind), id=actor.id, name=actor.name),  # type: ignore[arg-type]
        state=int(conversation.state),  # type: ignore[arg-type]
        contact_id=conversation.contact_id,
        inbox_id=conversation.inbox_id,
        channel=conversation.channel,
        assignee_id=conversation.assignee_id,
        queue_id=conversation.queue_id,
        epoch=conversation.epoch,
    )
    return _EVENTS[type(change)](meta, conversation, change, content)


def _posted(meta: _Meta, _c: Conversation, change: Any, content: message_pb2.Content | None) -> ProtoMessage:
    return events_pb2.MessagePosted(meta=meta, message=message_of(change.message, content))


def _edited(meta: _Meta, _c: Conversation, change: Any, _: Any) -> ProtoMessage:
    return events_pb2.MessageEdited(meta=meta, message=message_of(change.message))


def _recalled(meta: _Meta, _c: Conversation, change: Any, _: Any) -> ProtoMessage:
    return events_pb2.MessageRecalled(
        meta=meta,
        message_id=change.message_id,
        visibility=int(change.visibility),  # type: ignore[arg-type]
    )


def _read(meta: _Meta, _c: Conversation, change: Any, _: Any) -> ProtoMessage:
    return events_pb2.MessagesRead(
        meta=meta,
        reader_kind=int(change.reader),  # type: ignore[arg-type]
        read_rev=change.read_rev,
        public_read_rev=change.read_public_rev,
    )


def _delivered(meta: _Meta, _c: Conversation, change: Any, _: Any) -> ProtoMessage:
    return events_pb2.DeliveryChanged(
        meta=meta,
        message_id=change.message_id,
        delivery_state=int(change.delivery),  # type: ignore[arg-type]
        error=change.error,
    )


def _moved(meta: _Meta, c: Conversation, change: Any, _: Any) -> ProtoMessage:
    return events_pb2.StateChanged(
        meta=meta,
        from_state=int(change.start),  # type: ignore[arg-type]
        to_state=int(change.end),  # type: ignore[arg-type]
        reason=change.reason,
        conversation=conversation_of(c),
        preferred_agent_id=change.preferred_agent_id,
        required_agent_id=change.required_agent_id,
    )


def _created(meta: _Meta, c: Conversation, _change: Any, _: Any) -> ProtoMessage:
    return events_pb2.ConversationCreated(meta=meta, conversation=conversation_of(c))


def _updated(meta: _Meta, c: Conversation, change: Any, _: Any) -> ProtoMessage:
    return events_pb2.ConversationUpdated(
        meta=meta, conversation=conversation_of(c), changed_fields=change.fields
    )


def _rated(meta: _Meta, c: Conversation, change: Any, _: Any) -> ProtoMessage:
    return events_pb2.ConversationRated(
        meta=meta, score=change.score, comment=change.comment, conversation=conversation_of(c)
    )


_EVENTS: dict[type[changes.Change], Callable[[_Meta, Conversation, Any, Any], ProtoMessage]] = {
    changes.MessagePosted: _posted,
    changes.MessageEdited: _edited,
    changes.MessageRecalled: _recalled,
    changes.MessagesRead: _read,
    changes.DeliveryChanged: _delivered,
    changes.StateChanged: _moved,
    changes.ConversationCreated: _created,
    changes.ConversationUpdated: _updated,
    changes.ConversationRated: _rated,
}

_CHANGE_FIELD: dict[str, tuple[str, type[ProtoMessage]]] = {
    event.full_name: (field.name, getattr(events_pb2, event.name))
    for field in change_pb2.Change.DESCRIPTOR.oneofs_by_name["event"].fields
    if (event := field.message_type) is not None
}


def is_change(type_name: str) -> bool:
    """Whether events of this type are changes of a conversation."""
    return type_name in _CHANGE_FIELD


def change_of(type_name: str, payload: bytes, rev: int) -> change_pb2.Change:
    """A stored event as staff and services read it back."""
    name, event_type = _CHANGE_FIELD[type_name]
    return change_pb2.Change(rev=rev, **{name: event_type.FromString(payload)})  # type: ignore[arg-type]


def event_from(type_name: str, payload: bytes) -> ProtoMessage:
    """A stored event."""
    return _CHANGE_FIELD[type_name][1].FromString(payload)


def without_message(event: Any, message_id: str, preview: str) -> bool:
    """Removes from an event what a recalled message said; whether there was something."""
    fields = event.DESCRIPTOR.fields_by_name
    if "message" in fields and event.message.id == message_id and event.message.HasField("content"):
        event.message.ClearField("content")
        return True
    if "conversation" in fields and preview and event.conversation.last_message_preview == preview:
        event.conversation.last_message_preview = ""
        return True
    return False
