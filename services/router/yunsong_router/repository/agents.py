"""Agents, their leases, and the revisions of their feeds."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from yunsong_common.db import Transaction
from yunsong_router.domain.model import Agent, Presence

_COLUMNS = (
    "a.id::text AS id, a.name, a.capacity, a.skills::text AS skills, a.enabled, a.presence, a.presence_reason, a.presence_since, "
    "a.connected, a.last_assigned_at, a.feed_rev, a.load, a.active_count, "
    "ARRAY(SELECT m.queue_id::text FROM queue_members m WHERE m.agent_id = a.id ORDER BY m.queue_id) AS queue_ids"
)


def agent_of(row: Any) -> Agent:
    """The agent of a row with the columns above."""
    return Agent(
        id=row["id"],
        name=row["name"],
        capacity=row["capacity"],
        skills=json.loads(row["skills"]),
        enabled=row["enabled"],
        presence=Presence(row["presence"]),
        presence_reason=row["presence_reason"],
        presence_since=row["presence_since"],
        connected=row["connected"],
        last_assigned_at=row["last_assigned_at"],
        feed_rev=row["feed_rev"],
        load=row["load"],
        active_count=row["active_count"],
        queue_ids=tuple(row["queue_ids"]),
    )


async def get(tx: Transaction, agent_id: str) -> Agent | None:
    """One agent with its load."""
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM agents a WHERE id = $1", agent_id)
    return None if row is None else agent_of(row)


async def get_many(tx: Transaction, agent_ids: Iterable[str]) -> dict[str, Agent]:
    """Agents with their loads."""
    rows = await tx.raw.fetch(f"SELECT {_COLUMNS} FROM agents a WHERE id = ANY($1)", list(agent_ids))
    return {row["id"]: agent_of(row) for row in rows}


async def lock(tx: Transaction, agent_id: str) -> Agent | None:
    """One agent, locked, with the load that then stands: whoever reserves on an agent locks it first."""
    await tx.raw.execute("SELECT 1 FROM agents WHERE id = $1 FOR NO KEY UPDATE", agent_id)
    return await get(tx, agent_id)


async def page(
    tx: Transaction, after: tuple[str, str] | None, limit: int, queue_id: str | None
) -> list[Agent]:
    """Agents by name."""
    name, agent_id = after or ("", "00000000-0000-0000-0000-000000000000")
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM agents a WHERE (a.name, a.id) > ($1, $2::uuid) "
        "AND ($4::uuid IS NULL OR EXISTS (SELECT 1 FROM queue_members m WHERE m.agent_id = a.id AND m.queue_id = $4)) "
        "ORDER BY a.name, a.id LIMIT $3",
        name, agent_id, limit, queue_id,
    )  # fmt: skip
    return [agent_of(row) for row in rows]


async def everybody(tx: Transaction) -> list[Agent]:
    """All agents by name."""
    rows = await tx.raw.fetch(f"SELECT {_COLUMNS} FROM agents a ORDER BY a.name, a.id")
    return [agent_of(row) for row in rows]


async def create(tx: Transaction, agent_id: str, name: str, capacity: int) -> bool:
    """A new agent; False when there is one."""
    now = await tx.now()
    made = await tx.raw.fetchval(
        "INSERT INTO agents (id, name, capacity, skills, enabled, presence_since) VALUES ($1, $2, $3, '{}', true, $4) "
        "ON CONFLICT DO NOTHING RETURNING true",
        agent_id, name, capacity, now,
    )  # fmt: skip
    return bool(made)


async def configure(
    tx: Transaction, agent_id: str, name: str, capacity: int, skills: Mapping[str, int], enabled: bool
) -> None:
    """Changes an agent."""
    await tx.raw.execute(
        "UPDATE agents SET name = $2, capacity = $3, skills = $4, enabled = $5 WHERE id = $1",
        agent_id, name, capacity, json.dumps(dict(skills)), enabled,
    )  # fmt: skip


async def set_presence(
    tx: Transaction, agent_ids: Sequence[str], presence: Presence, reason: str, now: dt.datetime
) -> None:
    """What these agents say from now on; `presence_since` moves only when it differs."""
    await tx.raw.execute(
        "UPDATE agents SET presence_since = CASE WHEN presence = $2 THEN presence_since ELSE $4 END, presence = $2, "
        "presence_reason = $3 WHERE id = ANY($1)",
        agent_ids, presence.value, reason, now,
    )  # fmt: skip


async def set_connected(tx: Transaction, agent_ids: Sequence[str], connected: bool) -> None:
    """Whether some connection of theirs is alive."""
    await tx.raw.execute("UPDATE agents SET connected = $2 WHERE id = ANY($1)", agent_ids, connected)


async def next_feed_revs(tx: Transaction, entries: Mapping[str, int]) -> dict[str, int]:
    """Takes so many revisions of each agent's feed; gives the first of them. Agents are locked in the order of their ids."""
    ids = sorted(entries)
    await tx.raw.execute("SELECT 1 FROM agents WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", ids)
    rows = await tx.raw.fetch(
        "UPDATE agents a SET feed_rev = a.feed_rev + n.entries FROM unnest($1::uuid[], $2::int[]) AS n(id, entries) "
        "WHERE a.id = n.id RETURNING a.id::text AS id, a.feed_rev - n.entries + 1 AS first",
        ids, [entries[agent_id] for agent_id in ids],
    )  # fmt: skip
    return {row["id"]: row["first"] for row in rows}


async def feed_heads(tx: Transaction, agent_ids: Sequence[str]) -> dict[str, int]:
    """Where the feeds of agents are; unknown ones are left out."""
    rows = await tx.raw.fetch("SELECT id::text AS id, feed_rev FROM agents WHERE id = ANY($1)", agent_ids)
    return {row["id"]: row["feed_rev"] for row in rows}


async def renew(
    tx: Transaction, gateway_id: str, connections: Mapping[str, int], expires_at: dt.datetime
) -> None:
    """Renews one gateway process' leases; unknown agents get none."""
    ids = sorted(connections)
    await tx.raw.execute(
        "INSERT INTO leases (gateway_id, agent_id, connections, expires_at) "
        "SELECT $1, n.id, n.connections, $4 FROM unnest($2::uuid[], $3::int[]) AS n(id, connections) "
        "WHERE EXISTS (SELECT 1 FROM agents a WHERE a.id = n.id) ORDER BY n.id "
        "ON CONFLICT (agent_id, gateway_id) DO UPDATE SET connections = excluded.connections, expires_at = excluded.expires_at",
        gateway_id, ids, [connections[agent_id] for agent_id in ids], expires_at,
    )  # fmt: skip


async def end_leases(tx: Transaction, gateway_id: str, agent_ids: Sequence[str]) -> None:
    """The last connection of these agents to this gateway process was closed on purpose."""
    await tx.raw.execute(
        "DELETE FROM leases WHERE gateway_id = $1 AND agent_id = ANY($2)", gateway_id, agent_ids
    )


async def expire_leases(tx: Transaction, now: dt.datetime) -> None:
    """Drops leases that were not renewed in time."""
    await tx.raw.execute(
        "DELETE FROM leases WHERE (agent_id, gateway_id) IN ("
        "SELECT agent_id, gateway_id FROM leases WHERE expires_at <= $1 ORDER BY agent_id FOR UPDATE SKIP LOCKED)",
        now,
    )


async def without_lease(tx: Transaction, among: Sequence[str] | None = None) -> list[str]:
    """Agents who count as connected and whom no gateway names any more."""
    rows = await tx.raw.fetch(
        "SELECT id::text AS id FROM agents a WHERE connected AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.agent_id = a.id) "
        "AND ($1::uuid[] IS NULL OR id = ANY($1)) ORDER BY id",
        among,
    )
    return [row["id"] for row in rows]


async def not_connected(tx: Transaction, among: Sequence[str]) -> list[str]:
    """Which of these agents do not count as connected yet."""
    rows = await tx.raw.fetch(
        "SELECT id::text AS id FROM agents WHERE id = ANY($1) AND NOT connected ORDER BY id", among
    )
    return [row["id"] for row in rows]
