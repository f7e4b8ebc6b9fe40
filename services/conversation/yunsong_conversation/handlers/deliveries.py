"""How far outgoing messages have come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yunsong_common.db import Database, Transaction
from yunsong_conversation.domain.messages import SYSTEM, Delivery, delivery_advances
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.repository import conversations, messages


@dataclass(frozen=True, slots=True)
class Report:
    """How far one message is."""

    conversation_id: str
    message_id: str
    delivery: Delivery
    error: str
    external_id: str


async def report(db: Database, reports: Sequence[Report]) -> None:
    """Keeps reports in one transaction. Unknown messages are ignored, a state never goes back."""
    await db.run(lambda tx: _report(tx, reports))


async def _report(tx: Transaction, reports: Sequence[Report]) -> None:
    held = await conversations.lock_many(tx, {r.conversation_id for r in reports}, wait=True)
    found = await messages.get_many(tx, list({r.message_id for r in reports}))
    now, recorder = await tx.now(), Recorder(tx)
    for item in reports:
        message, conversation = found.get(item.message_id), held.get(item.conversation_id)
        if message is None or conversation is None or message.conversation_id != conversation.id:
            continue
        advances = delivery_advances(message.delivery, item.delivery)
        if item.external_id and not message.external_id:
            message.external_id = item.external_id
        elif not advances:
            continue
        if advances:
            change = conversation.delivered(message, item.delivery, item.error, now)
            recorder.record(conversation, change, SYSTEM)
        await messages.save(tx, message)
    await recorder.write()
