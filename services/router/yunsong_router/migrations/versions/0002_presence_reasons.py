"""Reasons to be away or busy.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a table; nothing that the release before uses changes."""
    op.execute(
        "CREATE TABLE presence_reasons (position integer PRIMARY KEY, name text NOT NULL, state text NOT NULL)"
    )
