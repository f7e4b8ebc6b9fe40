"""The first tables."""

from __future__ import annotations

from alembic import op

from yunsong_common.db import create_common_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_common_tables_v1("sample")
    op.execute(
        "CREATE TABLE seen (seq bigserial PRIMARY KEY, event_id text NOT NULL, entity_id text NOT NULL, rev bigint NOT NULL)"
    )
    op.execute("CREATE INDEX seen_entity_id ON seen (entity_id)")
