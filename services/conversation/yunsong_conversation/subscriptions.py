"""Which events the service follows, to keep its own lists right."""

from __future__ import annotations

from typing import Any

from yunsong.channel.v1 import events_pb2 as channel_events_pb2
from yunsong.router.v1 import events_pb2 as router_events_pb2
from yunsong_common.bus import EventMeta, Subscription
from yunsong_common.db import Transaction
from yunsong_conversation.domain.messages import SYSTEM
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.inbox_directory import inbox_from
from yunsong_conversation.protocol import time_of
from yunsong_conversation.repository import conversations, projections


def subscriptions() -> list[Subscription[Any]]:
    """The service's subscriptions."""
    return [
        Subscription(
            event_type=channel_events_pb2.InboxChanged,
            handler=on_inbox_changed,
            consumer="conversation",
            start="all",
        ),
        Subscription(
            event_type=router_events_pb2.QueueChanged,
            handler=on_queue_changed,
            consumer="conversation",
            start="all",
        ),
        Subscription(
            event_type=router_events_pb2.SlaChanged,
            handler=on_sla_changed,
            consumer="conversation",
            start="all",
        ),
    ]


async def on_inbox_changed(tx: Transaction, event: channel_events_pb2.InboxChanged, _meta: EventMeta) -> None:
    """Keeps the inbox's settings."""
    await projections.save_inbox(tx, inbox_from(event.inbox, deleted=event.deleted))


async def on_queue_changed(tx: Transaction, event: router_events_pb2.QueueChanged, meta: EventMeta) -> None:
    """Keeps a queue's name and members."""
    queue = event.queue
    await projections.save_queue(tx, queue.id, queue.name, queue.member_ids, meta.seq, deleted=event.deleted)


async def on_sla_changed(tx: Transaction, event: router_events_pb2.SlaChanged, meta: EventMeta) -> None:
    """Keeps the next due time, so that one query sorts a list by it."""
    held = await conversations.lock_many(tx, [event.conversation_id], wait=True)
    conversation = held.get(event.conversation_id)
    if conversation is None or conversation.due_seq >= meta.seq:
        return
    due_at = time_of(event, "next_due_at") if conversation.open else None
    conversation.due_seq = meta.seq
    if due_at == conversation.due_at:
        conversation.moved = True
        await conversations.save(tx, [conversation])
        return
    conversation.due_at = due_at
    recorder = Recorder(tx)
    recorder.record(conversation, conversation.update(["due_at"], await tx.now()), SYSTEM)
    await recorder.write()
