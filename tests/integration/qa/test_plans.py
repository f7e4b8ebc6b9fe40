"""Every list, report and timer reads through an index on a filled table, and facts are written fast enough."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from tests.integration.qa.conftest import Qa, Thread
from tests.support.servers import ServiceDatabase
from yunsong_common.db import Database
from yunsong_common.ids import new_id
from yunsong_qa.repository import alerts, facts, inspections, reports

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
ROWS = 20_000


@pytest.fixture
async def filled(service_database: ServiceDatabase) -> Database:
    database = await service_database("qa")
    async with database.transaction() as tx:
        if await tx.raw.fetchval("SELECT count(*) FROM conversation_figures") < ROWS:
            await tx.raw.execute(_FILL)
            await tx.raw.execute(
                "ANALYZE conversation_figures; ANALYZE facts; ANALYZE inspections; ANALYZE alerts"
            )
    return database


_FILL = f"""
    INSERT INTO conversation_figures
        (conversation_id, created_at, queue_id, agent_id, inbox_id, state, resolved_at, wait_s, unanswered_since)
    SELECT gen_random_uuid(), '2026-06-01'::timestamptz - n * interval '5 minutes', gen_random_uuid(), gen_random_uuid(),
        gen_random_uuid(), 6, CASE WHEN n % 200 > 0 THEN now() END, n % 60, now() FROM generate_series(1, {ROWS}) n;
    INSERT INTO facts (entity_id, rev, event_id, kind, occurred_at, state, from_state, author, internal, content_kind,
        text_length, reason, category, close_reason)
    SELECT conversation_id, rev, gen_random_uuid(), 2, created_at + rev * interval '1 second', 1, 0, 1, false, 1, 10, '', '', 0
    FROM conversation_figures, generate_series(1, 5) rev;
    INSERT INTO inspections (id, conversation_id, scorecard_id, scorecard_name, scorecard_version, agent_id, queue_id,
        score, passed, fatal, items, hits, source_rev, revision, created_at)
    SELECT gen_random_uuid(), conversation_id, gen_random_uuid(), '', 1, agent_id, queue_id, 80, true, random() < 0.01,
        '[]', '[]', 1, 1, created_at FROM conversation_figures;
    INSERT INTO alerts (id, conversation_id, rule_id, rule_name, rev, matched, created_at, acknowledged_at)
    SELECT gen_random_uuid(), conversation_id, gen_random_uuid(), '', 1, '', created_at,
        CASE WHEN random() < 0.99 THEN now() END FROM conversation_figures;
    INSERT INTO inspection_jobs (conversation_id, rev, next_attempt_at)
    SELECT gen_random_uuid(), 1, clock_timestamp() + interval '1 hour' FROM generate_series(1, 5000)
"""


class Explaining:
    """Stands in for a connection: asks for the plan of every statement before running it."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self.scanned: list[str] = []

    async def fetch(self, statement: str, *values: object) -> Any:
        await self._explain(statement, values)
        return await self._conn.fetch(statement, *values)

    async def fetchrow(self, statement: str, *values: object) -> Any:
        await self._explain(statement, values)
        return await self._conn.fetchrow(statement, *values)

    async def fetchval(self, statement: str, *values: object) -> Any:
        await self._explain(statement, values)
        return await self._conn.fetchval(statement, *values)

    async def execute(self, statement: str, *values: object) -> Any:
        await self._explain(statement, values)
        return await self._conn.execute(statement, *values)

    async def _explain(self, statement: str, values: tuple[object, ...]) -> None:
        (row,) = await self._conn.fetch(f"EXPLAIN (FORMAT JSON) {statement}", *values)
        self._walk(row[0][0]["Plan"])

    def _walk(self, node: dict[str, Any]) -> None:
        if node["Node Type"] == "Seq Scan":
            self.scanned.append(node["Relation Name"])
        for child in node.get("Plans", ()):
            self._walk(child)


async def scanned(database: Database, query: Any) -> set[str]:
    """The tables that a query reads from end to end, without the tiny ones."""
    async with database.transaction() as tx:
        conn = Explaining(tx.raw)
        await query(conn)
    return set(conn.scanned) - {"names", "erased_conversations", "rulebook"}


DAY = reports.Period(start=NOW - dt.timedelta(days=1), end=NOW)


@pytest.mark.parametrize("grouping", list(reports.Grouping))
async def test_a_report_reads_its_period_only(filled: Database, grouping: reports.Grouping) -> None:
    assert await scanned(filled, lambda conn: reports.summary(conn, DAY, grouping)) == set()


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"fatal_only": True},
        {"failed_only": True, "queue_id": new_id()},
        {"created_after": NOW, "created_before": NOW},
        {"agent_id": new_id()},
        {"conversation_id": new_id()},
        {"before": (NOW, new_id())},
    ],
)
async def test_inspections_are_listed_from_an_index(filled: Database, filters: dict[str, Any]) -> None:
    query = {
        "conversation_id": "",
        "agent_id": "",
        "fatal_only": False,
        "before": None,
        "limit": 50,
        **filters,
    }
    assert await scanned(filled, lambda conn: inspections.page(conn, **query)) == set()


@pytest.mark.parametrize(
    "filters",
    [{}, {"include_acknowledged": True}, {"conversation_id": new_id()}, {"before": new_id()}],
)
async def test_alerts_are_listed_from_an_index(filled: Database, filters: dict[str, Any]) -> None:
    query = {"conversation_id": "", "include_acknowledged": False, "before": "", "limit": 50, **filters}
    assert await scanned(filled, lambda conn: alerts.page(conn, **query)) == set()


@pytest.mark.parametrize("before", [None, (NOW, new_id())])
async def test_figures_are_listed_from_an_index(filled: Database, before: Any) -> None:
    assert (
        await scanned(filled, lambda conn: reports.page(conn, conversation_id="", before=before, limit=50))
        == set()
    )


async def test_timers_and_the_consumer_read_through_indexes(filled: Database) -> None:
    ids = [new_id() for _ in range(50)]
    for query in (
        lambda conn: alerts.overdue(conn, {new_id(): (60, 60)}, dt.datetime.now(dt.UTC)),
        lambda conn: inspections.claim(conn, 8, 60),
        lambda conn: facts.history(conn, ids),
        lambda conn: facts.lock_figures(conn, ids),
        lambda conn: facts.conversations_after(conn, "", 500),
        reports.complete_until,
        lambda conn: alerts.of_conversation(conn, ids[0]),
    ):
        assert await scanned(filled, query) == set()


async def test_facts_are_written_thousands_a_second(qa_service: Qa) -> None:
    batches = []
    for _ in range(8):
        told = []
        for _ in range(50):
            thread = Thread().begin()
            told += thread.new()
            for second in range(9):
                thread.says(second, "CONTACT" if second % 2 else "AGENT", "where is my parcel, please?")
            told += thread.new()
        batches.append(told)
    await qa_service.hear(batches.pop())

    started = time.perf_counter()
    for batch in batches:
        await qa_service.hear(batch)
    per_second = sum(map(len, batches)) / (time.perf_counter() - started)

    # A loose bound: the machine is shared. `make bench` has the figure.
    assert per_second > 2_000
    print(f"{per_second:.0f} facts/s")
