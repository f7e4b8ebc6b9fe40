"""The outbox's statements: bulk insert, bulk mark, leftovers, the change log, pruning."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from yunsong_common.outbox.rows import OutboxRow


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change log."""

    seq: int
    event_id: str
    type: str  # the event's full name
    entity_id: str
    rev: int
    public_rev: int | None
    payload: bytes
    occurred_at: dt.datetime


async def read_changes(
    conn: asyncpg.Connection,
    entity_id: str,
    after_rev: int,
    limit: int,
    *,
    schema: str | None = None,
    public: bool = False,
) -> list[Change]:
    """An entity's changes after a revision, oldest first, at most `limit`.

    With `public` only those that the contact may see, and `after_rev` counts the public revision. A first change that is not
    `after_rev + 1` means that the log was pruned: take a snapshot. Without `schema` the connection's search path decides.
    """
    table = f'"{schema}".outbox' if schema else "outbox"
    bound = "public_rev > $2" if public else "rev > $2"
    order = "public_rev" if public else "rev"
    rows = await conn.fetch(
        f"SELECT seq, event_id, type, entity_id, rev, public_rev, payload, headers->>'occurred_at' AS occurred_at "  # noqa: S608
        f"FROM {table} WHERE entity_id = $1 AND {bound} ORDER BY {order}, seq LIMIT $3",
        entity_id, after_rev, limit,
    )  # fmt: skip
    return [
        Change(
            seq=row["seq"],
            event_id=str(row["event_id"]),
            type=row["type"],
            entity_id=row["entity_id"],
            rev=row["rev"],
            public_rev=row["public_rev"],
            payload=row["payload"],
            occurred_at=dt.datetime.fromisoformat(row["occurred_at"]),
        )
        for row in rows
    ]


async def insert_rows(conn: asyncpg.Connection, schema: str, rows: Sequence[OutboxRow]) -> None:
    """Writes the rows in one statement and sets their `seq`, which grows in the order of `rows`."""
    seqs = await conn.fetch(
        f'INSERT INTO "{schema}".outbox (event_id, type, subject, entity_id, rev, public_rev, payload, headers) '  # noqa: S608
        "SELECT i, t, s, e, r, p, b, h::jsonb FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], "
        "$7::bytea[], $8::text[]) AS new (i, t, s, e, r, p, b, h) "
        "RETURNING seq",
        [row.event_id for row in rows],
        [row.type for row in rows],
        [row.subject for row in rows],
        [row.entity_id for row in rows],
        [row.rev for row in rows],
        [row.public_rev for row in rows],
        [row.payload for row in rows],
        [_headers(row) for row in rows],
    )
    for row, record in zip(rows, seqs, strict=True):
        row.seq = record[0]


async def mark_published(conn: asyncpg.Connection, schema: str, seqs: Sequence[int]) -> None:
    """Marks rows as published; those that another replica's relay holds are left to it."""
    await conn.execute(
        f'UPDATE "{schema}".outbox SET published_at = clock_timestamp() WHERE seq IN ('  # noqa: S608
        f'SELECT seq FROM "{schema}".outbox WHERE seq = ANY($1::bigint[]) AND published_at IS NULL FOR UPDATE SKIP LOCKED)',
        seqs,
    )


async def lock_leftovers(
    conn: asyncpg.Connection, schema: str, *, older_than_s: float, limit: int, after: int = 0
) -> list[OutboxRow]:
    """Takes the oldest unpublished rows that nobody else holds, in order; they stay locked until the transaction ends."""
    rows = await conn.fetch(
        f'SELECT seq, event_id, type, subject, entity_id, rev, public_rev, payload, headers::text FROM "{schema}".outbox '  # noqa: S608
        "WHERE published_at IS NULL AND seq > $3 AND created_at <= clock_timestamp() - make_interval(secs => $1) "
        "ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED",
        older_than_s, limit, after,
    )  # fmt: skip
    return [_row(record) for record in rows]


async def oldest_unpublished_s(conn: asyncpg.Connection, schema: str) -> float:
    """The age of the oldest row that is not marked as published, in seconds; 0 when there is none."""
    age = await conn.fetchval(
        f'SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM "{schema}".outbox '  # noqa: S608
        "WHERE published_at IS NULL ORDER BY seq LIMIT 1"
    )
    return max(0.0, age or 0.0)


async def rows_after(conn: asyncpg.Connection, schema: str, after: int, limit: int) -> list[OutboxRow]:
    """The next rows by `seq`, published or not, for a replay."""
    rows = await conn.fetch(
        f'SELECT seq, event_id, type, subject, entity_id, rev, public_rev, payload, headers::text FROM "{schema}".outbox '  # noqa: S608
        "WHERE seq > $1 ORDER BY seq LIMIT $2",
        after, limit,
    )  # fmt: skip
    return [_row(record) for record in rows]


async def prune(conn: asyncpg.Connection, schema: str, *, days: int, limit: int = 5000) -> int:
    """Deletes at most `limit` published rows that are older than `days`; returns how many."""
    status = await conn.execute(
        f'DELETE FROM "{schema}".outbox WHERE seq IN (SELECT seq FROM "{schema}".outbox '  # noqa: S608
        "WHERE created_at < clock_timestamp() - make_interval(days => $1) AND published_at IS NOT NULL ORDER BY seq LIMIT $2)",
        days, limit,
    )  # fmt: skip
    return int(status.rpartition(" ")[2])


def _headers(row: OutboxRow) -> str:
    if row.traceparent:
        return f'{{"occurred_at":"{row.occurred_at.isoformat()}","traceparent":"{row.traceparent}"}}'
    return f'{{"occurred_at":"{row.occurred_at.isoformat()}"}}'


def _row(record: asyncpg.Record) -> OutboxRow:
    headers: dict[str, Any] = json.loads(record["headers"])
    return OutboxRow(
        event_id=uuid.UUID(int=record["event_id"].int),
        type=record["type"],
        subject=record["subject"],
        entity_id=record["entity_id"],
        rev=record["rev"],
        public_rev=record["public_rev"],
        payload=record["payload"],
        occurred_at=dt.datetime.fromisoformat(headers["occurred_at"]),
        traceparent=headers.get("traceparent", ""),
        seq=record["seq"],
    )
