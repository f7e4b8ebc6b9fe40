"""Inspections, and the conversations that wait for one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import asyncpg

from yunsong_common.errors import NotFound
from yunsong_qa.domain.inspections import Inspection
from yunsong_qa.domain.rules import RuleHit
from yunsong_qa.domain.scoring import ItemScore, ScoredHit


@dataclass(frozen=True, slots=True)
class Job:
    """A conversation to inspect, at this revision or a later one."""

    conversation_id: str
    rev: int
    attempts: int


async def request(conn: asyncpg.Connection, revisions: Mapping[str, int]) -> None:
    """Puts conversations on the list, due at once."""
    ids = sorted(revisions)
    await conn.execute(
        "INSERT INTO inspection_jobs (conversation_id, rev) SELECT * FROM unnest($1::uuid[], $2::bigint[]) "
        "ON CONFLICT (conversation_id) DO UPDATE SET rev = greatest(inspection_jobs.rev, excluded.rev), attempts = 0, "
        "next_attempt_at = excluded.next_attempt_at, error = ''",
        ids,
        [revisions[one] for one in ids],
    )


async def claim(conn: asyncpg.Connection, limit: int, lease_s: float) -> list[Job]:
    """Takes due jobs that nobody else holds. A replica that dies with them gives them up after `lease_s` seconds."""
    rows = await conn.fetch(
        """
        UPDATE inspection_jobs SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $2)
        WHERE conversation_id IN (
            SELECT conversation_id FROM inspection_jobs WHERE next_attempt_at <= clock_timestamp()
            ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        RETURNING conversation_id, rev, attempts
        """,
        limit,
        lease_s,
    )
    return [Job(str(row["conversation_id"]), row["rev"], row["attempts"]) for row in rows]


async def finish(conn: asyncpg.Connection, job: Job) -> None:
    """Takes a job off the list, unless the conversation changed meanwhile."""
    await conn.execute(
        "DELETE FROM inspection_jobs WHERE conversation_id = $1 AND rev = $2", job.conversation_id, job.rev
    )


async def put_back(conn: asyncpg.Connection, job: Job, error: str, pause_s: float) -> None:
    """Makes a job that failed due again in `pause_s` seconds."""
    await conn.execute(
        "UPDATE inspection_jobs SET next_attempt_at = clock_timestamp() + make_interval(secs => $3), error = $4 "
        "WHERE conversation_id = $1 AND rev = $2",
        job.conversation_id, job.rev, pause_s, error,
    )  # fmt: skip


async def put(conn: asyncpg.Connection, new: Inspection) -> tuple[str, int] | None:
    """Stores an inspection in the place of the one before; returns its id and revision.

    None when a newer state of the conversation was inspected already, or the contact was erased.
    """
    row = await conn.fetchrow(
        """
        INSERT INTO inspections (id, conversation_id, scorecard_id, scorecard_name, scorecard_version, agent_id, queue_id,
            score, passed, fatal, items, hits, source_rev, revision, created_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14
        WHERE NOT EXISTS (SELECT FROM erased_conversations WHERE conversation_id = $2)
        ON CONFLICT (conversation_id, scorecard_id) DO UPDATE SET scorecard_name = excluded.scorecard_name,
            scorecard_version = excluded.scorecard_version, agent_id = excluded.agent_id, queue_id = excluded.queue_id,
            score = excluded.score, passed = excluded.passed, fatal = excluded.fatal, items = excluded.items,
            hits = excluded.hits, source_rev = excluded.source_rev, revision = inspections.revision + 1,
            created_at = excluded.created_at
        WHERE inspections.source_rev <= excluded.source_rev
        RETURNING id, revision
        """,
        new.id, new.conversation_id, new.scorecard_id, new.scorecard_name, new.scorecard_version, new.agent_id,
        new.queue_id, new.score, new.passed, new.fatal, json.dumps([asdict(item) for item in new.items]),
        json.dumps([asdict(hit) for hit in new.hits]), new.source_rev, new.created_at,
    )  # fmt: skip
    return None if row is None else (str(row["id"]), row["revision"])


async def get(conn: asyncpg.Connection, inspection_id: str) -> Inspection:
    """One inspection. Raises NotFound / INSPECTION_UNKNOWN."""
    row = await conn.fetchrow("SELECT * FROM inspections WHERE id = $1", inspection_id)
    if row is None:
        raise NotFound(reason="INSPECTION_UNKNOWN", message=f"there is no inspection {inspection_id}")
    return _inspection(row)


async def page(
    conn: asyncpg.Connection,
    *,
    conversation_id: str,
    agent_id: str,
    fatal_only: bool,
    before: tuple[dt.datetime, str] | None,
    limit: int,
    queue_id: str = "",
    failed_only: bool = False,
    created_after: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
) -> list[Inspection]:
    """Inspections, newest first, from after the place `before`."""
    conditions = ["true"]
    values: list[object] = []
    for condition, value in (
        ("conversation_id =", conversation_id),
        ("agent_id =", agent_id),
        ("queue_id =", queue_id),
        ("created_at >=", created_after),
        ("created_at <", created_before),
    ):
        if value:
            values.append(value)
            conditions.append(f"{condition} ${len(values)}")
    if fatal_only:
        conditions.append("fatal")
    if failed_only:
        conditions.append("NOT passed")
    if before is not None:
        values += list(before)
        conditions.append(f"(created_at, id) < (${len(values) - 1}, ${len(values)})")
    rows = await conn.fetch(
        f"SELECT * FROM inspections WHERE {' AND '.join(conditions)} ORDER BY created_at DESC, id DESC LIMIT {int(limit)}",  # noqa: S608
        *values,
    )
    return [_inspection(row) for row in rows]


def _inspection(row: asyncpg.Record) -> Inspection:
    return Inspection(
        id=str(row["id"]),
        conversation_id=str(row["conversation_id"]),
        scorecard_id=str(row["scorecard_id"]),
        scorecard_name=row["scorecard_name"],
        scorecard_version=row["scorecard_version"],
        agent_id=None if row["agent_id"] is None else str(row["agent_id"]),
        queue_id=None if row["queue_id"] is None else str(row["queue_id"]),
        score=row["score"],
        passed=row["passed"],
        fatal=row["fatal"],
        items=[ItemScore(**item) for item in row["items"]],
        hits=[_hit(hit) for hit in row["hits"]],
        source_rev=row["source_rev"],
        revision=row["revision"],
        created_at=row["created_at"],
    )


def _hit(stored: dict[str, object]) -> ScoredHit:
    hit = stored["hit"]
    assert isinstance(hit, dict)
    return ScoredHit(
        RuleHit(**hit), str(stored["item_title"]), int(str(stored["points"])), bool(stored["fatal"])
    )
