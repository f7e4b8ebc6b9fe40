"""How long conversations were held, for the estimated wait."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from yunsong_common.db import Transaction
from yunsong_router.domain.waiting import SAMPLES


async def add(tx: Transaction, queue_id: str, ended_at: dt.datetime, held_s: float) -> None:
    """A conversation from this queue was held that long."""
    await tx.raw.execute(
        "INSERT INTO handlings (queue_id, ended_at, held_s) VALUES ($1, $2, $3)",
        queue_id,
        ended_at,
        max(0.0, held_s),
    )


async def means(tx: Transaction, queue_ids: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Queue id to the mean of the last handling times in seconds and how many they are."""
    rows = await tx.raw.fetch(
        "SELECT q.id::text AS id, avg(h.held_s) AS mean, count(h.held_s) AS samples FROM unnest($1::uuid[]) AS q(id) "
        f"CROSS JOIN LATERAL (SELECT held_s FROM handlings WHERE queue_id = q.id ORDER BY ended_at DESC LIMIT {SAMPLES}) h "
        "GROUP BY q.id",
        list(queue_ids),
    )
    return {row["id"]: (row["mean"], row["samples"]) for row in rows}


async def prune(tx: Transaction, before: dt.datetime) -> None:
    """Forgets what is older than any estimate looks back."""
    await tx.raw.execute("DELETE FROM handlings WHERE ended_at < $1", before)
