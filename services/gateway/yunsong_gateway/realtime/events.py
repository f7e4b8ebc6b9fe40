"""Events and changes as frames: encoded once, whoever receives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

from yunsong.bot.v1 import events_pb2 as bot_events_pb2
from yunsong.channel.v1 import events_pb2 as channel_events_pb2
from yunsong.conversation.v1 import change_pb2, contact_door_pb2, conversation_pb2, internal_pb2
from yunsong.conversation.v1 import events_pb2 as conversation_events_pb2
from yunsong.gateway.v1 import events_pb2 as gateway_events_pb2
from yunsong.gateway.v1 import gateway_pb2
from yunsong.qa.v1 import events_pb2 as qa_events_pb2
from yunsong.router.v1 import events_pb2 as router_events_pb2
from yunsong.router.v1 import router_pb2
from yunsong_gateway.realtime.socket import json_frame
from yunsong_gateway.transcoding import enums
from yunsong_gateway.transcoding.contract import Contract
from yunsong_gateway.transcoding.encode import Encoders

_MODULES = (
    bot_events_pb2,
    channel_events_pb2,
    conversation_events_pb2,
    contact_door_pb2,
    gateway_events_pb2,
    qa_events_pb2,
    router_events_pb2,
)
_FILES = (*_MODULES, change_pb2, conversation_pb2, internal_pb2, gateway_pb2, router_pb2)


def own_contract() -> Contract:
    """The contract as this gateway was built with it: for frames, whose code knows the messages."""
    contract = Contract()
    seen: set[str] = set()

    def visit(file: FileDescriptor) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            visit(dependency)
        contract.add_file(descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb))

    for module in _FILES:
        visit(module.DESCRIPTOR)
    return contract


CONTRACT = own_contract()
ENCODERS = Encoders(CONTRACT)


def event_types() -> dict[str, type[Message]]:
    """Every event of the contract by its name on the bus, such as "yunsong.conversation.v1.message_posted"."""
    return dict(_event_types())


def _event_types() -> Iterator[tuple[str, type[Message]]]:
    for module in _MODULES:
        for name, descriptor in module.DESCRIPTOR.message_types_by_name.items():
            rules = CONTRACT.events.get(descriptor.full_name)
            if rules is not None:
                package = "yunsong.live.v1" if rules.live else descriptor.file.package
                yield f"{package}.{enums.snake_case(name)}", getattr(module, name)


EVENT_TYPES = event_types()


def conversation_event(name: str, event: Any) -> tuple[int, bytes]:
    """An event of the conversation service for staff: (revision, frame)."""
    meta = event.meta
    frame = json_frame(
        {
            "type": "event",
            "topic": "conversation",
            "id": meta.conversation_id,
            "rev": meta.rev,
            "event": name,
            "data": ENCODERS.encode(event),
        }
    )
    return meta.rev, frame


def staff_change(change: change_pb2.Change) -> tuple[int, bytes]:
    """An entry of the change log, as the same frame that the event made when it passed."""
    name = change.WhichOneof("event")
    return conversation_event(name, getattr(change, name)) if name else (change.rev, b"")


def contact_change(change: contact_door_pb2.ContactChange) -> tuple[int, bytes]:
    """A change as its contact may see it: (the contact's revision, frame)."""
    name = change.WhichOneof("event") or ""
    value = getattr(change, name) if name else None
    frame = json_frame(
        {
            "type": "event",
            "topic": "conversation",
            "id": change.conversation_id,
            "rev": change.public_rev,
            "event": name,
            "data": ENCODERS.encode(value) if isinstance(value, Message) else value,
            "occurred_at": ENCODERS.encode(change.occurred_at),
        }
    )
    return change.public_rev, frame


def feed_entry(entry: router_events_pb2.AgentFeedChanged) -> tuple[int, bytes]:
    """An entry of an agent's feed: (the feed's revision, frame)."""
    frame = json_frame(
        {
            "type": "event",
            "topic": "feed",
            "id": entry.agent_id,
            "rev": entry.rev,
            "event": "agent_feed_changed",
            "data": ENCODERS.encode(entry),
        }
    )
    return entry.rev, frame


def live_frame(topic: str, entity_id: str, name: str, message: Message) -> bytes:
    """Something without a revision: typing, a position in the queue, a board."""
    return json_frame(
        {"type": "live", "topic": topic, "id": entity_id, "event": name, "data": ENCODERS.encode(message)}
    )
