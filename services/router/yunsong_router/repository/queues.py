"""Queues, their members, skills and channel weights."""

# ruff: noqa: S608 - statements are put together from this package's constants alone
from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from yunsong_common.db import Transaction
from yunsong_router.domain.hours import Hours, Schedule
from yunsong_router.domain.model import Queue
from yunsong_router.domain.promises import Sla
from yunsong_router.domain.skills import RelaxationStep

_COLUMNS = (
    "q.id::text AS id, q.name, q.version, q.priority, q.strategy, q.requires_accept, q.offer_timeout_s, q.max_wait_s, "
    "q.overflow_queue_id::text AS overflow_queue_id, q.last_agent_s, q.time_zone, q.hours::text AS hours, "
    "q.holidays::text AS holidays, q.relaxation::text AS relaxation, q.sla::text AS sla, q.required_skills::text AS required_skills, "
    "q.open, q.group_id::text AS group_id, q.last_served_agent_id::text AS last_served_agent_id, q.created_at"
)
_MEMBERS = "ARRAY(SELECT m.agent_id::text FROM queue_members m WHERE m.queue_id = q.id ORDER BY m.agent_id) AS member_ids"


def queue_of(row: Any) -> Queue:
    """The queue of a row."""
    holidays = tuple(
        (dt.date.fromisoformat(day), None if start is None else Hours(start, end))
        for day, start, end, _ in json.loads(row["holidays"])
    )
    return Queue(
        id=row["id"],
        name=row["name"],
        version=row["version"],
        priority=row["priority"],
        strategy=row["strategy"],
        requires_accept=row["requires_accept"],
        offer_timeout_s=row["offer_timeout_s"],
        max_wait_s=row["max_wait_s"],
        overflow_queue_id=row["overflow_queue_id"],
        last_agent_s=row["last_agent_s"],
        schedule=Schedule(
            row["time_zone"],
            tuple((day, Hours(start, end)) for day, start, end in json.loads(row["hours"])),
            holidays,
            tuple(name for _, _, _, name in json.loads(row["holidays"])),
        ),
        relaxation=tuple(RelaxationStep(*step) for step in json.loads(row["relaxation"])),
        sla=Sla(*json.loads(row["sla"])),
        required_skills=json.loads(row["required_skills"]),
        open=row["open"],
        group_id=row["group_id"],
        last_served_agent_id=row["last_served_agent_id"] or "",
        member_ids=tuple(row.get("member_ids", ())),
        created_at=row["created_at"],
    )


async def get(tx: Transaction, queue_id: str) -> Queue | None:
    """One queue with its members."""
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS}, {_MEMBERS} FROM queues q WHERE id = $1", queue_id)
    return None if row is None else queue_of(row)


async def rules(tx: Transaction, queue_id: str | None) -> Queue | None:
    """One queue without its members."""
    if queue_id is None:
        return None
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM queues q WHERE id = $1", queue_id)
    return None if row is None else queue_of(row)


async def default(tx: Transaction) -> Queue | None:
    """The oldest queue: where conversations go that name none, or one that is gone."""
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM queues q ORDER BY created_at, id LIMIT 1")
    return None if row is None else queue_of(row)


async def page(tx: Transaction, after: tuple[str, str] | None, limit: int) -> list[Queue]:
    """Queues by name."""
    name, queue_id = after or ("", "00000000-0000-0000-0000-000000000000")
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS}, {_MEMBERS} FROM queues q WHERE (q.name, q.id) > ($1, $2::uuid) ORDER BY q.name, q.id LIMIT $3",
        name, queue_id, limit,
    )  # fmt: skip
    return [queue_of(row) for row in rows]


async def of_group(tx: Transaction, group_id: str) -> list[Queue]:
    """The queues of a routing group, without members."""
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM queues q WHERE group_id = $1 ORDER BY priority, id", group_id
    )
    return [queue_of(row) for row in rows]


async def save(tx: Transaction, queue: Queue) -> None:
    """Writes the whole queue but for members, group and what routing keeps; raises asyncpg's UniqueViolationError for a taken name."""
    schedule = queue.schedule
    holidays = [
        [day.isoformat(), hours.start if hours else None, hours.end if hours else None, name]
        for (day, hours), name in zip(schedule.holidays, schedule.holiday_names, strict=True)
    ]
    await tx.raw.execute(
        "INSERT INTO queues (id, name, priority, strategy, requires_accept, offer_timeout_s, max_wait_s, overflow_queue_id, "
        "last_agent_s, time_zone, hours, holidays, relaxation, sla, required_skills, open, next_change_at, group_id, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $1, $18) "
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name, priority = excluded.priority, strategy = excluded.strategy, "
        "requires_accept = excluded.requires_accept, offer_timeout_s = excluded.offer_timeout_s, max_wait_s = excluded.max_wait_s, "
        "overflow_queue_id = excluded.overflow_queue_id, last_agent_s = excluded.last_agent_s, time_zone = excluded.time_zone, "
        "hours = excluded.hours, holidays = excluded.holidays, relaxation = excluded.relaxation, sla = excluded.sla, "
        "required_skills = excluded.required_skills, open = excluded.open, next_change_at = excluded.next_change_at, "
        "version = queues.version + 1",
        queue.id, queue.name, queue.priority, queue.strategy, queue.requires_accept, queue.offer_timeout_s, queue.max_wait_s,
        queue.overflow_queue_id, queue.last_agent_s, schedule.time_zone,
        json.dumps([[day, hours.start, hours.end] for day, hours in schedule.weekly]), json.dumps(holidays),
        json.dumps([[s.after_s, s.lower_levels_by, s.drop_skills] for s in queue.relaxation]),
        json.dumps([queue.sla.first_response_s, queue.sla.next_response_s, queue.sla.warn_before_s]),
        json.dumps(queue.required_skills), queue.open, schedule.next_change(await tx.now()), queue.created_at,
    )  # fmt: skip


async def delete(tx: Transaction, queue_id: str) -> None:
    """Deletes a queue, its members and its triggers."""
    await tx.raw.execute("UPDATE queues SET overflow_queue_id = NULL WHERE overflow_queue_id = $1", queue_id)
    await tx.raw.execute("DELETE FROM triggers WHERE queue_id = $1", queue_id)
    await tx.raw.execute("DELETE FROM queues WHERE id = $1", queue_id)


async def lock_configuration(tx: Transaction) -> None:
    """One change of queues and members at a time: groups are made from all of them."""
    await tx.raw.execute("SELECT pg_advisory_xact_lock(hashtext('yunsong.router.configuration'))")


async def members(tx: Transaction) -> list[tuple[str, str]]:
    """All pairs of queue and agent."""
    rows = await tx.raw.fetch(
        "SELECT queue_id::text AS queue_id, agent_id::text AS agent_id FROM queue_members"
    )
    return [(row["queue_id"], row["agent_id"]) for row in rows]


async def set_members(tx: Transaction, queue_id: str, agent_ids: Sequence[str]) -> None:
    """Replaces a queue's members."""
    await tx.raw.execute(
        "DELETE FROM queue_members WHERE queue_id = $1 AND agent_id <> ALL($2)", queue_id, agent_ids
    )
    await tx.raw.execute(
        "INSERT INTO queue_members (queue_id, agent_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        queue_id,
        agent_ids,
    )


async def ids_and_overflow(tx: Transaction) -> dict[str, str | None]:
    """Every queue and where it overflows to."""
    rows = await tx.raw.fetch("SELECT id::text AS id, overflow_queue_id::text AS overflow FROM queues")
    return {row["id"]: row["overflow"] for row in rows}


async def set_groups(tx: Transaction, groups: Mapping[str, str]) -> None:
    """Writes the routing group of every queue."""
    await tx.raw.execute(
        "UPDATE queues q SET group_id = g.group_id FROM unnest($1::uuid[], $2::uuid[]) AS g(id, group_id) "
        "WHERE q.id = g.id AND q.group_id <> g.group_id",
        list(groups), list(groups.values()),
    )  # fmt: skip


async def waits_in(tx: Transaction, queue_id: str) -> bool:
    """Whether something waits in the queue, is offered from it or waits for its opening."""
    found: bool = await tx.raw.fetchval(
        "SELECT EXISTS (SELECT 1 FROM work_items WHERE queue_id = $1 AND state IN ('waiting', 'offered', 'assigning', 'off_hours'))",
        queue_id,
    )
    return found


async def skills(tx: Transaction) -> list[tuple[str, str]]:
    """All skills: name and description."""
    return [tuple(row) for row in await tx.raw.fetch("SELECT name, description FROM skills ORDER BY name")]


async def set_skill(tx: Transaction, name: str, description: str) -> None:
    """Creates or changes a skill."""
    await tx.raw.execute(
        "INSERT INTO skills (name, description) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET description = excluded.description",
        name, description,
    )  # fmt: skip


async def delete_skill(tx: Transaction, name: str) -> bool:
    """Deletes a skill where it stands; False when there is none."""
    deleted = await tx.raw.fetchval("DELETE FROM skills WHERE name = $1 RETURNING true", name)
    await tx.raw.execute("UPDATE agents SET skills = skills - $1 WHERE skills ? $1", name)
    await tx.raw.execute(
        "UPDATE queues SET required_skills = required_skills - $1, version = version + 1 WHERE required_skills ? $1",
        name,
    )
    return bool(deleted)


async def weights(tx: Transaction) -> dict[str, int]:
    """What a conversation of each channel counts."""
    return {
        row["channel"]: row["weight"]
        for row in await tx.raw.fetch("SELECT channel, weight FROM channel_weights ORDER BY 1")
    }


async def set_weights(tx: Transaction, weights: Mapping[str, int]) -> None:
    """Replaces all weights."""
    await tx.raw.execute("DELETE FROM channel_weights")
    await tx.raw.execute(
        "INSERT INTO channel_weights (channel, weight) SELECT * FROM unnest($1::text[], $2::int[])",
        list(weights), list(weights.values()),
    )  # fmt: skip
