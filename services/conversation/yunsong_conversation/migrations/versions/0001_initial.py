"""Contacts, conversations, messages, and what other services tell about inboxes and queues."""

from __future__ import annotations

from pathlib import Path

from alembic import context, op
from sqlalchemy import text

from yunsong_common.db import create_common_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates everything; the search path is the service's schema."""
    create_common_tables_v1(context.config.attributes["schema"])
    statements = (Path(__file__).parent / "0001_initial.sql").read_text(encoding="utf-8")
    for statement in statements.split(";"):
        if statement.strip():
            op.execute(text(statement))
