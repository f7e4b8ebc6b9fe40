"""What a list or a timer runs has its index, on tables that are filled."""

from __future__ import annotations

import pytest

from tests.integration.channel_adapter.conftest import Field
from yunsong_common.db import Transaction
from yunsong_common.ids import new_id

FILL = (
    (
        "INSERT INTO lanes (conversation_id, inbox_id, due_at, touched_at) "
        "SELECT gen_random_uuid(), gen_random_uuid(), CASE WHEN n % 500 = 0 THEN now() END, now() - n * interval '1 minute' "
        "FROM generate_series(1, 20000) n"
    ),
    (
        "INSERT INTO deliveries (id, inbox_id, conversation_id, message_id, rev, status, external_id, message, created_at) "
        "SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), n, "
        "CASE WHEN n % 500 = 0 THEN 'DEAD' WHEN n % 501 = 0 THEN 'QUEUED' ELSE 'SENT' END, 'x' || n, '{}', "
        "now() - n * interval '1 minute' FROM generate_series(1, 40000) n"
    ),
    (
        "INSERT INTO reports (message_id, conversation_id, state, error, external_id) "
        "SELECT gen_random_uuid(), gen_random_uuid(), 'SENT', '', '' FROM generate_series(1, 20000)"
    ),
    "ANALYZE",
)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            "SELECT 1 FROM lanes WHERE due_at <= now() ORDER BY due_at LIMIT 16 FOR UPDATE SKIP LOCKED",
            "lanes_due",
        ),
        (
            "SELECT 1 FROM lanes WHERE due_at IS NULL AND touched_at < now() - interval '13 days' LIMIT 1000",
            "lanes_idle",
        ),
        (
            (
                "SELECT 1 FROM deliveries WHERE conversation_id = '{id}' AND status IN ('QUEUED', 'SENDING', 'RETRYING') "
                "ORDER BY rev LIMIT 1"
            ),
            "deliveries_open",
        ),
        ("SELECT * FROM deliveries ORDER BY id DESC LIMIT 51", "deliveries_pkey"),
        ("SELECT * FROM deliveries WHERE inbox_id = '{id}' ORDER BY id DESC LIMIT 51", "deliveries_inbox"),
        (
            "SELECT * FROM deliveries WHERE conversation_id = '{id}' ORDER BY id DESC LIMIT 51",
            "deliveries_conversation",
        ),
        (
            (
                "SELECT * FROM deliveries WHERE status = ANY('{{DEAD}}') AND status IN ('DEAD', 'UNCERTAIN', 'SKIPPED') "
                "ORDER BY id DESC LIMIT 51"
            ),
            "deliveries_given_up",
        ),
        (
            "SELECT id FROM deliveries WHERE inbox_id = '{id}' AND message_id = '{id}'",
            "deliveries_message_id_key",
        ),
        (
            "SELECT id FROM deliveries WHERE inbox_id = '{id}' AND external_id = 'x7' AND external_id <> ''",
            "deliveries_external_id",
        ),
        ("SELECT * FROM reports ORDER BY version LIMIT 500", "reports_version"),
    ],
)
async def test_a_query_uses_its_index(adapters: Field, query: str, index: str) -> None:
    async with adapters.database.transaction() as tx:
        if not await tx.raw.fetchval("SELECT count(*) FROM reports"):
            for statement in FILL:
                await tx.raw.execute(statement)
        plan = await explain(tx, query.format(id=new_id()))
    assert index in plan, plan


async def explain(tx: Transaction, query: str) -> str:
    return "\n".join(row[0] for row in await tx.raw.fetch(f"EXPLAIN {query}"))
