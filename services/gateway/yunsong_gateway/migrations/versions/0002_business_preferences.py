"""The business, and what clients keep for their users."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE business (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    name text NOT NULL DEFAULT '',
    locale text NOT NULL DEFAULT '',
    time_zone text NOT NULL DEFAULT '',
    setup_done_at timestamptz
);
INSERT INTO business DEFAULT VALUES;

ALTER TABLE users ADD COLUMN preferences json NOT NULL DEFAULT '{}'
"""


def upgrade() -> None:
    # Nothing that the release before uses changes.
    for statement in TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a database goes forward only; restore a backup instead")
