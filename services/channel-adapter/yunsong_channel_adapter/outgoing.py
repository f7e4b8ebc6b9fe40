"""From the conversation service's messages to deliveries, and from a delivery's death to its event."""

from __future__ import annotations

import datetime as dt
from typing import Any

from google.protobuf.json_format import MessageToDict

from yunsong.channel.v1 import events_pb2 as channel_events_pb2
from yunsong.conversation.v1 import events_pb2, message_pb2
from yunsong_channel_adapter.channels import Catalogue
from yunsong_channel_adapter.domain.content import fit
from yunsong_channel_adapter.domain.delivery import Delivery
from yunsong_channel_adapter.repository.deliveries import NewDelivery

_AUTHORS = {
    message_pb2.AUTHOR_KIND_AGENT: "agent",
    message_pb2.AUTHOR_KIND_BOT: "bot",
    message_pb2.AUTHOR_KIND_SYSTEM: "system",
    message_pb2.AUTHOR_KIND_API: "api",
}


def goes_out(event: events_pb2.MessagePosted, catalogue: Catalogue) -> bool:
    """False for what the contact wrote or must not see, and for channels that send nothing."""
    message = event.message
    if message.visibility != message_pb2.VISIBILITY_PUBLIC or message.author.kind not in _AUTHORS:
        return False
    # A channel that is not installed just now keeps its messages: they die with a sentence and can be replayed.
    channel = catalogue.find(event.meta.channel)
    return channel is None or bool(channel.sends)


def delivery_for(event: events_pb2.MessagePosted, catalogue: Catalogue) -> NewDelivery | None:
    """The delivery of a message that `goes_out`; None also where its channel cannot carry anything of it."""
    if not goes_out(event, catalogue):
        return None
    message = event.message
    stored = stored_message(message)
    channel = catalogue.find(event.meta.channel)
    if channel is not None and fit(stored["content"], channel.sends) is None:
        return None
    return NewDelivery(
        inbox_id=event.meta.inbox_id,
        conversation_id=event.meta.conversation_id,
        contact_id=event.meta.contact_id,
        message_id=message.id,
        rev=message.rev or event.meta.rev,
        message=stored,
    )


def stored_message(message: message_pb2.Message) -> dict[str, Any]:
    """What is kept of a message until it is delivered."""
    return {
        "content": MessageToDict(message.content, preserving_proto_field_name=True),
        "author_kind": _AUTHORS.get(message.author.kind, "system"),
        "author_name": message.author.name,
        "created_at": message.created_at.ToJsonString(),
    }


def death_of(delivery: Delivery, error: str, now: dt.datetime) -> channel_events_pb2.DeliveryDied:
    """The event that a delivery failed for good."""
    event = channel_events_pb2.DeliveryDied(
        conversation_id=delivery.conversation_id,
        message_id=delivery.message_id,
        inbox_id=delivery.inbox_id,
        error=error,
    )
    event.occurred_at.FromDatetime(now)
    return event
