"""What of a contact goes when it is merged or erased."""

from __future__ import annotations

from yunsong_common.db import Transaction


async def open_on_same_inbox(tx: Transaction, contact_id: str, other_id: str) -> list[str]:
    """The open conversations of `other_id` on inboxes where `contact_id` has one too."""
    rows = await tx.raw.fetch(
        "SELECT o.id FROM conversations c JOIN conversations o ON o.inbox_id = c.inbox_id "
        "WHERE c.contact_id = $1 AND c.state <> 6 AND o.contact_id = $2 AND o.state <> 6 ORDER BY o.id",
        contact_id, other_id,
    )  # fmt: skip
    return [str(row["id"]) for row in rows]


async def erase(tx: Transaction, contact_id: str) -> list[str]:
    """Deletes the contact, its conversations and messages, and their change log; returns the conversations' ids."""
    rows = await tx.raw.fetch(
        "SELECT id FROM conversations WHERE contact_id = $1 ORDER BY id FOR UPDATE", contact_id
    )
    ids = [str(row["id"]) for row in rows]
    # Contacts that were merged into this one have a log of their own.
    merged = await tx.raw.fetch("SELECT id FROM contacts WHERE merged_into = $1", contact_id)
    logs = [*ids, contact_id, *(str(row["id"]) for row in merged)]
    await tx.raw.execute("DELETE FROM outbox WHERE entity_id = ANY($1::text[])", logs)
    await tx.raw.execute("DELETE FROM messages WHERE conversation_id = ANY($1::uuid[])", ids)
    await tx.raw.execute("DELETE FROM conversations WHERE id = ANY($1::uuid[])", ids)
    await tx.raw.execute("DELETE FROM contacts WHERE id = $1", contact_id)
    return ids
