"""The change log of one conversation: reading it back, and taking out what was recalled."""

from __future__ import annotations

from yunsong_common.db import Transaction
from yunsong_common.outbox import Change, read_changes
from yunsong_conversation.protocol import event_from, is_change, without_message


async def after(
    tx: Transaction, conversation_id: str, rev: int, head: int, limit: int, *, public: bool
) -> list[Change] | None:
    """Changes after a revision without a gap; None when the log no longer reaches back that far, or never got that far."""
    if rev >= head:
        return [] if rev == head else None
    found = await read_changes(tx.raw, conversation_id, rev, limit, public=public)
    changes = [change for change in found if is_change(change.type)]
    if not changes or (changes[0].public_rev if public else changes[0].rev) != rev + 1:
        return None
    return changes


async def take_out(
    tx: Transaction, conversation_id: str, message_id: str, since_rev: int, preview: str
) -> None:
    """Removes what a message said from every change since it was written."""
    rows = await tx.raw.fetch(
        "SELECT seq, type, payload FROM outbox WHERE entity_id = $1 AND rev >= $2", conversation_id, since_rev
    )
    for row in rows:
        if not is_change(row["type"]):
            continue
        event = event_from(row["type"], row["payload"])
        if without_message(event, message_id, preview):
            await tx.raw.execute(
                "UPDATE outbox SET payload = $2 WHERE seq = $1", row["seq"], event.SerializeToString()
            )
