"""What a plan reads and writes, in bulk. Nothing here waits for a lock: what somebody else holds is left to the next plan."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from yunsong_common.db import Transaction
from yunsong_router.domain.model import Queue
from yunsong_router.domain.planning import OnlineAgent, WaitingItem
from yunsong_router.domain.skills import required_now

Place = tuple[bool, int, dt.datetime, str]

_ITEM = (
    "id::text AS id, conversation_id::text AS conversation_id, queue_id::text AS queue_id, priority, weight, channel, "
    "skills::text AS skills, waiting_since, at_head, epoch, required_agent_id::text AS required_agent_id, "
    "preferred_agent_id::text AS preferred_agent_id, prefer_until"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting item with what is needed to write its assignment."""

    item: WaitingItem
    place: Place
    conversation_id: str
    epoch: int


async def try_lock_group(tx: Transaction, group_id: str) -> bool:
    """The group's lock until the transaction ends; False when another replica has it."""
    locked: bool = await tx.raw.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtext('yunsong.router.group'), hashtext($1))", group_id
    )
    return locked


_AGENT = "a.id::text AS id, a.capacity, a.load, a.skills::text AS skills, a.last_assigned_at"
_TAKES_WORK = "a.enabled AND a.connected AND a.presence = 'online'"


async def agents_with_room(
    tx: Transaction, queue_ids: Sequence[str], also: Sequence[str]
) -> list[OnlineAgent]:
    """Members of these queues who take work and have room, those in `also`, and those for whom something waits although they are full."""
    rows = await tx.raw.fetch(
        f"SELECT {_AGENT}, coalesce(m.queue_ids, '{{}}') AS queue_ids FROM agents a "
        "LEFT JOIN (SELECT agent_id, array_agg(queue_id::text) AS queue_ids FROM queue_members WHERE queue_id = ANY($1) "
        "GROUP BY agent_id) m ON m.agent_id = a.id "
        f"WHERE {_TAKES_WORK} AND ((m.agent_id IS NOT NULL AND a.load < a.capacity) OR a.id = ANY($2) OR a.id IN ("
        "SELECT preferred_agent_id FROM work_items WHERE state = 'waiting' AND preferred_agent_id IS NOT NULL))",
        queue_ids, list(also),
    )  # fmt: skip
    return [_agent(row) for row in rows]


async def best_agents(
    tx: Transaction, queues: Mapping[str, Queue], items: Sequence[WaitingItem]
) -> list[OnlineAgent]:
    """Enough agents to plan these few items exactly as among everybody: of each kind of item the first so many by the queue's strategy.

    Each item takes one agent, and nobody becomes more preferred by that, so the best for any of n items was among the first n, those
    left out who declined one. For built-in strategies alone, whose order is told here a second time, in SQL.
    """
    kinds = {(item.queue_id, item.skills, item.weight) for item in items}
    enough = len(items) + max((len(item.excluded) for item in items), default=0)
    named = {
        agent_id
        for item in items
        for agent_id in (item.required_agent_id, item.preferred_agent_id)
        if agent_id is not None
    }
    rows = await tx.raw.fetch(
        "WITH chosen AS (SELECT best.id FROM unnest($1::uuid[], $2::text[], $3::int[], $4::jsonb[], $5::uuid[]) "
        "AS kind(queue_id, strategy, weight, skills, last_served) CROSS JOIN LATERAL ("
        "  SELECT a.id FROM queue_members m JOIN agents a ON a.id = m.agent_id"
        f"  WHERE m.queue_id = kind.queue_id AND {_TAKES_WORK} AND a.capacity - a.load >= kind.weight AND NOT EXISTS ("
        "    SELECT 1 FROM jsonb_each_text(kind.skills) s WHERE coalesce((a.skills ->> s.key)::int, 0) < s.value::int)"
        "  ORDER BY CASE kind.strategy WHEN 'round_robin' THEN (a.id <= kind.last_served IS TRUE)::int::float8"
        "    WHEN 'longest_idle' THEN 0 ELSE a.load::float8 / a.capacity END,"
        "    CASE kind.strategy WHEN 'round_robin' THEN NULL ELSE coalesce(a.last_assigned_at, '-infinity') END, a.id LIMIT $6"
        ") best UNION SELECT unnest($7::uuid[])) "
        f"SELECT {_AGENT}, ARRAY(SELECT m.queue_id::text FROM queue_members m WHERE m.agent_id = a.id) AS queue_ids "
        f"FROM agents a WHERE a.id IN (SELECT id FROM chosen) AND {_TAKES_WORK}",
        [queue_id for queue_id, _, _ in kinds], [queues[queue_id].strategy for queue_id, _, _ in kinds],
        [weight for _, _, weight in kinds], [json.dumps(dict(skills)) for _, skills, _ in kinds],
        [queues[queue_id].last_served_agent_id or None for queue_id, _, _ in kinds], enough, list(named),
    )  # fmt: skip
    return [_agent(row) for row in rows]


async def required_items(tx: Transaction, queues: Mapping[str, Queue], now: dt.datetime) -> list[Candidate]:
    """What waits for one agent alone, in order."""
    rows = await tx.raw.fetch(
        f"SELECT {_ITEM} FROM work_items WHERE queue_id = ANY($1) AND state = 'waiting' AND NOT moving "
        "AND required_agent_id IS NOT NULL ORDER BY (NOT at_head), priority, waiting_since, id",
        list(queues),
    )
    return [_candidate(row, queues, now, {}) for row in rows]


async def next_items(
    tx: Transaction,
    queue_ids: Sequence[str],
    queues: Mapping[str, Queue],
    now: dt.datetime,
    after: Place | None,
    limit: int,
) -> list[Candidate]:
    """The next items that wait in these queues, in order."""
    where, args = "", []
    if after is not None:
        where, args = "AND ((NOT at_head), priority, waiting_since, id) > ($3, $4, $5, $6)", list(after)
    rows = await tx.raw.fetch(
        f"SELECT {_ITEM} FROM work_items WHERE queue_id = ANY($1) AND state = 'waiting' AND NOT moving "
        f"AND required_agent_id IS NULL {where} ORDER BY (NOT at_head), priority, waiting_since, id LIMIT $2",
        queue_ids, limit, *args,
    )  # fmt: skip
    excluded = await _exclusions(tx, [row["id"] for row in rows], now)
    return [_candidate(row, queues, now, excluded) for row in rows]


async def lock_agents(tx: Transaction, agent_ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Agent id to name and room, of those who still take work and whom nobody else reserves on just now; locked."""
    rows = await tx.raw.fetch(
        "SELECT id::text AS id, name, capacity - load AS room FROM agents "
        "WHERE id = ANY($1) AND enabled AND connected AND presence = 'online' "
        "FOR NO KEY UPDATE SKIP LOCKED",
        agent_ids,
    )
    return {row["id"]: (row["name"], row["room"]) for row in rows}


async def lock_waiting(tx: Transaction, candidates: Sequence[Candidate]) -> set[str]:
    """Ids of items that still wait and that nobody else holds; locked."""
    rows = await tx.raw.fetch(
        "SELECT w.id::text AS id FROM work_items w JOIN unnest($1::uuid[], $2::int[]) AS n(id, epoch) ON n.id = w.id "
        "WHERE w.state = 'waiting' AND NOT w.moving AND w.epoch = n.epoch FOR UPDATE OF w SKIP LOCKED",
        [c.item.id for c in candidates], [c.epoch for c in candidates],
    )  # fmt: skip
    return {row["id"] for row in rows}


async def write_assignments(
    tx: Transaction,
    item_ids: Sequence[str],
    agent_ids: Sequence[str],
    assignment_ids: Sequence[str],
    offers_until: Sequence[dt.datetime | None],
) -> None:
    """Reserves the agents' load: items with an end become offers, the others wait for the conversation's answer."""
    await tx.raw.execute(
        "UPDATE work_items w SET state = CASE WHEN n.until IS NULL THEN 'assigning' ELSE 'offered' END, agent_id = n.agent, "
        "assignment_id = n.assignment, offer_expires_at = n.until, updated_at = clock_timestamp() "
        "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) AS n(item, agent, assignment, until) "
        "WHERE w.id = n.item",
        item_ids, agent_ids, assignment_ids, offers_until,
    )  # fmt: skip


async def write_turns(
    tx: Transaction, assigned_at: Mapping[str, dt.datetime], last_served: Mapping[str, str]
) -> None:
    """Remembers when each agent last got work and whom each queue served last."""
    await tx.raw.execute(
        "UPDATE agents a SET last_assigned_at = n.at FROM unnest($1::uuid[], $2::timestamptz[]) AS n(id, at) WHERE a.id = n.id",
        list(assigned_at), list(assigned_at.values()),
    )  # fmt: skip
    if not last_served:
        return
    await tx.raw.execute(
        "UPDATE queues q SET last_served_agent_id = n.agent_id FROM unnest($1::uuid[], $2::uuid[]) AS n(id, agent_id) "
        "WHERE q.id = n.id AND q.last_served_agent_id IS DISTINCT FROM n.agent_id",
        list(last_served), list(last_served.values()),
    )  # fmt: skip


async def _exclusions(
    tx: Transaction, item_ids: Sequence[str], now: dt.datetime
) -> dict[str, frozenset[str]]:
    rows = await tx.raw.fetch(
        "SELECT work_item_id::text AS item, array_agg(agent_id::text) AS agents FROM exclusions "
        "WHERE until > $2 AND work_item_id = ANY($1) GROUP BY 1",
        item_ids, now,
    )  # fmt: skip
    return {row["item"]: frozenset(row["agents"]) for row in rows}


def _agent(row: Any) -> OnlineAgent:
    last: dt.datetime | None = row["last_assigned_at"]
    return OnlineAgent(
        id=row["id"],
        queue_ids=frozenset(row["queue_ids"]),
        skills=_skills(row["skills"]),
        load=row["load"],
        capacity=row["capacity"],
        last_assigned_at=last.timestamp() if last is not None else 0.0,
    )


def _candidate(
    row: Any, queues: Mapping[str, Queue], now: dt.datetime, excluded: Mapping[str, frozenset[str]]
) -> Candidate:
    queue = queues[row["queue_id"]]
    waiting_since: dt.datetime = row["waiting_since"]
    item = WaitingItem(
        id=row["id"],
        queue_id=row["queue_id"],
        waiting_since=waiting_since.timestamp(),
        priority=row["priority"],
        at_head=row["at_head"],
        weight=row["weight"],
        skills=required_now(
            _skills(row["skills"]),
            queue.required_skills,
            queue.relaxation,
            (now - waiting_since).total_seconds(),
        ),
        required_agent_id=row["required_agent_id"],
        preferred_agent_id=row["preferred_agent_id"],
        prefer_until=row["prefer_until"].timestamp() if row["prefer_until"] is not None else 0.0,
        excluded=excluded.get(row["id"], frozenset()),
        channel=row["channel"],
    )
    return Candidate(
        item,
        (not row["at_head"], row["priority"], waiting_since, row["id"]),
        row["conversation_id"],
        row["epoch"],
    )


@lru_cache(maxsize=10_000)
def _skills(text: str) -> Mapping[str, int]:
    # Shared by all who have the same; nobody changes it.
    skills: dict[str, int] = json.loads(text)
    return skills
