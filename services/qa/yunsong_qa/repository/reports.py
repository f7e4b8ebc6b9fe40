"""Reports, computed from the figures of conversations that began in a period."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum

import asyncpg


class Grouping(IntEnum):
    """How rows are made; the contract's numbers."""

    ALL = 0
    HOUR = 1
    DAY = 2
    QUEUE = 3
    AGENT = 4
    INBOX = 5
    CATEGORY = 6


# Conversations assigned within it count for the service level; seconds.
SERVICE_LEVEL_S = 20

_KEYS = {
    Grouping.ALL: ("''", ""),
    Grouping.HOUR: ("date_trunc('hour', f.created_at, $3)", ""),
    Grouping.DAY: ("to_char(f.created_at AT TIME ZONE $3, 'YYYY-MM-DD')", ""),
    Grouping.QUEUE: ("coalesce(f.queue_id::text, '')", "queue"),
    Grouping.AGENT: ("coalesce(f.agent_id::text, '')", "agent"),
    Grouping.INBOX: ("coalesce(f.inbox_id::text, '')", "inbox"),
    Grouping.CATEGORY: ("f.category", ""),
}


@dataclass(frozen=True, slots=True)
class Period:
    """Which conversations a report is about: begun in [start, end), perhaps only of a queue, agent or inbox."""

    start: dt.datetime
    end: dt.datetime
    time_zone: str = "Asia/Shanghai"
    queue_id: str = ""
    agent_id: str = ""
    inbox_id: str = ""


def summary_sql(period: Period, grouping: Grouping) -> tuple[str, list[object]]:
    """The statement of a summary and its values."""
    key, _ = _KEYS[grouping]
    values: list[object] = [period.start, period.end, period.time_zone]
    # The zone is a parameter of every grouping, so that the statements do not differ in their values.
    conditions = ["f.created_at >= $1", "f.created_at < $2", "$3::text IS NOT NULL"]
    for column in ("queue_id", "agent_id", "inbox_id"):
        value = getattr(period, column)
        if value:
            values.append(value)
            conditions.append(f"f.{column} = ${len(values)}")
    values.append(SERVICE_LEVEL_S)
    statement = f"""
        SELECT {key} AS key,
            count(*) AS conversations,
            count(*) FILTER (WHERE f.bot_resolved) AS bot_resolved,
            count(*) FILTER (WHERE f.handed_off) AS handoffs,
            count(f.first_assigned_at) AS assigned,
            count(*) FILTER (WHERE f.abandoned) AS abandoned,
            count(f.resolved_at) AS resolved,
            count(*) FILTER (WHERE f.abandoned)::float8 / nullif(count(*) FILTER (WHERE f.handed_off), 0) AS abandonment_rate,
            avg(f.wait_s) AS wait_avg_s,
            percentile_cont(0.9) WITHIN GROUP (ORDER BY f.wait_s) AS wait_p90_s,
            avg(f.first_response_s) AS first_response_avg_s,
            percentile_cont(0.9) WITHIN GROUP (ORDER BY f.first_response_s) AS first_response_p90_s,
            avg(f.handling_s) AS handling_avg_s,
            count(*) FILTER (WHERE f.first_wait_s <= ${len(values)})::float8
                / nullif(count(*) FILTER (WHERE f.first_wait_s IS NOT NULL OR f.abandoned), 0) AS service_level,
            avg(f.csat_score)::float8 AS csat_avg,
            count(f.csat_score) AS csat_count,
            (sum(i.score_sum) / nullif(sum(i.inspections), 0))::float8 AS inspection_avg,
            coalesce(sum(i.inspections), 0)::bigint AS inspections,
            sum(f.contact_messages)::bigint AS contact_messages,
            sum(f.agent_messages)::bigint AS agent_messages,
            sum(f.bot_messages)::bigint AS bot_messages,
            sum(f.transfers)::bigint AS transfers
        FROM conversation_figures f
        LEFT JOIN LATERAL (
            SELECT sum(score) AS score_sum, count(*) AS inspections FROM inspections WHERE conversation_id = f.conversation_id
        ) i ON true
        WHERE {" AND ".join(conditions)}
        GROUP BY 1
    """  # noqa: S608 - our names
    return statement, values


async def summary(conn: asyncpg.Connection, period: Period, grouping: Grouping) -> list[asyncpg.Record]:
    """One record per group, by key: a time for hours, else a text; with `name` where the group has one."""
    statement, values = summary_sql(period, grouping)
    _, kind = _KEYS[grouping]
    name = {"": "''", "queue": "n.name", "agent": "n.name", "inbox": "n.name"}[kind]
    if grouping == Grouping.CATEGORY:
        name = "s.key"
    join = f"LEFT JOIN names n ON n.kind = '{kind}' AND n.id::text = s.key" if kind else ""
    return await conn.fetch(
        f"SELECT s.*, coalesce({name}, '') AS name FROM ({statement}) s {join} ORDER BY s.key",  # noqa: S608
        *values,
    )


async def complete_until(conn: asyncpg.Connection) -> dt.datetime | None:
    """The time of the newest fact."""
    found: dt.datetime | None = await conn.fetchval("SELECT max(occurred_at) FROM facts")
    return found


async def page(
    conn: asyncpg.Connection, *, conversation_id: str, before: tuple[dt.datetime, str] | None, limit: int
) -> list[asyncpg.Record]:
    """Conversations' figures with the newest inspection's score, the newest conversation first."""
    conditions = ["f.created_at IS NOT NULL"]
    values: list[object] = []
    if conversation_id:
        values.append(conversation_id)
        conditions.append(f"f.conversation_id = ${len(values)}")
    if before is not None:
        values += list(before)
        conditions.append(f"(f.created_at, f.conversation_id) < (${len(values) - 1}, ${len(values)})")
    return await conn.fetch(
        "SELECT f.*, (SELECT score FROM inspections i WHERE i.conversation_id = f.conversation_id "  # noqa: S608
        "ORDER BY i.created_at DESC LIMIT 1) AS inspection_score FROM conversation_figures f "
        f"WHERE {' AND '.join(conditions)} ORDER BY f.created_at DESC, f.conversation_id DESC LIMIT {int(limit)}",
        *values,
    )
