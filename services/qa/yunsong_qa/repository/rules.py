"""Rules and scorecards, and the version that tells replicas of a change."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict

import asyncpg

from yunsong_common.errors import AlreadyExists, NotFound
from yunsong_qa.domain.rules import Rule, Speaker
from yunsong_qa.domain.scoring import Item, Scorecard


async def version(conn: asyncpg.Connection) -> int:
    """The rulebook's version."""
    found: int = await conn.fetchval("SELECT version FROM rulebook")
    return found


async def begin_change(conn: asyncpg.Connection) -> None:
    """Raises the version. Changes come one after the other, so checks across rules and scorecards hold until the commit."""
    await conn.execute("UPDATE rulebook SET version = version + 1")


async def all_rules(conn: asyncpg.Connection) -> list[tuple[Rule, dt.datetime]]:
    """Every rule by name, and when it was created."""
    rows = await conn.fetch("SELECT * FROM rules ORDER BY name, id")
    return [(_rule(row), row["created_at"]) for row in rows]


async def rule(conn: asyncpg.Connection, rule_id: str) -> tuple[Rule, dt.datetime]:
    """One rule. Raises NotFound / RULE_UNKNOWN."""
    row = await conn.fetchrow("SELECT * FROM rules WHERE id = $1", rule_id)
    if row is None:
        raise NotFound(reason="RULE_UNKNOWN", message=f"there is no rule {rule_id}")
    return _rule(row), row["created_at"]


async def put_rule(conn: asyncpg.Connection, new: Rule, now: dt.datetime) -> dt.datetime:
    """Creates or changes a rule; returns when it was created. Raises AlreadyExists / RULE_NAME_TAKEN."""
    try:
        created: dt.datetime = await conn.fetchval(
            "INSERT INTO rules (id, name, speaker, live_alert, kind, settings, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, speaker = excluded.speaker, live_alert = excluded.live_alert, "
            "kind = excluded.kind, settings = excluded.settings RETURNING created_at",
            new.id, new.name, new.speaker, new.live_alert, new.kind, json.dumps(dict(new.settings)), now,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise AlreadyExists(
            reason="RULE_NAME_TAKEN", message=f"there is a rule {new.name!r} already"
        ) from None
    return created


async def delete_rule(conn: asyncpg.Connection, rule_id: str) -> None:
    """Removes a rule."""
    await conn.execute("DELETE FROM rules WHERE id = $1", rule_id)


async def scorecards_using(conn: asyncpg.Connection, rule_id: str) -> list[str]:
    """The names of the scorecards that use a rule."""
    rows = await conn.fetch(
        "SELECT name FROM scorecards WHERE items @> $1::jsonb ORDER BY name",
        json.dumps([{"rule_id": rule_id}]),
    )
    return [row["name"] for row in rows]


async def all_scorecards(conn: asyncpg.Connection) -> list[Scorecard]:
    """Every scorecard by name."""
    return [_card(row) for row in await conn.fetch("SELECT * FROM scorecards ORDER BY name, id")]


async def scorecard(conn: asyncpg.Connection, scorecard_id: str) -> Scorecard:
    """One scorecard. Raises NotFound / SCORECARD_UNKNOWN."""
    row = await conn.fetchrow("SELECT * FROM scorecards WHERE id = $1", scorecard_id)
    if row is None:
        raise NotFound(reason="SCORECARD_UNKNOWN", message=f"there is no scorecard {scorecard_id}")
    return _card(row)


async def put_scorecard(conn: asyncpg.Connection, card: Scorecard) -> None:
    """Creates or changes a scorecard. Raises AlreadyExists / SCORECARD_NAME_TAKEN."""
    try:
        await conn.execute(
            "INSERT INTO scorecards (id, name, items, automatic, queue_ids, pass_score, version) VALUES ($1, $2, $3, $4, $5, $6, $7) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, items = excluded.items, automatic = excluded.automatic, "
            "queue_ids = excluded.queue_ids, pass_score = excluded.pass_score, version = excluded.version",
            card.id, card.name, json.dumps([asdict(item) for item in card.items]), card.automatic,
            list(card.queue_ids), card.pass_score, card.version,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise AlreadyExists(
            reason="SCORECARD_NAME_TAKEN", message=f"there is a scorecard {card.name!r} already"
        ) from None


async def delete_scorecard(conn: asyncpg.Connection, scorecard_id: str) -> bool:
    """Removes a scorecard; False when there was none."""
    return bool(await conn.fetchval("DELETE FROM scorecards WHERE id = $1 RETURNING true", scorecard_id))


def _rule(row: asyncpg.Record) -> Rule:
    return Rule(
        id=str(row["id"]),
        name=row["name"],
        speaker=Speaker(row["speaker"]),
        live_alert=row["live_alert"],
        kind=row["kind"],
        settings=row["settings"],
    )


def _card(row: asyncpg.Record) -> Scorecard:
    return Scorecard(
        id=str(row["id"]),
        name=row["name"],
        items=[Item(**item) for item in row["items"]],
        automatic=row["automatic"],
        queue_ids=[str(queue_id) for queue_id in row["queue_ids"]],
        pass_score=row["pass_score"],
        version=row["version"],
    )
