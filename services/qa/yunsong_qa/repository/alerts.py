"""Alerts, and the clock's side of them: answers that are overdue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from yunsong_common.errors import NotFound
from yunsong_qa.domain.inspections import Alert
from yunsong_qa.domain.rules import RuleHit


@dataclass(frozen=True, slots=True)
class Overdue:
    """A person's answer that a rule no longer wants to wait for."""

    conversation_id: str
    rule_id: str
    agent_id: str | None
    queue_id: str | None
    message_id: str
    rev: int  # of the message that waits; 0 for the first answer, which the queue waits for
    waited_s: float


async def add(conn: asyncpg.Connection, alerts: Sequence[Alert]) -> list[Alert]:
    """Stores alerts that nobody has raised yet, and returns those. Erased conversations have no new ones."""
    rows = await conn.fetch(
        "INSERT INTO alerts (id, conversation_id, rule_id, rule_name, message_id, rev, matched, agent_id, queue_id, created_at) "
        "SELECT new.* FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::bigint[], $7::text[], "
        "$8::uuid[], $9::uuid[], $10::timestamptz[]) AS new(id, conversation_id, rule_id, rule_name, message_id, rev, matched, "
        "agent_id, queue_id, created_at) "
        "WHERE NOT EXISTS (SELECT FROM erased_conversations e WHERE e.conversation_id = new.conversation_id) "
        "ON CONFLICT (conversation_id, rule_id, rev) DO NOTHING RETURNING id",
        [alert.id for alert in alerts],
        [alert.conversation_id for alert in alerts],
        [alert.hit.rule_id for alert in alerts],
        [alert.hit.rule_name for alert in alerts],
        [alert.hit.message_id or None for alert in alerts],
        [alert.hit.rev for alert in alerts],
        [alert.hit.matched for alert in alerts],
        [alert.agent_id for alert in alerts],
        [alert.queue_id for alert in alerts],
        [alert.created_at for alert in alerts],
    )
    added = {str(row["id"]) for row in rows}
    return [alert for alert in alerts if alert.id in added]


async def overdue(
    conn: asyncpg.Connection, limits: dict[str, tuple[int, int]], now: dt.datetime, limit: int = 500
) -> list[Overdue]:
    """Open conversations whose first or next answer is late, without those that an alert tells of already.

    `limits` gives each rule's seconds for the first and for a later answer, 0 for none.
    """
    rows = await conn.fetch(
        """
        WITH open AS MATERIALIZED (
            SELECT conversation_id, agent_id, queue_id,
                first_reply_at IS NULL AND first_queued_at IS NOT NULL AS is_first,
                CASE WHEN first_reply_at IS NULL AND first_queued_at IS NOT NULL THEN first_queued_at
                     ELSE unanswered_since END AS since,
                CASE WHEN first_reply_at IS NULL AND first_queued_at IS NOT NULL THEN 0 ELSE unanswered_rev END AS rev
            FROM conversation_figures f WHERE resolved_at IS NULL AND state IN (2, 4)
                AND NOT EXISTS (SELECT FROM erased_conversations e WHERE e.conversation_id = f.conversation_id)
        )
        SELECT open.conversation_id, rule.id AS rule_id, agent_id, queue_id, open.rev, since,
            (SELECT message_id FROM facts WHERE entity_id = open.conversation_id AND facts.rev = open.rev AND open.rev > 0
             LIMIT 1) AS message_id
        FROM open JOIN unnest($1::uuid[], $2::int[], $3::int[]) AS rule(id, first_s, next_s)
            ON CASE WHEN is_first THEN first_s ELSE next_s END > 0
            AND since < $4::timestamptz - make_interval(secs => CASE WHEN is_first THEN first_s ELSE next_s END)
        WHERE NOT EXISTS (SELECT FROM alerts
            WHERE alerts.conversation_id = open.conversation_id AND alerts.rule_id = rule.id AND alerts.rev = open.rev)
        ORDER BY since LIMIT $5
        """,
        list(limits),
        [first for first, _ in limits.values()],
        [following for _, following in limits.values()],
        now,
        limit,
    )
    return [
        Overdue(
            conversation_id=str(row["conversation_id"]),
            rule_id=str(row["rule_id"]),
            agent_id=_text(row["agent_id"]),
            queue_id=_text(row["queue_id"]),
            message_id=_text(row["message_id"]) or "",
            rev=row["rev"],
            waited_s=(now - row["since"]).total_seconds(),
        )
        for row in rows
    ]


async def page(
    conn: asyncpg.Connection, *, conversation_id: str, include_acknowledged: bool, before: str, limit: int
) -> list[Alert]:
    """Alerts, newest first, from after the one with id `before`."""
    conditions, values = ["true"], []
    for condition, value in (("conversation_id = ", conversation_id), ("id < ", before)):
        if value:
            values.append(value)
            conditions.append(f"{condition}${len(values)}")
    if not include_acknowledged:
        conditions.append("acknowledged_at IS NULL")
    rows = await conn.fetch(
        f"SELECT * FROM alerts WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT {int(limit)}",  # noqa: S608
        *values,
    )
    return [_alert(row) for row in rows]


async def of_conversation(conn: asyncpg.Connection, conversation_id: str) -> list[Alert]:
    """Every alert of a conversation."""
    rows = await conn.fetch(
        "SELECT * FROM alerts WHERE conversation_id = $1 ORDER BY rev, id", conversation_id
    )
    return [_alert(row) for row in rows]


async def acknowledge(
    conn: asyncpg.Connection, alert_id: str, actor_id: str, now: dt.datetime
) -> tuple[Alert, bool]:
    """Marks an alert as seen to; the first to do so stays. Tells whether it was this call. Raises NotFound / ALERT_UNKNOWN."""
    row = await conn.fetchrow(
        "UPDATE alerts SET acknowledged_by = $2, acknowledged_at = $3 WHERE id = $1 AND acknowledged_at IS NULL RETURNING *",
        alert_id, actor_id, now,
    )  # fmt: skip
    changed = row is not None
    row = row or await conn.fetchrow("SELECT * FROM alerts WHERE id = $1", alert_id)
    if row is None:
        raise NotFound(reason="ALERT_UNKNOWN", message=f"there is no alert {alert_id}")
    return _alert(row), changed


async def close(conn: asyncpg.Connection, conversation_ids: Sequence[str], now: dt.datetime) -> list[Alert]:
    """Closes the open alerts of conversations, in nobody's name, and returns them."""
    rows = await conn.fetch(
        "UPDATE alerts SET acknowledged_at = $2 WHERE conversation_id = ANY($1::uuid[]) AND acknowledged_at IS NULL "
        "RETURNING *",
        list(conversation_ids), now,
    )  # fmt: skip
    return [_alert(row) for row in rows]


def _alert(row: asyncpg.Record) -> Alert:
    return Alert(
        id=str(row["id"]),
        conversation_id=str(row["conversation_id"]),
        hit=RuleHit(
            str(row["rule_id"]), row["rule_name"], _text(row["message_id"]) or "", row["rev"], row["matched"]
        ),
        agent_id=_text(row["agent_id"]),
        queue_id=_text(row["queue_id"]),
        created_at=row["created_at"],
        acknowledged_by=_text(row["acknowledged_by"]),
        acknowledged_at=row["acknowledged_at"],
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
