"""Work items: one row per conversation."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from yunsong_common.db import Transaction
from yunsong_router.domain.model import HOLDING, ItemState, WorkItem

_UUIDS = (
    "id", "conversation_id", "queue_id", "agent_id", "next_agent_id", "assignment_id", "required_agent_id", "preferred_agent_id",
    "transferred_by",
)  # fmt: skip
_PLAIN = (
    "epoch", "conversation_rev", "priority", "weight", "channel", "contact_id", "contact_name", "waiting_since", "entered_at", "at_head",
    "prefer_until", "offer_expires_at", "assigned_at", "due_at", "moving",
)  # fmt: skip
_COLUMNS = (*_UUIDS, *_PLAIN, "state", "skills")
COLUMNS = ", ".join(
    [*(f"{name}::text AS {name}" for name in _UUIDS), *_PLAIN, "state", "skills::text AS skills"]
)
_HOLDING = [state.value for state in HOLDING]

_UPSERT = (
    f"INSERT INTO work_items ({', '.join(_COLUMNS)}) VALUES ({', '.join(f'${n}' for n in range(1, len(_COLUMNS) + 1))}) "
    f"ON CONFLICT (conversation_id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _COLUMNS if c != 'id')}, "
    "updated_at = clock_timestamp()"
)


def item_of(row: Any) -> WorkItem:
    """The work item of a row with `COLUMNS`."""
    values = {name: row[name] for name in (*_UUIDS, *_PLAIN)}
    return WorkItem(**values, state=ItemState(row["state"]), skills=json.loads(row["skills"]))


async def save(tx: Transaction, item: WorkItem) -> None:
    """Writes the whole item; the caller has locked it, or it is new."""
    values = [getattr(item, name) for name in (*_UUIDS, *_PLAIN)]
    await tx.raw.execute(_UPSERT, *values, item.state.value, json.dumps(item.skills))


async def lock(tx: Transaction, conversation_id: str) -> WorkItem | None:
    """The item of a conversation, locked."""
    row = await tx.raw.fetchrow(
        f"SELECT {COLUMNS} FROM work_items WHERE conversation_id = $1 FOR UPDATE", conversation_id
    )
    return None if row is None else item_of(row)


async def lock_by_id(tx: Transaction, item_id: str) -> WorkItem | None:
    """The item, locked."""
    row = await tx.raw.fetchrow(f"SELECT {COLUMNS} FROM work_items WHERE id = $1 FOR UPDATE", item_id)
    return None if row is None else item_of(row)


async def lock_many(tx: Transaction, item_ids: Iterable[str]) -> dict[str, WorkItem]:
    """The items, locked in the order of their ids."""
    rows = await tx.raw.fetch(
        f"SELECT {COLUMNS} FROM work_items WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        list(item_ids),
    )
    return {row["id"]: item_of(row) for row in rows}


async def lock_held_by(tx: Transaction, agent_ids: Sequence[str]) -> list[WorkItem]:
    """What agents are offered or hold, locked in the order of ids."""
    rows = await tx.raw.fetch(
        f"SELECT {COLUMNS} FROM work_items WHERE agent_id = ANY($1) AND state = ANY($2) ORDER BY id FOR UPDATE",
        agent_ids, _HOLDING,
    )  # fmt: skip
    return [item_of(row) for row in rows]


async def get(tx: Transaction, conversation_id: str) -> WorkItem | None:
    """The item of a conversation, not locked."""
    row = await tx.raw.fetchrow(
        f"SELECT {COLUMNS} FROM work_items WHERE conversation_id = $1", conversation_id
    )
    return None if row is None else item_of(row)


async def offers_to(tx: Transaction, agent_id: str) -> list[WorkItem]:
    """Offers to an agent that stand now, the oldest first."""
    rows = await tx.raw.fetch(
        f"SELECT {COLUMNS} FROM work_items WHERE agent_id = $1 AND state = 'offered' ORDER BY offer_expires_at, id",
        agent_id,
    )
    return [item_of(row) for row in rows]


async def waiting_in(
    tx: Transaction, queue_id: str, after: tuple[bool, int, dt.datetime, str] | None, limit: int
) -> list[WorkItem]:
    """What waits or is offered in a queue, next first."""
    where, args = "", []
    if after is not None:
        where, args = "AND ((NOT at_head), priority, waiting_since, id) > ($3, $4, $5, $6)", list(after)
    rows = await tx.raw.fetch(
        f"SELECT {COLUMNS} FROM work_items WHERE queue_id = $1 AND state IN ('waiting', 'offered') {where} "
        "ORDER BY (NOT at_head), priority, waiting_since, id LIMIT $2",
        queue_id, limit, *args,
    )  # fmt: skip
    return [item_of(row) for row in rows]


async def exclude(tx: Transaction, item_id: str, agent_id: str, until: dt.datetime) -> None:
    """Keeps an item from an agent for a while."""
    await tx.raw.execute(
        "INSERT INTO exclusions (work_item_id, agent_id, until) VALUES ($1, $2, $3) "
        "ON CONFLICT (work_item_id, agent_id) DO UPDATE SET until = excluded.until",
        item_id, agent_id, until,
    )  # fmt: skip


async def ahead_of(tx: Transaction, item: WorkItem) -> int:
    """How many wait before an item in its queue."""
    ahead: int = await tx.raw.fetchval(
        "SELECT count(*) FROM work_items WHERE queue_id = $1 AND state IN ('waiting', 'offered') "
        "AND ((NOT at_head), priority, waiting_since, id) < ($2, $3, $4, $5)",
        item.queue_id, not item.at_head, item.priority, item.waiting_since, item.id,
    )  # fmt: skip
    return ahead


async def weight_of(tx: Transaction, channel: str) -> int:
    """What a conversation of a channel counts."""
    return await tx.raw.fetchval("SELECT weight FROM channel_weights WHERE channel = $1", channel) or 1


async def last_agent(tx: Transaction, contact_id: str) -> str | None:
    """The agent who last had a conversation with a contact."""
    agent_id: str | None = await tx.raw.fetchval(
        "SELECT agent_id::text FROM last_agents WHERE contact_id = $1", contact_id
    )
    return agent_id


async def forget_contact(tx: Transaction, contact_id: str, conversation_ids: Sequence[str]) -> None:
    """Deletes what is kept of a contact that was erased."""
    await tx.raw.execute("DELETE FROM last_agents WHERE contact_id = $1", contact_id)
    await tx.raw.execute(
        "UPDATE work_items SET contact_name = '', contact_id = '' WHERE conversation_id = ANY($1)",
        conversation_ids,
    )
