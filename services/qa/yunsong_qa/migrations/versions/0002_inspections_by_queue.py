"""Inspections are listed by queue, and those that failed."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds indexes; nothing that the release before uses changes."""
    op.execute("CREATE INDEX inspections_queue ON inspections (queue_id, created_at, id)")
    op.execute("CREATE INDEX inspections_failed ON inspections (created_at, id) WHERE NOT passed")
