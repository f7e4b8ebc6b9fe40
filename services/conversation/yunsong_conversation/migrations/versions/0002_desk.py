"""Quick replies, saved views, and which message a file hangs on."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds; nothing that the release before uses changes."""
    statements = (Path(__file__).parent / "0002_desk.sql").read_text(encoding="utf-8")
    for statement in statements.split(";"):
        if statement.strip():
            op.execute(text(statement))
