"""Deleting a label takes it from every conversation that carries it."""

from __future__ import annotations

from yunsong_common.db import Database
from yunsong_conversation.domain.messages import Actor
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.repository import conversations, taxonomy

_AT_ONCE = 200


async def delete(db: Database, label_id: str, actor: Actor) -> None:
    """Deletes a label, then takes it from conversations some at a time. Raises NOT_FOUND / LABEL_UNKNOWN."""
    async with db.transaction() as tx:
        await taxonomy.delete_label(tx, label_id)
    while True:
        async with db.transaction() as tx:
            held = await conversations.lock_many(
                tx, await taxonomy.labelled(tx, label_id, _AT_ONCE), wait=True
            )
            now, recorder = await tx.now(), Recorder(tx)
            for conversation in held.values():
                conversation.label_ids = [one for one in conversation.label_ids if one != label_id]
                recorder.record(conversation, conversation.update(["label_ids"], now), actor)
            await recorder.write()
        if len(held) < _AT_ONCE:
            return
