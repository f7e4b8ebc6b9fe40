"""What the router hears from the conversation service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yunsong.conversation.v1 import events_pb2, model_pb2
from yunsong_common.bus import Delivery, EventMeta, Subscription
from yunsong_common.db import Transaction
from yunsong_router.facts import answer_of, fact_of, priority_of
from yunsong_router.handlers import intake, promising
from yunsong_router.handlers.policy import Policy
from yunsong_router.repository import items

_CONSUMER = "router"
_WAITS = (model_pb2.CONVERSATION_STATE_QUEUED, model_pb2.CONVERSATION_STATE_OFF_HOURS)


def subscriptions(policy: Policy) -> list[Subscription[Any]]:
    """Event type to handler."""

    async def on_state_changed(tx: Transaction, event: events_pb2.StateChanged, _meta: EventMeta) -> None:
        await intake.absorb(
            tx,
            fact_of(
                event.conversation,
                event.reason,
                rev=event.meta.rev,
                preferred=event.preferred_agent_id,
                required=event.required_agent_id,
            ),
            policy,
        )

    async def on_created(tx: Transaction, event: events_pb2.ConversationCreated, _meta: EventMeta) -> None:
        if event.conversation.state in _WAITS:
            await intake.absorb(tx, fact_of(event.conversation, "queued", rev=event.meta.rev), policy)

    return [
        Subscription(
            event_type=events_pb2.StateChanged, handler=on_state_changed, consumer=_CONSUMER, start="all"
        ),
        Subscription(
            event_type=events_pb2.ConversationCreated, handler=on_created, consumer=_CONSUMER, start="all"
        ),
        Subscription(
            event_type=events_pb2.ConversationUpdated, handler=on_updated, consumer=_CONSUMER, start="all"
        ),
        Subscription(
            event_type=events_pb2.MessagePosted,
            handler=on_messages,
            consumer=_CONSUMER,
            start="all",
            many=True,
        ),
        Subscription(
            event_type=events_pb2.ContactErased, handler=on_contact_erased, consumer=_CONSUMER, start="all"
        ),
    ]


async def on_updated(tx: Transaction, event: events_pb2.ConversationUpdated, _meta: EventMeta) -> None:
    """Urgency may have changed."""
    conversation = event.conversation
    await intake.update(
        tx, conversation.id, event.meta.rev, priority_of(conversation), dict(conversation.required_skills)
    )


async def on_messages(tx: Transaction, deliveries: Sequence[Delivery[events_pb2.MessagePosted]]) -> None:
    """Answers and questions move the clocks of promises."""
    answers = [answer for delivery in deliveries if (answer := answer_of(delivery.event)) is not None]
    if answers:
        await promising.written(tx, answers)


async def on_contact_erased(tx: Transaction, event: events_pb2.ContactErased, _meta: EventMeta) -> None:
    """Nothing of an erased contact stays."""
    await items.forget_contact(tx, event.contact_id, event.conversation_ids)
