"""Between the contract's messages and the domain. No rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from yunsong.channel.v1 import channel_pb2, model_pb2
from yunsong_channel_adapter.domain.delivery import Delivery
from yunsong_channel_adapter.domain.inbox import Inbox, normal_origins


def inbox_from(message: model_pb2.Inbox) -> Inbox:
    """What a caller may say of an inbox; what the server sets is left empty."""
    return Inbox(
        id="",
        key="",
        name=message.name.strip(),
        channel=message.channel,
        enabled=message.enabled if message.HasField("enabled") else True,
        bot_enabled=message.bot_enabled,
        queue_id=message.queue_id,
        allowed_origins=normal_origins(message.allowed_origins),
        identity_required=message.identity_required,
        reopen_window_s=message.reopen_window_s,
        idle_reminder_s=message.idle_reminder_s,
        idle_close_s=message.idle_close_s,
        greeting=dict(message.greeting),
        widget=MessageToDict(message.widget, preserving_proto_field_name=True),
        config=json_of(message.config),
        required_skills=dict(message.required_skills),
    )


def inbox_to(inbox: Inbox) -> model_pb2.Inbox:
    """The resource as staff and services see it; it holds no secret."""
    return model_pb2.Inbox(
        id=inbox.id,
        name=inbox.name,
        channel=inbox.channel,
        key=inbox.key,
        enabled=inbox.enabled,
        bot_enabled=inbox.bot_enabled,
        queue_id=inbox.queue_id,
        allowed_origins=inbox.allowed_origins,
        identity_required=inbox.identity_required,
        reopen_window_s=inbox.reopen_window_s,
        idle_reminder_s=inbox.idle_reminder_s,
        idle_close_s=inbox.idle_close_s,
        greeting=inbox.greeting,
        widget=widget_of(inbox.widget),
        config=struct_of(inbox.config),
        created_at=timestamp_of(inbox.created_at),
        rev=inbox.rev,
        required_skills=inbox.required_skills,
    )


def public_inbox_to(inbox: Inbox) -> channel_pb2.PublicInbox:
    """What anyone may know of an inbox."""
    return channel_pb2.PublicInbox(
        id=inbox.id,
        key=inbox.key,
        name=inbox.name,
        channel=inbox.channel,
        allowed_origins=inbox.allowed_origins,
        widget=widget_of(inbox.widget),
        greeting=inbox.greeting,
        identity_required=inbox.identity_required,
    )


def delivery_to(delivery: Delivery) -> channel_pb2.Delivery:
    """The resource as staff see it, without the message's text."""
    return channel_pb2.Delivery(
        id=delivery.id,
        inbox_id=delivery.inbox_id,
        conversation_id=delivery.conversation_id,
        message_id=delivery.message_id,
        rev=delivery.rev,
        status=channel_pb2.DeliveryStatus.Value(f"DELIVERY_STATUS_{delivery.status}"),
        attempts=delivery.attempts,
        error=delivery.error,
        next_attempt_at=timestamp_of(delivery.next_attempt_at),
        created_at=timestamp_of(delivery.created_at),
        sent_at=timestamp_of(delivery.sent_at),
    )


def json_of(struct: Struct) -> dict[str, Any]:
    """A Struct as plain JSON. Its numbers are all floats; whole ones become integers again."""
    return {name: _plain(value) for name, value in MessageToDict(struct).items()}


def struct_of(value: Mapping[str, Any]) -> Struct:
    """Plain JSON as a Struct."""
    struct = Struct()
    struct.update(value)
    return struct


def widget_of(value: Mapping[str, Any]) -> model_pb2.WidgetSettings:
    """The stored settings of a widget; what a later release added is left out."""
    return ParseDict(dict(value), model_pb2.WidgetSettings(), ignore_unknown_fields=True)


def timestamp_of(when: dt.datetime | None) -> Timestamp | None:
    """A time, or None for none."""
    if when is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(when)
    return timestamp


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
