"""Fills the conversation service's tables with a shop's year: a million messages in Chinese and English."""

from __future__ import annotations

import datetime as dt
import os
import random
import uuid
from collections.abc import Iterator

import asyncpg

from yunsong_conversation import contents
from yunsong_conversation.segmentation import index_terms

_AT_ONCE = 40_000
_SPAN = dt.timedelta(days=365)

# Phrase and how many of a thousand messages hold it: everyday words, and rare ones.
_PHRASES = {
    "你好": 120, "请问": 90, "谢谢": 110, "好的": 100, "客服在吗": 40, "什么时候发货": 40, "我想退款": 25, "物流显示延迟": 8,
    "尺码不合适": 12, "发票抬头写错了": 4, "可以开发票吗": 9, "换货流程": 10, "优惠券用不了": 9, "地址填错了": 11,
    "蓝牙耳机没有声音": 3, "左边坏了": 6, "颜色和图片不一样": 7, "快递员没有打电话": 5, "麻烦尽快处理": 30, "已经三天了": 15,
    "hello": 60, "thank you": 70, "where is my order": 30, "I need an invoice": 6, "the coupon code does not work": 5,
    "the zipper is broken": 2, "what is your return policy": 6, "please help": 40, "can I change the address": 9,
    "it arrived damaged": 7, "waiting for the refund": 12, "size is too small": 9, "when will it ship": 20,
}  # fmt: skip


async def fill(
    database_url: str, messages: int = 1_000_000, *, per_conversation: int = 20, seed: int = 1
) -> dict[str, str]:
    """Adds messages; gives the id of the inbox, and of an agent who took part in every hundredth conversation."""
    dice = random.Random(seed)
    conn = await asyncpg.connect(database_url, server_settings={"search_path": "conversation", "jit": "off"})
    try:
        return await _fill(conn, dice, messages, per_conversation)
    finally:
        await conn.close()


async def _fill(conn: asyncpg.Connection, dice: random.Random, messages: int, each: int) -> dict[str, str]:
    start = dt.datetime.now(dt.UTC) - _SPAN
    conversations = max(1, messages // each)
    inbox_id, agent_id = _uuid(dice, start), _uuid(dice, start)
    spoken = {phrase: index_terms(phrase) for phrase in _PHRASES}
    # One index built at the end is ten times faster than a million insertions.
    definition = await conn.fetchval(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'conversation' AND indexname = 'messages_search'"
    )
    await conn.execute("DROP INDEX messages_search")
    await conn.execute(
        "CREATE TEMP TABLE stock (id uuid, conversation_id uuid, rev bigint, author_kind smallint, content bytea, "
        "terms text, at timestamptz)"
    )
    ids = [_uuid(dice, start + _SPAN * n / conversations) for n in range(conversations)]
    await _conversations(conn, ids, inbox_id, agent_id, start)
    batch: list[tuple[object, ...]] = []
    for row in _messages(dice, ids, start, messages, spoken):
        batch.append(row)
        if len(batch) == _AT_ONCE:
            await _store(conn, batch, inbox_id)
            batch = []
    await _store(conn, batch, inbox_id)
    await conn.execute("SET maintenance_work_mem = '256MB'")
    await conn.execute(definition)
    await conn.execute("VACUUM (ANALYZE) messages")
    await conn.execute("VACUUM (ANALYZE) conversations")
    await conn.execute("ANALYZE contacts")
    return {"agent_id": str(agent_id), "inbox_id": str(inbox_id)}


async def _conversations(
    conn: asyncpg.Connection,
    ids: list[uuid.UUID],
    inbox_id: uuid.UUID,
    agent_id: uuid.UUID,
    start: dt.datetime,
) -> None:
    times = [start + _SPAN * n / len(ids) for n in range(len(ids))]
    contact_ids = [uuid.UUID(int=one.int ^ 1) for one in ids]
    await conn.execute(
        "INSERT INTO contacts (id, name, created_at, last_seen_at) SELECT id, '客户', at, at FROM unnest($1::uuid[], $2::timestamptz[]) "
        "AS t(id, at)",
        contact_ids, times,
    )  # fmt: skip
    await conn.execute(
        "INSERT INTO conversations (id, inbox_id, channel, contact_id, state, rev, public_rev, epoch, last_message_at, created_at, "
        "resolved_at, participant_ids) SELECT id, $1, 'web', contact_id, CASE WHEN n % 50 = 0 THEN 1 ELSE 6 END, 20, 20, 0, at, at, "
        "CASE WHEN n % 50 = 0 THEN NULL ELSE at END, CASE WHEN n % 100 = 7 THEN ARRAY[$5::uuid] ELSE '{}'::uuid[] END "
        "FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) WITH ORDINALITY AS t(id, contact_id, at, n)",
        inbox_id, ids, contact_ids, times, agent_id,
    )  # fmt: skip


def _messages(
    dice: random.Random, ids: list[uuid.UUID], start: dt.datetime, count: int, spoken: dict[str, list[str]]
) -> Iterator[tuple[object, ...]]:
    phrases, weights = list(_PHRASES), list(_PHRASES.values())
    for n in range(count):
        chosen = dice.choices(phrases, weights, k=dice.randint(1, 4))
        at = start + _SPAN * n / count
        number = f"{dice.randrange(10**6):06d}"
        content = contents.serialised(contents.text_content("，".join(chosen) + number))
        terms = {term for phrase in chosen for term in spoken[phrase]} | {number}
        kind = 1 if n % 2 else 2
        yield (
            _uuid(dice, at),
            ids[n * len(ids) // count],
            n % (count // len(ids)) + 1,
            kind,
            content,
            " ".join(terms),
            at,
        )


async def _store(conn: asyncpg.Connection, rows: list[tuple[object, ...]], inbox_id: uuid.UUID) -> None:
    await conn.copy_records_to_table("stock", records=rows)
    await conn.execute(
        "INSERT INTO messages (id, conversation_id, rev, public_rev, inbox_id, author_kind, author_id, author_name, visibility, kind, "
        "content, client_id, digest, search, created_at) SELECT id, conversation_id, rev, rev, $1, author_kind, '', '', 1, 'text', "
        "content, '', '', array_to_tsvector(string_to_array(terms, ' ')), at FROM stock",
        inbox_id,
    )
    await conn.execute("TRUNCATE stock")


def _uuid(dice: random.Random, at: dt.datetime) -> uuid.UUID:
    value = int(at.timestamp() * 1000) << 80 | dice.getrandbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def size_from_environment() -> int:
    """How many messages to fill in: YUNSONG_BENCH_MESSAGES, a million without it."""
    return int(os.environ.get("YUNSONG_BENCH_MESSAGES", "1000000"))
