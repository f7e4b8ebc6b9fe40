"""All sockets of this process, what they subscribe to, and the bus's events on their way to them.

One wildcard subscription per kind of event serves all sockets: a subscription per conversation would cost a task and a queue each, and
the check that nobody here wants an event is one look into a dictionary.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry.trace import SpanKind

from yunsong.conversation.v1 import change_pb2, contact_door_pb2, internal_pb2, internal_pb2_grpc
from yunsong.conversation.v1 import events_pb2 as conversation_events_pb2
from yunsong.gateway.v1 import events_pb2 as gateway_events_pb2
from yunsong.router.v1 import events_pb2 as router_events_pb2
from yunsong_common.bus import Bus, LiveMessage
from yunsong_common.errors import InvalidArgument, PermissionDenied, YunsongError
from yunsong_common.grpc import Channels
from yunsong_common.telemetry import Telemetry
from yunsong_gateway.realtime import events
from yunsong_gateway.realtime.connection import Connection
from yunsong_gateway.realtime.readers import Readers
from yunsong_gateway.realtime.socket import CloseCode, json_frame
from yunsong_gateway.realtime.topics import Topic, TopicKey
from yunsong_gateway.realtime.waits import Waits

log = logging.getLogger(__name__)

_HEADS_PER_CALL = 2000
_CONTACT_LIVE = frozenset(("typing", "queue_position"))
_SUBJECTS = (
    "yunsong.conversation.v1.*.*",
    "yunsong.live.v1.*.*",
    "yunsong.router.v1.agent_feed_changed.*",
    "yunsong.qa.v1.alert_raised.*",
)


class Hub:
    """Routes events to sockets. `run` must run for gaps to be filled."""

    def __init__(self, bus: Bus, channels: Channels, telemetry: Telemetry) -> None:
        self._bus = bus
        self._telemetry = telemetry
        self._readers = Readers(channels)
        self._waits = Waits(channels, self._start)
        self._internal = internal_pb2_grpc.ConversationInternalServiceStub(channels.conversation)
        self._topics: dict[TopicKey, Topic] = {}
        self._by_contact: dict[str, set[Connection]] = {}
        self._by_actor: dict[str, set[Connection]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._sign_out_listeners: list[Callable[[str], None]] = []
        self.connections: set[Connection] = set()

    async def run(self) -> None:
        """Subscribes to the bus and keeps the work beside events until cancelled."""
        self._bus.on_reconnect(self.resync_soon)
        self._bus.on_gap(lambda _subject: self.resync_soon())
        async with asyncio.TaskGroup() as group:
            self._group = group
            subscriptions = [await self._bus.subscribe_live(one, self._on_message) for one in _SUBJECTS]
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None
                for subscription in subscriptions:
                    await subscription.unsubscribe()

    # Connections

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        actor = connection.principal.actor_id
        index = self._by_contact if connection.is_contact else self._by_actor
        index.setdefault(actor, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        self.connections.discard(connection)
        actor = connection.principal.actor_id
        index = self._by_contact if connection.is_contact else self._by_actor
        same = index.get(actor)
        if same is not None:
            same.discard(connection)
            if not same:
                del index[actor]
        for key in list(connection.topics):
            self.leave(connection, key)

    def agents(self) -> dict[str, int]:
        """Connected members of staff who take work -> their connections here."""
        return {
            actor: len(connections)
            for actor, connections in self._by_actor.items()
            if any("presence.write" in one.principal.permissions for one in connections)
        }

    def close_actor(self, actor_id: str, session_id: str, reason: str) -> int:
        """Closes the sockets of an ended session, or all of an actor's; how many."""
        code = CloseCode.CHANGED if reason == "role_changed" else CloseCode.UNAUTHENTICATED
        closed = 0
        for index in (self._by_actor, self._by_contact):
            for connection in list(index.get(actor_id, ())):
                if not session_id or connection.principal.session_id == session_id:
                    connection.close(code, reason[:100])
                    closed += 1
        return closed

    def sessions(self) -> set[str]:
        """The sessions of staff and API keys that sockets here live on."""
        return {one.principal.session_id for one in self.connections if not one.is_contact}

    def close_sessions(self, ended: set[str]) -> None:
        """Closes the sockets of sessions whose end was not heard."""
        for connection in list(self.connections):
            if connection.principal.session_id in ended:
                connection.close(CloseCode.UNAUTHENTICATED, "the session has ended")

    def on_sign_out(self, listener: Callable[[str], None]) -> None:
        """Calls `listener` with the id of a member of staff who ended a session."""
        self._sign_out_listeners.append(listener)

    # Topics

    async def join(self, connection: Connection, key: TopicKey, after: int | None, ref: str) -> None:
        """Subscribes. Raises what the owner of the stream answers when the connection may not see it."""
        kind, entity_id = key
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(key, self._readers.of(kind, entity_id), self._start)

        def ack(head: int, snapshot_required: bool) -> bytes:
            # Without a ref it is the server's own doing: a contact follows the conversation that it began.
            answer = {"type": "ack", "ref": ref} if ref else {"type": "subscribed"}
            return json_frame(
                {
                    **answer,
                    "topic": _public_name(kind),
                    "id": entity_id,
                    "rev": head,
                    "snapshot_required": snapshot_required,
                }
            )

        try:
            await topic.join(connection, after, ack)
        except BaseException:
            if topic.is_idle:
                self._topics.pop(key, None)
            raise
        if connection in self.connections:
            connection.topics[key] = topic
            if kind == "contact":
                self._waits.tell(entity_id, connection)
        else:  # the peer left meanwhile
            self._drop(key, topic, connection)

    def leave(self, connection: Connection, key: TopicKey) -> bool:
        topic = connection.topics.pop(key, None)
        if topic is None:
            return False
        self._drop(key, topic, connection)
        return True

    def _drop(self, key: TopicKey, topic: Topic, connection: Connection) -> None:
        topic.leave(connection)
        if topic.is_idle and self._topics.get(key) is topic:
            del self._topics[key]

    def join_soon(self, connection: Connection, key: TopicKey, after: int) -> None:
        """Subscribes a contact to a conversation that begins."""
        # Both the answer to the first message and the event of the new conversation lead here.
        if key not in connection.topics and key not in connection.joining:
            connection.joining.add(key)
            self._start(self._join_quietly(connection, key, after))

    async def _join_quietly(self, connection: Connection, key: TopicKey, after: int) -> None:
        try:
            if key not in connection.topics and connection in self.connections:
                await self.join(connection, key, after, "")
        except YunsongError as error:
            log.warning("a contact was not subscribed", extra={"reason": error.reason})
        finally:
            connection.joining.discard(key)

    def _start(self, work: Awaitable[None]) -> None:
        if self._group is None:
            close = getattr(work, "close", None)
            if close:
                close()
            return
        self._group.create_task(_guarded(work))

    # What was missed

    async def read_heads(self, conversation_ids: Iterable[str]) -> dict[str, internal_pb2.Head]:
        """The current revisions of conversations; also heals subscribers who are behind."""
        wanted = list(conversation_ids)
        heads: dict[str, internal_pb2.Head] = {}
        for start in range(0, len(wanted), _HEADS_PER_CALL):
            answer = await self._internal.ReadHeads(
                internal_pb2.ReadHeadsRequest(conversation_ids=wanted[start : start + _HEADS_PER_CALL])
            )
            for head in answer.heads:
                heads[head.conversation_id] = head
                self._note("conversation", head.conversation_id, head.rev)
                self._note("contact", head.conversation_id, head.public_rev)
        return heads

    def note_feed_head(self, agent_id: str, rev: int) -> None:
        self._note("feed", agent_id, rev)

    def _note(self, kind: str, entity_id: str, head: int) -> None:
        topic = self._topics.get((kind, entity_id))
        if topic is not None:
            topic.note_head(head)

    def resync_soon(self) -> None:
        """After a reconnect or a loss on the bus: whoever missed something gets it."""
        self._start(self._resync())

    async def _resync(self) -> None:
        pause = 0.2
        while True:
            ids = {entity_id for kind, entity_id in self._topics if kind in ("conversation", "contact")}
            try:
                await self.read_heads(ids)
                return
            except YunsongError as error:
                log.warning("the resync waits for the conversation service", extra={"reason": error.reason})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    # Events from the bus

    def _on_message(self, message: LiveMessage) -> None:
        prefix, _, entity_id = message.subject.rpartition(".")
        package, _, name = prefix.rpartition(".")
        if package == "yunsong.conversation.v1":
            self._on_conversation_event(prefix, name, entity_id, message)
        elif package == "yunsong.live.v1":
            self._on_live(prefix, name, entity_id, message)
        elif name == "agent_feed_changed":
            topic = self._topics.get(("feed", entity_id))
            if topic is not None:
                topic.deliver(*events.feed_entry(message.parse(router_events_pb2.AgentFeedChanged)))
        elif name == "alert_raised":
            self._on_alert(prefix, name, entity_id, message)

    def _on_conversation_event(self, prefix: str, name: str, entity_id: str, message: LiveMessage) -> None:
        topic = self._topics.get(("conversation", entity_id))
        if topic is not None and name in _CHANGES:
            with self._pushing(message):
                topic.deliver(*events.conversation_event(name, message.parse(events.EVENT_TYPES[prefix])))
        if name == "conversation_created" and self._by_contact:
            created = message.parse(conversation_events_pb2.ConversationCreated)
            for connection in self._by_contact.get(created.meta.contact_id, ()):
                if connection.principal.inbox_id == created.meta.inbox_id:
                    self.join_soon(connection, ("contact", entity_id), 0)

    def _pushing(self, message: LiveMessage) -> AbstractContextManager[None]:
        """The last part of a message's trace: out to the sockets that want it."""
        traceparent = message.headers.get("traceparent", "") if self._telemetry.enabled else ""
        if not traceparent:
            return nullcontext()
        return self._telemetry.span("socket push", parent=traceparent, kind=SpanKind.PRODUCER)

    def _on_live(self, prefix: str, name: str, entity_id: str, message: LiveMessage) -> None:
        if name == "contact_change":
            topic = self._topics.get(("contact", entity_id))
            if topic is not None:
                with self._pushing(message):
                    topic.deliver(*events.contact_change(message.parse(contact_door_pb2.ContactChange)))
            return
        if name == "access_revoked":
            revoked = message.parse(gateway_events_pb2.AccessRevoked)
            self.close_actor(revoked.actor_id, revoked.session_id, revoked.reason)
            if revoked.reason == "signed_out":
                for listener in self._sign_out_listeners:
                    listener(revoked.actor_id)
            return
        kind = events.EVENT_TYPES.get(prefix)
        if kind is None:
            return
        if name == "queue_board":
            self._broadcast([("queue", entity_id), ("queue", "*")], prefix, name, entity_id, message)
            return
        if name == "queue_position":
            self._waits.heard(entity_id)
        topics: list[TopicKey] = [("conversation", entity_id)]
        if name in _CONTACT_LIVE:
            topics.append(("contact", entity_id))
        self._broadcast(topics, prefix, name, entity_id, message)

    def _on_alert(self, prefix: str, name: str, entity_id: str, message: LiveMessage) -> None:
        self._broadcast([("alerts", "*"), ("conversation", entity_id)], prefix, name, entity_id, message)

    def _broadcast(
        self, keys: list[TopicKey], prefix: str, name: str, entity_id: str, message: LiveMessage
    ) -> None:
        present = [(key, topic) for key in keys if (topic := self._topics.get(key)) is not None]
        if not present:
            return
        parsed: Any = message.parse(events.EVENT_TYPES[prefix])
        is_typing = name == "typing"
        for key, topic in present:
            if is_typing and key[0] == "contact" and parsed.internal:
                continue
            frame = events.live_frame(_public_name(key[0]), entity_id, name, parsed)
            topic.broadcast(frame, except_actor=parsed.actor.id if is_typing else "")


_CHANGES = frozenset(field.name for field in change_pb2.Change.DESCRIPTOR.oneofs_by_name["event"].fields)


def _public_name(kind: str) -> str:
    """Contacts subscribe to "conversation" too; inside, theirs is another stream."""
    return "conversation" if kind == "contact" else kind


def topic_key(connection: Connection, topic: str, entity_id: str) -> TopicKey:
    """What a subscribe frame means for who sends it. Raises InvalidArgument or PermissionDenied."""
    if topic == "conversation" and entity_id:
        return ("contact" if connection.is_contact else "conversation"), entity_id
    if connection.is_contact:
        raise PermissionDenied(
            reason="TOPIC_REFUSED", message="A contact can subscribe to its conversations alone."
        )
    if topic == "feed":
        if entity_id not in ("", connection.principal.actor_id):
            raise PermissionDenied(reason="FEED_OF_ANOTHER", message="A feed belongs to its agent alone.")
        return "feed", connection.principal.actor_id
    if topic == "queue":
        return "queue", entity_id or "*"
    if topic == "alerts":
        return "alerts", "*"
    raise InvalidArgument(
        reason="TOPIC_UNKNOWN",
        message=f"There is no topic {topic[:40]!r}; topics are conversation (with id), feed, queue and alerts.",
    )


async def _guarded(work: Awaitable[None]) -> None:
    """A failure of one socket's work must not end the others'."""
    try:
        await work
    except YunsongError as error:
        log.warning("work for a socket failed", extra={"reason": error.reason})
    except OSError:
        log.warning("work for a socket failed", exc_info=True)
