"""The AsyncAPI 3.0 document of the socket."""

from __future__ import annotations

from typing import Any

import orjson

from yunsong.conversation.v1 import change_pb2, contact_door_pb2, conversation_pb2, internal_pb2
from yunsong.conversation.v1 import events_pb2 as conversation_events_pb2
from yunsong.qa.v1 import events_pb2 as qa_events_pb2
from yunsong.router.v1 import events_pb2 as router_events_pb2
from yunsong.router.v1 import router_pb2
from yunsong_gateway.openapi.problem import PROBLEM
from yunsong_gateway.openapi.schema import Schema, Schemas
from yunsong_gateway.realtime.events import CONTRACT
from yunsong_gateway.realtime.socket import CloseCode
from yunsong_gateway.transcoding.scalars import message_type_of

_REF: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "description": "Repeated in the answer."}
_TOPIC: Schema = {"enum": ["conversation", "feed", "queue", "alerts"]}
_REV: Schema = {"type": "integer", "minimum": 0}


def asyncapi(version: str) -> bytes:
    """The document as JSON."""
    schemas = Schemas()
    sent = _client_frames(schemas)
    received = _server_frames(schemas)
    messages = {**sent, **received}
    return orjson.dumps(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "Yunsong socket", "version": version, "description": _DESCRIPTION},
            "channels": {
                "socket": {
                    "address": "/api/v1/ws",
                    "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                    "bindings": {"ws": {"method": "GET"}},
                }
            },
            "operations": {
                "fromClient": _operation("receive", sent),
                "toClient": _operation("send", received),
            },
            "components": {
                "messages": {
                    name: {"name": name, "contentType": "application/json", "payload": payload}
                    for name, payload in messages.items()
                },
                "schemas": {**schemas.components, "Problem": PROBLEM},
            },
        }
    )


def _operation(action: str, messages: dict[str, Schema]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in messages],
    }


_DESCRIPTION = f"""One JSON object per text frame, at most 64 KiB.

Sign-in: `Authorization: Bearer <token>` on the handshake, or the subprotocols `yunsong.v1, bearer.<token>`, or a first
frame `hello` within 10 seconds. The token is a member of staff's access token, an API key, or a contact's token.

Every frame of a client carries a `ref`, which its `ack` or `error` repeats. An `ack` of `send` means committed; the same
`client_id` gives the same message again, so a client that lost the answer sends again.

Order and gaps: events of a topic carry `rev`, without a gap. A client drops what it has and holds what comes early. It
subscribes again with `after_rev` = the last revision it has: after a reconnect, when a heartbeat's `heads` is ahead of it for
longer than a moment, or after a `resync`. With `snapshot_required` it first reads the conversation and its messages by REST. For a
contact, `rev` is the contact's own revision (`public_rev`).

A contact is subscribed to its conversation by sending to it, and when one begins.

Close codes: {CloseCode.UNAUTHENTICATED} sign in (again); {CloseCode.CHANGED} rights changed, connect again; {CloseCode.SLOW} the reader did
not keep up, connect again and resume; {CloseCode.FLOOD} far too many frames; {CloseCode.RESTART} the server restarts, connect again;
1009 a frame was too large."""


def _frame(name: str, description: str, properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {"type": {"const": name}, **properties},
        "required": ["type", *required],
    }


def _client_frames(schemas: Schemas) -> dict[str, Schema]:
    def members(descriptor: Any, without: tuple[str, ...] = ()) -> Schema:
        found = schemas.object(descriptor, CONTRACT, is_input=True, without=without)["properties"]
        return dict(found)

    entry = internal_pb2.AppendEntry.DESCRIPTOR
    internal_only = ("principal", "expected_state", "author_kind", "metadata")
    typing = {
        "conversation_id": {"type": "string", "format": "uuid"},
        "active": {"type": "boolean", "default": True},
        "internal": {
            "type": "boolean",
            "default": False,
            "description": "Staff only: hidden from the contact.",
        },
    }
    subscription = {
        "topic": _TOPIC,
        "id": {"type": "string", "description": "The conversation or queue; * = all queues."},
    }
    return {
        "hello": _frame("hello", "Signs in.", {"ref": _REF, "token": {"type": "string"}}, ["token"]),
        "send": _frame(
            "send",
            "Writes a message. A contact may leave the conversation out, and has neither visibility, mentions nor whisper.",
            {"ref": _REF, **members(entry, internal_only)},
            ["ref", "client_id", "content"],
        ),
        "subscribe": _frame(
            "subscribe",
            "Asks for the events of a topic after a revision; without it, from now on.",
            {"ref": _REF, **subscription, "after_rev": _REV},
            ["ref", "topic"],
        ),
        "unsubscribe": _frame(
            "unsubscribe", "Ends a subscription.", {"ref": _REF, **subscription}, ["ref", "topic"]
        ),
        "read": _frame(
            "read",
            "Marks what has been read; through_rev is in the revisions of who asks.",
            {"ref": _REF, **members(conversation_pb2.MarkReadRequest.DESCRIPTOR)},
            ["ref", "conversation_id", "through_rev"],
        ),
        "typing": _frame(
            "typing",
            "Says that one types, in a conversation one subscribes to.",
            {"ref": _REF, **typing},
            ["ref", "conversation_id"],
        ),
        "presence": _frame(
            "presence",
            "Sets one's own presence as an agent.",
            {"ref": _REF, **members(router_pb2.SetMyPresenceRequest.DESCRIPTOR)},
            ["ref", "presence"],
        ),
        "ping": _frame("ping", "Asks for a pong.", {"ref": _REF}, ["ref"]),
    }


def _server_frames(schemas: Schemas) -> dict[str, Schema]:
    def one(message: Any) -> Schema:
        return schemas.ref(message.DESCRIPTOR, CONTRACT, is_input=False)

    names = [field.name for field in change_pb2.Change.DESCRIPTOR.oneofs_by_name["event"].fields]
    own = contact_door_pb2.ContactChange.DESCRIPTOR.oneofs_by_name["event"].fields
    events = [
        *(
            schemas.ref(message_type_of(field), CONTRACT, is_input=False)
            for field in change_pb2.Change.DESCRIPTOR.oneofs_by_name["event"].fields
        ),
        *(schemas.field(field, CONTRACT, is_input=False) for field in own),
        one(router_events_pb2.AgentFeedChanged),
    ]
    live = [
        one(conversation_events_pb2.Typing),
        one(router_events_pb2.QueuePosition),
        one(router_events_pb2.QueueBoard),
        one(qa_events_pb2.AlertRaised),
    ]
    topic = {"topic": _TOPIC, "id": {"type": "string"}}
    ref = {"ref": {"type": ["string", "null"]}}
    return {
        "welcome": _frame(
            "welcome",
            "Signed in.",
            {
                **ref,
                "connection_id": {"type": "string"},
                "heartbeat_s": {"type": "integer"},
                "actor": {"type": "object"},
            },
            ["connection_id", "heartbeat_s", "actor"],
        ),
        "ack": _frame(
            "ack",
            "Done. Of `send`: message_id, conversation_id, rev, duplicate, created_at. Of `subscribe`: topic, id, rev (the head), "
            "snapshot_required. Of `read`: rev. Of `presence`: agent.",
            ref,
            ["ref"],
        ),
        "error": _frame(
            "error", "Refused.", {**ref, "error": {"$ref": "#/components/schemas/Problem"}}, ["ref", "error"]
        ),
        "event": _frame(
            "event",
            "Something with a revision happened.",
            {
                **topic,
                "rev": _REV,
                "event": {"enum": [*names, *(f.name for f in own), "agent_feed_changed"]},
                "data": {"anyOf": events},
            },
            ["topic", "id", "rev", "event", "data"],
        ),
        "live": _frame(
            "live",
            "Something passing: typing, queue_position, queue_board, alert_raised.",
            {**topic, "event": {"type": "string"}, "data": {"anyOf": live}},
            ["topic", "id", "event", "data"],
        ),
        "heartbeat": _frame(
            "heartbeat",
            "The heads of the conversations one subscribes to.",
            {
                "time": {"type": "string", "format": "date-time"},
                "heads": {"type": "object", "additionalProperties": _REV},
            },
            ["time", "heads"],
        ),
        "resync": _frame(
            "resync",
            "The log does not reach back: read a snapshot, go on from rev.",
            {**topic, "rev": _REV},
            ["topic", "id", "rev"],
        ),
        "subscribed": _frame(
            "subscribed",
            "The server subscribed a contact to its conversation; rev is the head.",
            {**topic, "rev": _REV, "snapshot_required": {"type": "boolean"}},
            ["topic", "id", "rev", "snapshot_required"],
        ),
        "unsubscribed": _frame(
            "unsubscribed",
            "The topic is no longer open to who asked.",
            {**topic, "code": {"type": "string"}},
            ["topic", "id", "code"],
        ),
        "pong": _frame("pong", "The answer to ping.", ref, ["ref"]),
    }
