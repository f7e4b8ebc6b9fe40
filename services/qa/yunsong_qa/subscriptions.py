"""Which events leave facts, and what else quality assurance follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yunsong.bot.v1 import events_pb2 as bot_events
from yunsong.channel.v1 import events_pb2 as channel_events
from yunsong.conversation.v1 import events_pb2 as conversation_events
from yunsong.router.v1 import events_pb2 as router_events
from yunsong_common.bus import Delivery, EventMeta, Subscription
from yunsong_common.db import Transaction
from yunsong_qa import wire
from yunsong_qa.domain.facts import Fact, FactKind
from yunsong_qa.handlers.recording import Observed, Recording, erase
from yunsong_qa.repository import facts as repository

_CONSUMER = "qa"
# Nobody waits for a fact, and one transaction takes many.
_GATHER_S = 0.05


def subscriptions(recording: Recording, batch: int) -> list[Subscription[Any]]:
    """Facts begin with what the streams still hold. One handler takes every kind, so that neighbours share statements."""

    async def on_events(tx: Transaction, deliveries: Sequence[Delivery[Any]]) -> None:
        await recording.record(tx, [observed(delivery) for delivery in deliveries])

    recorded = (
        conversation_events.ConversationCreated,
        conversation_events.MessagePosted,
        conversation_events.StateChanged,
        conversation_events.ConversationRated,
        router_events.SlaChanged,
        router_events.AgentChanged,
        bot_events.QuestionHandled,
    )
    return [
        *(
            Subscription(
                event_type=event_type,
                handler=_named_agents(on_events) if event_type is router_events.AgentChanged else on_events,
                consumer=_CONSUMER,
                start="all",
                batch=batch,
                many=True,
                gather_s=_GATHER_S,
            )
            for event_type in recorded
        ),
        _single(conversation_events.ContactErased, _on_contact_erased, batch),
        _single(router_events.QueueChanged, _on_queue_changed, batch),
        _single(channel_events.InboxChanged, _on_inbox_changed, batch),
    ]


def observed(delivery: Delivery[Any]) -> Observed:
    """The fact that an event leaves, and the message while it is at hand."""
    event, event_id = delivery.event, delivery.meta.event_id
    if isinstance(event, conversation_events.MessagePosted):
        message = wire.inspected_message(event.message)
        return Observed(wire.message_fact(event, event_id, len(message.text)), message)
    return Observed(_fact(event, delivery.meta))


def _fact(event: Any, meta: EventMeta) -> Fact:
    if isinstance(event, conversation_events.ConversationCreated):
        return wire.created_fact(event, meta.event_id)
    if isinstance(event, conversation_events.StateChanged):
        return wire.state_fact(event, meta.event_id)
    if isinstance(event, conversation_events.ConversationRated):
        return wire.rating_fact(event, meta.event_id)
    return _outside_fact(event, meta)


def _outside_fact(event: Any, meta: EventMeta) -> Fact:
    """What other services tell: kept for reports to come, no part of a conversation's figures."""
    if isinstance(event, router_events.SlaChanged):
        return Fact(
            entity_id=event.conversation_id,
            rev=0,
            event_id=meta.event_id,
            kind=FactKind.SLA,
            occurred_at=meta.occurred_at,
            state=int(event.sla.status),
            from_state=int(event.sla.kind),
            queue_id=event.queue_id or None,
            agent_id=event.agent_id or None,
        )
    if isinstance(event, router_events.AgentChanged):
        return Fact(
            entity_id=event.agent.id,
            rev=0,
            event_id=meta.event_id,
            kind=FactKind.PRESENCE,
            occurred_at=meta.occurred_at,
            state=int(event.agent.presence),
            from_state=int(event.previous_presence),
            agent_id=event.agent.id,
            reason=event.agent.presence_reason,
            value=float(event.agent.load),
        )
    return Fact(
        entity_id=event.conversation_id,
        rev=0,
        event_id=meta.event_id,
        kind=FactKind.BOT,
        occurred_at=meta.occurred_at,
        state=int(event.kind),
        message_id=event.message_id or None,
        inbox_id=event.inbox_id or None,
        value=event.score,
    )


def _single(event_type: Any, handler: Any, batch: int) -> Subscription[Any]:
    return Subscription(
        event_type=event_type,
        handler=handler,
        consumer=_CONSUMER,
        start="all",
        batch=batch,
        gather_s=_GATHER_S,
    )


def _named_agents(record: Any) -> Any:
    async def on_agents_changed(
        tx: Transaction, deliveries: Sequence[Delivery[router_events.AgentChanged]]
    ) -> None:
        # The last one of each agent is the newest.
        names = {d.event.agent.id: (d.event.agent.name, d.meta.seq) for d in deliveries if d.event.agent.name}
        await repository.set_names(tx.raw, "agent", names)
        await record(tx, deliveries)

    return on_agents_changed


async def _on_contact_erased(
    tx: Transaction, event: conversation_events.ContactErased, _meta: EventMeta
) -> None:
    await erase(tx, list(event.conversation_ids))


async def _on_queue_changed(tx: Transaction, event: router_events.QueueChanged, meta: EventMeta) -> None:
    # A deleted one keeps its name: reports look back.
    await repository.set_names(tx.raw, "queue", {event.queue.id: (event.queue.name, meta.seq)})


async def _on_inbox_changed(tx: Transaction, event: channel_events.InboxChanged, meta: EventMeta) -> None:
    await repository.set_names(tx.raw, "inbox", {event.inbox.id: (event.inbox.name, meta.seq)})
