"""The bot's rows: entries, settings, the version of both, dialogues."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from yunsong.bot.v1 import events_pb2
from yunsong_bot.domain.dialogue import Decision, Dialogue, Kind
from yunsong_bot.domain.knowledge import BotSettings, Entry
from yunsong_common.db import Transaction

_COLUMNS = (
    "id, question, similar_questions, answer, category, locale, enabled, valid_from, valid_until, "
    "external_key, rev, created_at, updated_at"
)

_UPSERT = f"""
INSERT INTO entries ({_COLUMNS})
SELECT id, question, ARRAY(SELECT jsonb_array_elements_text(phrasings)), answer, category, locale, enabled,
       valid_from, valid_until, external_key, rev, created_at, updated_at
FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::text[], $7::boolean[],
            $8::timestamptz[], $9::timestamptz[], $10::text[], $11::bigint[], $12::timestamptz[],
            $13::timestamptz[])
  AS given (id, question, phrasings, answer, category, locale, enabled, valid_from, valid_until, external_key,
            rev, created_at, updated_at)
ON CONFLICT (external_key) DO UPDATE SET
  question = excluded.question, similar_questions = excluded.similar_questions, answer = excluded.answer,
  category = excluded.category, locale = excluded.locale, enabled = excluded.enabled,
  valid_from = excluded.valid_from, valid_until = excluded.valid_until, rev = entries.rev + 1,
  updated_at = excluded.updated_at
RETURNING external_key, id, xmax = 0 AS created
"""  # noqa: S608 - our column names; a row that this statement inserted has no xmax yet

_WRITE_SETTINGS = """
INSERT INTO settings (answer_threshold, suggest_threshold, max_misses, handoff_words, external_bot_url,
                      external_bot_secret)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (only_row) DO UPDATE SET
  answer_threshold = excluded.answer_threshold, suggest_threshold = excluded.suggest_threshold,
  max_misses = excluded.max_misses, handoff_words = excluded.handoff_words,
  external_bot_url = excluded.external_bot_url, external_bot_secret = excluded.external_bot_secret
"""


@dataclass(frozen=True, slots=True)
class StoredDialogue:
    """Where a conversation stands, and what the skills keep for it."""

    dialogue: Dialogue = field(default_factory=Dialogue)
    skill_states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


async def read_entries(tx: Transaction, ids: Collection[str] | None = None) -> list[Entry]:
    """Entries by id, or all."""
    if ids is None:
        rows = await tx.raw.fetch(f"SELECT {_COLUMNS} FROM entries")  # noqa: S608 - our column names
    else:
        rows = await tx.raw.fetch(
            f"SELECT {_COLUMNS} FROM entries WHERE id = ANY($1::uuid[])",  # noqa: S608
            [uuid.UUID(entry_id) for entry_id in ids],
        )
    return [_entry(row) for row in rows]


async def read_revisions(tx: Transaction) -> dict[str, int]:
    """The revision of every entry by id."""
    return {str(row["id"]): row["rev"] for row in await tx.raw.fetch("SELECT id, rev FROM entries")}


async def lock_entry(tx: Transaction, entry_id: str) -> Entry | None:
    row = await tx.raw.fetchrow(
        f"SELECT {_COLUMNS} FROM entries WHERE id = $1 FOR UPDATE",  # noqa: S608
        uuid.UUID(entry_id),
    )
    return _entry(row) if row is not None else None


async def list_entries(
    tx: Transaction, *, query: str, category: str, after: tuple[datetime, str] | None, limit: int
) -> list[Entry]:
    """Entries, last changed first, behind the cursor `after` (updated_at, id)."""
    conditions, values = ["true"], list[Any]()
    if category:
        values.append(category)
        conditions.append(f"category = ${len(values)}")
    if query:
        values.append(f"%{_like(query)}%")
        place = f"${len(values)}"
        conditions.append(
            f"(question ILIKE {place} OR answer ILIKE {place}"
            f" OR array_to_string(similar_questions, E'\\n') ILIKE {place})"
        )
    if after is not None:
        values += [after[0], uuid.UUID(after[1])]
        conditions.append(f"(updated_at, id) < (${len(values) - 1}, ${len(values)})")
    values.append(limit)
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM entries WHERE {' AND '.join(conditions)} "  # noqa: S608 - only placeholders
        f"ORDER BY updated_at DESC, id DESC LIMIT ${len(values)}",
        *values,
    )
    return [_entry(row) for row in rows]


async def insert_entry(tx: Transaction, entry: Entry) -> None:
    """Raises `asyncpg.UniqueViolationError` when the external key is taken."""
    await tx.raw.execute(
        f"INSERT INTO entries ({_COLUMNS}) "  # noqa: S608
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        *_row(entry),
    )


async def update_entry(tx: Transaction, entry: Entry) -> None:
    """Raises `asyncpg.UniqueViolationError` when the external key is taken."""
    await tx.raw.execute(
        "UPDATE entries SET question = $2, similar_questions = $3, answer = $4, category = $5, locale = $6, "
        "enabled = $7, valid_from = $8, valid_until = $9, external_key = $10, rev = $11, created_at = $12, "
        "updated_at = $13 WHERE id = $1",
        *_row(entry),
    )


async def upsert_entries(tx: Transaction, entries: Sequence[Entry]) -> dict[str, tuple[str, bool]]:
    """Writes entries by external key. Returns external key -> (id, it was new)."""
    # In key order, so that two imports of the same entries lock them in the same order.
    rows = [_row(entry) for entry in sorted(entries, key=lambda entry: entry.external_key)]
    columns = list(zip(*rows, strict=True))
    # unnest() would flatten the lists of similar questions, so they travel as JSON.
    columns[2] = tuple(json.dumps(similar) for similar in columns[2])
    written = await tx.raw.fetch(_UPSERT, *columns)
    return {row["external_key"]: (str(row["id"]), row["created"]) for row in written}


async def delete_entry(tx: Transaction, entry_id: str) -> bool:
    """Whether there was one."""
    status: str = await tx.raw.execute("DELETE FROM entries WHERE id = $1", uuid.UUID(entry_id))
    return status == "DELETE 1"


async def raise_version(tx: Transaction, scope: str) -> int:
    """Marks the knowledge base or the settings ("entries", "settings") as changed and tells all replicas."""
    version: int = await tx.raw.fetchval("UPDATE knowledge SET version = version + 1 RETURNING version")
    tx.emit(events_pb2.KnowledgeChanged(scope=scope, version=version), rev=version)
    return version


async def read_version(tx: Transaction) -> int:
    version: int = await tx.raw.fetchval("SELECT version FROM knowledge")
    return version


async def read_settings(tx: Transaction) -> tuple[BotSettings, bytes]:
    """The settings without the external bot's secret, and the secret as it is sealed."""
    row = await tx.raw.fetchrow("SELECT * FROM settings")
    if row is None:
        return BotSettings(), b""
    settings = BotSettings(
        answer_threshold=row["answer_threshold"],
        suggest_threshold=row["suggest_threshold"],
        max_misses=row["max_misses"],
        handoff_words=tuple(row["handoff_words"]),
        external_bot_url=row["external_bot_url"],
    )
    return settings, row["external_bot_secret"]


async def write_settings(tx: Transaction, settings: BotSettings, sealed_secret: bytes) -> None:
    await tx.raw.execute(
        _WRITE_SETTINGS,
        settings.answer_threshold,
        settings.suggest_threshold,
        settings.max_misses,
        list(settings.handoff_words),
        settings.external_bot_url,
        sealed_secret,
    )


async def read_dialogue(
    tx: Transaction, conversation_id: str, rev: int
) -> tuple[StoredDialogue, Decision | None]:
    """Where the conversation stands, and what was decided about the message of that revision, if it was."""
    row = await tx.raw.fetchrow(
        "SELECT misses, offered, skill_states, decision FROM dialogues "
        "LEFT JOIN turns ON turns.conversation_id = dialogues.conversation_id AND turns.rev = $2 "
        "WHERE dialogues.conversation_id = $1",
        uuid.UUID(conversation_id),
        rev,
    )
    if row is None:
        return StoredDialogue(), None
    return _dialogue(row), _decision(row["decision"])


async def lock_dialogue(tx: Transaction, conversation_id: str) -> StoredDialogue:
    """Where the conversation stands; no other replica moves it on before the transaction ends."""
    # A conversation without a row yet has nothing to lock, so it gets one.
    row = await tx.raw.fetchrow(
        "INSERT INTO dialogues (conversation_id, misses, offered, skill_states) VALUES ($1, 0, false, '{}') "
        "ON CONFLICT (conversation_id) DO UPDATE SET updated_at = clock_timestamp() "
        "RETURNING misses, offered, skill_states",
        uuid.UUID(conversation_id),
    )
    assert row is not None
    return _dialogue(row)


async def write_dialogue(tx: Transaction, conversation_id: str, stored: StoredDialogue) -> None:
    """Writes a dialogue that `lock_dialogue` has locked."""
    await tx.raw.execute(
        "UPDATE dialogues SET misses = $2, offered = $3, skill_states = $4::text::jsonb "
        "WHERE conversation_id = $1",
        uuid.UUID(conversation_id),
        stored.dialogue.misses,
        stored.dialogue.offered,
        json.dumps(stored.skill_states),
    )


async def write_decision(
    tx: Transaction, conversation_id: str, rev: int, decision: Decision
) -> Decision | None:
    """Writes a decision in a dialogue that `lock_dialogue` has locked; gives the one that was there before, if any."""
    key = uuid.UUID(conversation_id)
    written = await tx.raw.fetchval(
        "INSERT INTO turns (conversation_id, rev, decision) VALUES ($1, $2, $3::text::jsonb) "
        "ON CONFLICT DO NOTHING RETURNING true",
        key,
        rev,
        json.dumps(asdict(decision)),
    )
    if written:
        return None
    return _decision(
        await tx.raw.fetchval("SELECT decision FROM turns WHERE conversation_id = $1 AND rev = $2", key, rev)
    )


async def delete_dialogues(tx: Transaction, conversation_ids: Sequence[str]) -> None:
    await tx.raw.execute(
        "DELETE FROM dialogues WHERE conversation_id = ANY($1::uuid[])",
        [uuid.UUID(key) for key in conversation_ids],
    )


async def delete_old_dialogues(tx: Transaction, before: datetime, limit: int) -> int:
    """Deletes at most `limit` dialogues whose last message is older than `before`; returns how many."""
    status: str = await tx.raw.execute(
        "DELETE FROM dialogues WHERE conversation_id IN "
        "(SELECT conversation_id FROM dialogues WHERE updated_at < $1 ORDER BY updated_at LIMIT $2)",
        before, limit,
    )  # fmt: skip
    return int(status.removeprefix("DELETE "))


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(
        id=str(row["id"]),
        question=row["question"],
        similar=tuple(row["similar_questions"]),
        answer=row["answer"],
        category=row["category"],
        locale=row["locale"],
        enabled=row["enabled"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        external_key=row["external_key"] or "",
        rev=row["rev"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _row(entry: Entry) -> tuple[Any, ...]:
    return (
        uuid.UUID(entry.id),
        entry.question,
        list(entry.similar),
        entry.answer,
        entry.category,
        entry.locale,
        entry.enabled,
        entry.valid_from,
        entry.valid_until,
        entry.external_key or None,
        entry.rev,
        entry.created_at,
        entry.updated_at,
    )


def _dialogue(row: asyncpg.Record) -> StoredDialogue:
    return StoredDialogue(
        Dialogue(misses=row["misses"], offered=row["offered"]), skill_states=_json(row["skill_states"])
    )


def _decision(stored: Any) -> Decision | None:
    if stored is None:
        return None
    values = _json(stored)
    return Decision(**{**values, "kind": Kind(values["kind"]), "buttons": tuple(values["buttons"])})


def _json(value: Any) -> Any:
    # asyncpg gives jsonb as text unless the pool has set a codec.
    return json.loads(value) if isinstance(value, str) else value


def _like(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
