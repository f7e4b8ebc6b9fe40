"""Which events the channel adapter follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from yunsong.conversation.v1 import events_pb2
from yunsong_channel_adapter.channels import Catalogue
from yunsong_channel_adapter.handlers.deliveries import give_up
from yunsong_channel_adapter.outgoing import delivery_for, goes_out, stored_message
from yunsong_channel_adapter.repository import deliveries
from yunsong_common.bus import Delivery, EventMeta, Subscription
from yunsong_common.db import Transaction

_CONSUMER = "channel_adapter"


def subscriptions(catalogue: Catalogue, wake: Callable[[], None]) -> Sequence[Subscription[Any]]:
    """The subscriptions; `wake` tells the sender that there is something new."""

    async def on_messages_posted(
        tx: Transaction, posted: Sequence[Delivery[events_pb2.MessagePosted]]
    ) -> None:
        new = [found for each in posted if (found := delivery_for(each.event, catalogue)) is not None]
        if new:
            await deliveries.insert(tx, new)
            wake()

    async def on_message_edited(tx: Transaction, event: events_pb2.MessageEdited, meta: EventMeta) -> None:
        del meta
        await deliveries.replace_message(tx, event.message.id, stored_message(event.message))

    async def on_message_recalled(
        tx: Transaction, event: events_pb2.MessageRecalled, meta: EventMeta
    ) -> None:
        del meta
        delivery = await deliveries.find_open(tx, event.message_id)
        if delivery is not None:
            await give_up(tx, delivery, "recalled before it was sent")
            wake()

    async def on_contact_erased(tx: Transaction, event: events_pb2.ContactErased, meta: EventMeta) -> None:
        del meta
        await deliveries.delete_of_conversations(tx, list(event.conversation_ids))

    return (
        Subscription(
            event_type=events_pb2.MessagePosted,
            handler=on_messages_posted,
            consumer=_CONSUMER,
            start="new",
            many=True,
            concerns=lambda event: goes_out(event, catalogue),
        ),
        Subscription(
            event_type=events_pb2.MessageEdited, handler=on_message_edited, consumer=_CONSUMER, start="new"
        ),
        Subscription(
            event_type=events_pb2.MessageRecalled,
            handler=on_message_recalled,
            consumer=_CONSUMER,
            start="new",
        ),
        Subscription(
            event_type=events_pb2.ContactErased, handler=on_contact_erased, consumer=_CONSUMER, start="new"
        ),
    )
