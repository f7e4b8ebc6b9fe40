"""Triggers: a routing group has something to plan. They commit with their cause and wake every replica."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

from collections.abc import Iterable

from yunsong_common.db import Transaction

CHANNEL = "yunsong_router_triggers"


async def raise_for_queues(tx: Transaction, queue_ids: Iterable[str | None]) -> None:
    """Something about these queues changed: an item came, an agent, a rule, or something fell due."""
    ids = sorted({queue_id for queue_id in queue_ids if queue_id is not None})
    if ids:
        await tx.raw.execute(
            f"WITH raised AS (INSERT INTO triggers (queue_id) SELECT unnest($1::uuid[])) SELECT pg_notify('{CHANNEL}', '')",
            ids,
        )


async def raise_for_agents(tx: Transaction, agent_ids: Iterable[str]) -> None:
    """These agents could take something: their own queues, and queues where something waits for them alone."""
    ids = list(agent_ids)
    if ids:
        await tx.raw.execute(
            "WITH raised AS (INSERT INTO triggers (queue_id) "
            "SELECT queue_id FROM queue_members WHERE agent_id = ANY($1) UNION "
            "SELECT queue_id FROM work_items WHERE required_agent_id = ANY($1) AND state = 'waiting' AND queue_id IS NOT NULL) "
            f"SELECT pg_notify('{CHANNEL}', '')",
            ids,
        )


async def take(tx: Transaction, group_id: str) -> int:
    """Takes the group's triggers; gives the generation they reach, 0 when there are none."""
    generation: int | None = await tx.raw.fetchval(
        "WITH taken AS (DELETE FROM triggers WHERE queue_id IN (SELECT id FROM queues WHERE group_id = $1) RETURNING generation) "
        "SELECT max(generation) FROM taken",
        group_id,
    )
    return generation or 0


async def groups(tx: Transaction) -> list[str]:
    """Groups with something to plan."""
    rows = await tx.raw.fetch(
        "SELECT DISTINCT group_id::text AS group_id FROM queues WHERE id IN (SELECT DISTINCT queue_id FROM triggers)"
    )
    return [row["group_id"] for row in rows]
