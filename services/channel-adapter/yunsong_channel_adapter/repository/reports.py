"""What the conversation service has to be told about messages, until it has accepted it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yunsong_common.db import Transaction


@dataclass(frozen=True, slots=True)
class Report:
    """The latest state of one message."""

    message_id: str
    conversation_id: str
    state: str  # a DeliveryState's name without its prefix
    error: str
    external_id: str
    version: int


async def put(
    tx: Transaction,
    *,
    message_id: str,
    conversation_id: str,
    state: str,
    error: str = "",
    external_id: str = "",
) -> None:
    """Adds a report; a newer one about the same message takes the place of the older."""
    await tx.raw.execute(
        "INSERT INTO reports (message_id, conversation_id, state, error, external_id) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (message_id) DO UPDATE SET state = excluded.state, error = excluded.error, "
        "external_id = CASE WHEN excluded.external_id = '' THEN reports.external_id ELSE excluded.external_id END, "
        "version = DEFAULT",
        message_id, conversation_id, state, error[:500], external_id,
    )  # fmt: skip


async def oldest(tx: Transaction, limit: int) -> list[Report]:
    """The reports that wait the longest."""
    rows = await tx.raw.fetch(
        "SELECT message_id, conversation_id, state, error, external_id, version FROM reports "
        "ORDER BY version LIMIT $1",
        limit,
    )
    return [
        Report(
            message_id=str(row["message_id"]),
            conversation_id=str(row["conversation_id"]),
            state=row["state"],
            error=row["error"],
            external_id=row["external_id"],
            version=row["version"],
        )
        for row in rows
    ]


async def delete(tx: Transaction, reports: Sequence[Report]) -> None:
    """Deletes reports that were accepted, unless a newer one has come."""
    await tx.raw.execute(
        "DELETE FROM reports WHERE version = ANY($1::bigint[])", [each.version for each in reports]
    )
