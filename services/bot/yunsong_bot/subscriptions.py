"""Which events the bot follows."""

from __future__ import annotations

from typing import Any

from yunsong.conversation.v1 import events_pb2, message_pb2, model_pb2
from yunsong_bot import repository
from yunsong_bot.conversations import text_of
from yunsong_bot.handlers import Asked, Bot
from yunsong_common.bus import EventMeta, Subscription
from yunsong_common.db import Transaction

# Two consumers: answering calls another service, forgetting is one transaction.
_ANSWERING = "bot"
_FORGETTING = "bot-erasure"


def subscriptions(bot: Bot) -> list[Subscription[Any]]:
    """The bot's subscriptions. It answers only what is written after it first started."""

    async def on_message_posted(event: events_pb2.MessagePosted, _meta: EventMeta) -> None:
        await bot.answer(_asked(event))

    return [
        # It calls another service, so it has no transaction of the runtime's; `Bot` makes it happen once.
        Subscription(
            event_type=events_pb2.MessagePosted,
            handler=on_message_posted,
            consumer=_ANSWERING,
            start="new",
            transactional=False,
            concurrency=64,
            concerns=_is_for_the_bot,
        ),
        Subscription(
            event_type=events_pb2.ContactErased, handler=_on_contact_erased, consumer=_FORGETTING, start="new"
        ),
    ]


async def _on_contact_erased(tx: Transaction, event: events_pb2.ContactErased, _meta: EventMeta) -> None:
    await repository.delete_dialogues(tx, list(event.conversation_ids))


def _is_for_the_bot(event: events_pb2.MessagePosted) -> bool:
    return (
        event.meta.state == model_pb2.CONVERSATION_STATE_BOT
        and event.message.author.kind == message_pb2.AUTHOR_KIND_CONTACT
        and event.message.visibility == message_pb2.VISIBILITY_PUBLIC
    )


def _asked(event: events_pb2.MessagePosted) -> Asked:
    return Asked(
        conversation_id=event.meta.conversation_id,
        message_id=event.message.id,
        inbox_id=event.meta.inbox_id,
        channel=event.meta.channel,
        rev=event.meta.rev,
        text=text_of(event.message.content),
    )
