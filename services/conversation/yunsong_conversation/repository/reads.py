"""Read marks of staff who are not the assignee."""

from __future__ import annotations

from yunsong_common.db import Transaction


async def mark(tx: Transaction, conversation_id: str, user_id: str, read_rev: int) -> int:
    """Moves a mark forward and answers where it stands; it never goes back."""
    value: int = await tx.raw.fetchval(
        "INSERT INTO staff_reads (conversation_id, user_id, read_rev) VALUES ($1, $2, $3) "
        "ON CONFLICT (conversation_id, user_id) DO UPDATE SET read_rev = greatest(staff_reads.read_rev, excluded.read_rev) "
        "RETURNING read_rev",
        conversation_id, user_id, read_rev,
    )  # fmt: skip
    return value
