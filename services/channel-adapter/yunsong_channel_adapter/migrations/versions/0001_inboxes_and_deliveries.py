"""Inboxes, credentials, lanes, deliveries, reports.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

from yunsong_common.db import create_common_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE inboxes (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    channel text NOT NULL,
    key text NOT NULL UNIQUE,
    enabled boolean NOT NULL,
    bot_enabled boolean NOT NULL,
    queue_id uuid,
    allowed_origins jsonb NOT NULL,
    identity_required boolean NOT NULL,
    reopen_window_s integer NOT NULL,
    idle_reminder_s integer NOT NULL,
    idle_close_s integer NOT NULL,
    greeting jsonb NOT NULL,
    widget jsonb NOT NULL,
    config jsonb NOT NULL,
    required_skills jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    rev bigint NOT NULL
);

CREATE TABLE credentials (
    id uuid PRIMARY KEY,
    inbox_id uuid NOT NULL REFERENCES inboxes (id) ON DELETE CASCADE,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    valid_until timestamptz
);
CREATE INDEX credentials_inbox ON credentials (inbox_id);
CREATE UNIQUE INDEX credentials_current ON credentials (inbox_id) WHERE valid_until IS NULL;

CREATE TABLE lanes (
    conversation_id uuid PRIMARY KEY,
    inbox_id uuid NOT NULL,
    contact_id uuid,
    identity text NOT NULL DEFAULT '',
    seen_rev bigint NOT NULL DEFAULT 0,
    due_at timestamptz,
    lease_id uuid,
    touched_at timestamptz NOT NULL
);
CREATE INDEX lanes_due ON lanes (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lanes_idle ON lanes (touched_at) WHERE due_at IS NULL;

CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    inbox_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    message_id uuid NOT NULL UNIQUE,
    rev bigint NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    next_attempt_at timestamptz,
    external_id text NOT NULL DEFAULT '',
    message jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz
);
CREATE INDEX deliveries_open ON deliveries (conversation_id, rev)
    WHERE status IN ('QUEUED', 'SENDING', 'RETRYING');
CREATE INDEX deliveries_conversation ON deliveries (conversation_id, id);
CREATE INDEX deliveries_inbox ON deliveries (inbox_id, id);
CREATE INDEX deliveries_given_up ON deliveries (id) WHERE status IN ('DEAD', 'UNCERTAIN', 'SKIPPED');
CREATE INDEX deliveries_external_id ON deliveries (inbox_id, external_id) WHERE external_id <> '';
CREATE INDEX deliveries_created_at ON deliveries USING brin (created_at);

CREATE TABLE reports (
    message_id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    state text NOT NULL,
    error text NOT NULL,
    external_id text NOT NULL,
    version bigserial NOT NULL
);
CREATE INDEX reports_version ON reports (version)
"""


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    create_common_tables_v1(schema)
    for statement in _TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a rollback of the product keeps the schema; see MIN_COMPATIBLE")
