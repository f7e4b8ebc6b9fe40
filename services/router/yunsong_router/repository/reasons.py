"""Reasons that agents choose from when they are away or busy."""

from __future__ import annotations

from collections.abc import Sequence

from yunsong_common.db import Transaction
from yunsong_router.domain.model import Presence, PresenceReason


async def all_reasons(tx: Transaction) -> list[PresenceReason]:
    """In their order."""
    rows = await tx.raw.fetch("SELECT name, state FROM presence_reasons ORDER BY position")
    return [PresenceReason(row["name"], Presence(row["state"])) for row in rows]


async def replace(tx: Transaction, reasons: Sequence[PresenceReason]) -> None:
    """Replaces all; who does the same at once waits, and comes after."""
    await tx.raw.execute("LOCK TABLE presence_reasons IN SHARE ROW EXCLUSIVE MODE")
    await tx.raw.execute("DELETE FROM presence_reasons")
    await tx.raw.execute(
        "INSERT INTO presence_reasons (position, name, state) "
        "SELECT place, name, state FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given(name, state, place)",
        [reason.name for reason in reasons],
        [reason.state.value for reason in reasons],
    )
