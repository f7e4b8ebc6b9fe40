"""What a client can ask on a socket: one handler per type of frame."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import Message
from opentelemetry.trace import SpanKind

from yunsong.conversation.v1 import (
    contact_door_pb2,
    contact_door_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    internal_pb2,
    message_pb2,
)
from yunsong.conversation.v1 import events_pb2 as conversation_events_pb2
from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.bus import Bus
from yunsong_common.errors import (
    FailedPrecondition,
    InvalidArgument,
    Kind,
    PermissionDenied,
    Violation,
    YunsongError,
    error_of,
)
from yunsong_common.grpc import Channels, Signer
from yunsong_common.telemetry import Telemetry
from yunsong_gateway.realtime import events
from yunsong_gateway.realtime.appender import Appender, Outcome
from yunsong_gateway.realtime.connection import Connection
from yunsong_gateway.realtime.hub import Hub, topic_key
from yunsong_gateway.realtime.socket import json_frame
from yunsong_gateway.references import References
from yunsong_gateway.transcoding.decode import Decoders
from yunsong_gateway.transcoding.encode import timestamp

_ENVELOPE = frozenset(("type", "ref"))
_STAFF_SEND = frozenset(
    (
        "conversation_id",
        "client_id",
        "content",
        "visibility",
        "reply_to_message_id",
        "mention_user_ids",
        "whisper",
    )
)
_CONTACT_SEND = frozenset(("conversation_id", "client_id", "content", "reply_to_message_id"))
_WRITE = "conversation.write"
_MAX_TOPICS = 200
_YOUNG = 10  # revisions
_CODES = {
    3: Kind.INVALID_ARGUMENT,
    4: Kind.DEADLINE_EXCEEDED,
    5: Kind.NOT_FOUND,
    6: Kind.ALREADY_EXISTS,
    7: Kind.PERMISSION_DENIED,
    8: Kind.RESOURCE_EXHAUSTED,
    9: Kind.FAILED_PRECONDITION,
    10: Kind.ABORTED,
    14: Kind.UNAVAILABLE,
    16: Kind.UNAUTHENTICATED,
}

Handler = Callable[[Connection, str, dict[str, Any]], Awaitable[None]]


class Commands:
    """Carries out frames. Every one answers with an `ack` or raises what becomes an `error` frame."""

    def __init__(
        self,
        hub: Hub,
        appender: Appender,
        bus: Bus,
        channels: Channels,
        signer: Signer,
        references: References,
        telemetry: Telemetry,
    ) -> None:
        self._hub = hub
        self._appender = appender
        self._bus = bus
        self._channels = channels
        self._signer = signer
        self._references = references
        self._telemetry = telemetry
        self._decoders = Decoders(events.CONTRACT)
        self._conversations = conversation_pb2_grpc.ConversationServiceStub(channels.conversation)
        self._own = contact_door_pb2_grpc.ContactConversationServiceStub(channels.conversation)
        self._agents = router_pb2_grpc.AgentServiceStub(channels.router)
        self.handlers: dict[str, Handler] = {
            "send": self._send,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "read": self._read,
            "typing": self._typing,
            "presence": self._presence,
            "ping": self._ping,
        }

    async def _send(self, connection: Connection, ref: str, frame: dict[str, Any]) -> None:
        if not connection.is_contact and _WRITE not in connection.principal.permissions:
            raise PermissionDenied(
                reason="PERMISSION_MISSING",
                message=f"Sending needs the permission {_WRITE}.",
                permission=_WRITE,
            )
        allowed = _CONTACT_SEND if connection.is_contact else _STAFF_SEND
        entry = self._decode(internal_pb2.AppendEntry(), frame, allowed)
        if not connection.is_contact and not entry.conversation_id:
            raise _wrong("conversation_id", "REQUIRED", "is required")
        await self._references.check(connection.principal, entry, self._decoders.rules_of)
        entry.principal = connection.signed(self._signer)
        # Sends of many sockets share a call, so each entry carries its own trace.
        span = self._telemetry.begin("socket send", kind=SpanKind.SERVER)
        entry.traceparent = span.traceparent

        def done(outcome: Outcome) -> None:
            span.end(outcome.reason if isinstance(outcome, YunsongError) else outcome.error_reason)
            self._sent(connection, ref, outcome)

        try:
            self._appender.append(connection.principal.actor_id, entry, done)
        except YunsongError as error:
            span.end(error.reason)
            raise

    def _sent(self, connection: Connection, ref: str, outcome: Outcome) -> None:
        if isinstance(outcome, YunsongError):
            connection.error(ref, outcome)
            return
        if outcome.error_reason:
            kind = _CODES.get(outcome.error_code, Kind.INTERNAL)
            error = error_of(kind)(reason=outcome.error_reason, message=outcome.error_message)
            connection.error(ref, error)
            return
        connection.ack(
            ref,
            message_id=outcome.message_id,
            conversation_id=outcome.conversation_id,
            rev=outcome.public_rev if connection.is_contact else outcome.rev,
            duplicate=outcome.duplicate,
            created_at=timestamp(outcome.created_at),
        )
        if connection.is_contact:
            # A young conversation is shown from its beginning, an old one that goes on from this message.
            after = outcome.public_rev - 1 if outcome.public_rev > _YOUNG else 0
            self._hub.join_soon(connection, ("contact", outcome.conversation_id), after)

    async def _subscribe(self, connection: Connection, ref: str, frame: dict[str, Any]) -> None:
        key = topic_key(connection, _text(frame, "topic"), _text(frame, "id"))
        after = frame.get("after_rev")
        if after is not None and (type(after) is not int or not 0 <= after < 2**53):
            raise _wrong("after_rev", "TYPE", "must be a whole number of at least 0")
        if key in connection.topics:
            self._hub.leave(connection, key)
        elif len(connection.topics) >= _MAX_TOPICS:
            raise FailedPrecondition(
                reason="TOO_MANY_TOPICS",
                message=f"A socket holds at most {_MAX_TOPICS} subscriptions; end one first.",
            )
        await self._hub.join(connection, key, after, ref)

    async def _unsubscribe(self, connection: Connection, ref: str, frame: dict[str, Any]) -> None:
        key = topic_key(connection, _text(frame, "topic"), _text(frame, "id"))
        self._hub.leave(connection, key)
        connection.ack(ref)

    async def _read(self, connection: Connection, ref: str, frame: dict[str, Any]) -> None:
        metadata = self._channels.as_principal(connection.principal)
        renamed = {
            ("through_public_rev" if connection.is_contact and name == "through_rev" else name): value
            for name, value in frame.items()
        }
        if connection.is_contact:
            own = self._decode(contact_door_pb2.MarkMyReadRequest(), renamed, None)
            answer = await self._own.MarkMyRead(own, metadata=metadata)
            connection.ack(ref, rev=answer.read_public_rev)
        else:
            mark = self._decode(conversation_pb2.MarkReadRequest(), renamed, None)
            marked = await self._conversations.MarkRead(mark, metadata=metadata)
            connection.ack(ref, rev=marked.read_rev)

    async def _typing(self, connection: Connection, ref: str, frame: dict[str, Any]) -> None:
        conversation_id = _text(frame, "conversation_id")
        key = topic_key(connection, "conversation", conversation_id)
        if key not in connection.topics:
            raise FailedPrecondition(
                reason="NOT_SUBSCRIBED", message="Subscribe to the conversation before saying that you type."
            )
        active = frame.get("active", True)
        internal = frame.get("internal", False)
        if type(active) is not bool or type(internal) is not bool:
            raise _wrong("active", "TYPE", "must be true or false")
        principal = connection.principal
        kind = message_pb2.AUTHOR_KIND_CONTACT if connection.is_contact else message_pb2.AUTHOR_KIND_AGENT
        self._bus.publish_live(
            conversation_events_pb2.Typing(
                conversation_id=conversation_id,
                actor=message_pb2.Actor(kind=kind, id=principal.actor_id, name=principal.display_name),
                active=active,
                internal=internal and not connection.is_contact,
            )
        )
        connection.ack(ref)

    async def _presence(self, connection: Connection, ref: str, frame: dict[str, Any]) -> None:
        if connection.is_contact:
            raise PermissionDenied(reason="STAFF_ONLY", message="Only members of staff have a presence.")
        request = self._decode(router_pb2.SetMyPresenceRequest(), frame, None)
        agent = await self._agents.SetMyPresence(
            request, metadata=self._channels.as_principal(connection.principal)
        )
        connection.ack(ref, agent=events.ENCODERS.encode(agent))

    async def _ping(self, connection: Connection, ref: str, frame: dict[str, Any]) -> None:
        del frame
        connection.push(json_frame({"type": "pong", "ref": ref}))

    def _decode(self, message: Any, frame: dict[str, Any], allowed: frozenset[str] | None) -> Any:
        """The frame's members as a message, with every violation at once."""
        assert isinstance(message, Message)
        members = {name: value for name, value in frame.items() if name not in _ENVELOPE}
        refused = [name for name in members if allowed is not None and name not in allowed]
        violations = [
            Violation(field=name[:100], reason="UNKNOWN_FIELD", description="is not a member of this frame")
            for name in refused
        ]
        for name in refused:
            del members[name]
        violations += self._decoders.decode(message, members)
        if violations:
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message=f"The frame has {len(violations)} wrong member(s).",
                violations=violations,
            )
        return message


def _text(frame: dict[str, Any], name: str) -> str:
    value = frame.get(name, "")
    if type(value) is not str or len(value) > 100:
        raise _wrong(name, "TYPE", "must be text of at most 100 characters")
    return value


def _wrong(name: str, reason: str, description: str) -> InvalidArgument:
    return InvalidArgument(
        reason="INVALID_REQUEST",
        message=f"The frame's member {name} is wrong.",
        violations=[Violation(field=name, reason=reason, description=description)],
    )
