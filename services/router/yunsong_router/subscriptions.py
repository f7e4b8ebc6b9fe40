"""What the router hears from the conversation service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from google.protobuf.message import Message

from yunsong.conversation.v1 import events_pb2, model_pb2
from yunsong_common.bus import Delivery, EventMeta, Subscription
from yunsong_common.db import Database, Transaction
from yunsong_router.facts import answer_of, fact_of, priority_of
from yunsong_router.handlers import intake, promising
from yunsong_router.handlers.intake import Fact
from yunsong_router.handlers.policy import Policy
from yunsong_router.repository import items

_CONSUMER = "router"
# Apart from moves: messages are many, and come in bulk.
_PROMISES = "router_promises"
_GATHER_S = 0.05
_WAITS = (model_pb2.CONVERSATION_STATE_QUEUED, model_pb2.CONVERSATION_STATE_OFF_HOURS)


def subscriptions(database: Database, policy: Policy) -> list[Subscription[Any]]:
    """Event type to handler.

    Each move has a transaction of its own, which locks the work item and then its agent: in a common one, moves of the same agents would
    wait for each other crosswise.
    """

    async def absorb(fact: Fact) -> None:
        async with database.read() as tx:
            known = await intake.known_already(tx, fact)
        if not known:
            await database.run(lambda tx: intake.absorb(tx, fact, policy))

    async def on_state_changed(event: events_pb2.StateChanged, _meta: EventMeta) -> None:
        await absorb(
            fact_of(
                event.conversation,
                event.reason,
                rev=event.meta.rev,
                preferred=event.preferred_agent_id,
                required=event.required_agent_id,
            )
        )

    async def on_created(event: events_pb2.ConversationCreated, _meta: EventMeta) -> None:
        if event.conversation.state in _WAITS:
            await absorb(fact_of(event.conversation, "queued", rev=event.meta.rev))

    async def on_updated(event: events_pb2.ConversationUpdated, _meta: EventMeta) -> None:
        found = event.conversation
        await database.run(
            lambda tx: intake.update(
                tx, found.id, event.meta.rev, priority_of(found), dict(found.required_skills)
            )
        )

    async def on_contact_erased(event: events_pb2.ContactErased, _meta: EventMeta) -> None:
        await database.run(
            lambda tx: items.forget_contact(tx, event.contact_id, list(event.conversation_ids))
        )

    async def on_messages(tx: Transaction, deliveries: Sequence[Delivery[events_pb2.MessagePosted]]) -> None:
        answers = [answer for delivery in deliveries if (answer := answer_of(delivery.event)) is not None]
        if answers:
            await promising.written(tx, answers)

    moves: dict[type[Message], Callable[..., Awaitable[None]]] = {
        events_pb2.StateChanged: on_state_changed,
        events_pb2.ConversationCreated: on_created,
        events_pb2.ConversationUpdated: on_updated,
        events_pb2.ContactErased: on_contact_erased,
    }
    return [
        *(
            Subscription(
                event_type=kind, handler=handler, consumer=_CONSUMER, start="all", transactional=False
            )
            for kind, handler in moves.items()
        ),
        Subscription(
            event_type=events_pb2.MessagePosted,
            handler=on_messages,
            consumer=_PROMISES,
            start="all",
            many=True,
            concerns=lambda event: answer_of(event) is not None,
            gather_s=_GATHER_S,
        ),
    ]
