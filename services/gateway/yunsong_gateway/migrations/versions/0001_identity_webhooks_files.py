"""Users, roles, sessions, keys, the audit log, webhooks and files."""

from alembic import op

from yunsong_common.db import create_common_tables_v1

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL,
    username_key text NOT NULL UNIQUE,
    display_name text NOT NULL,
    email text NOT NULL DEFAULT '',
    locale text NOT NULL DEFAULT '',
    roles text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    password_hash text NOT NULL DEFAULT '',
    password_change_required boolean NOT NULL DEFAULT false,
    totp_secret bytea,
    totp_pending bytea,
    totp_last_step bigint NOT NULL DEFAULT 0,
    recovery_hashes text[] NOT NULL DEFAULT '{}',
    oidc_subject text UNIQUE,
    created_at timestamptz NOT NULL,
    last_sign_in_at timestamptz
);
CREATE INDEX users_roles ON users USING gin (roles);

CREATE TABLE roles (
    name text PRIMARY KEY,
    description text NOT NULL DEFAULT '',
    permissions text[] NOT NULL DEFAULT '{}'
);

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text NOT NULL DEFAULT '',
    client_address text NOT NULL DEFAULT '',
    user_agent text NOT NULL DEFAULT ''
);
CREATE INDEX sessions_live ON sessions (user_id, created_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE sign_in_failures (
    key text PRIMARY KEY,
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    locked_until timestamptz
);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    permissions text[] NOT NULL,
    prefix text NOT NULL UNIQUE,
    secret_hash bytea NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    created_by uuid,
    last_used_at timestamptz,
    rate_per_minute integer NOT NULL DEFAULT 0
);

CREATE TABLE audit_entries (
    id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    operation text NOT NULL,
    resource jsonb NOT NULL,
    request jsonb NOT NULL,
    outcome text NOT NULL,
    client_address text NOT NULL
);
CREATE INDEX audit_entries_actor ON audit_entries (actor_id, id DESC);

CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    url text NOT NULL,
    event_types text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    description text NOT NULL DEFAULT '',
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    status smallint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    response_status integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    next_attempt_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE status = 1;
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (webhook_id, id DESC);

CREATE TABLE files (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    object_key text NOT NULL,
    owner_kind text NOT NULL,
    owner_id text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX files_owner ON files (owner_id, id DESC)
"""


def upgrade() -> None:
    schema = op.get_context().config.attributes["schema"]
    create_common_tables_v1(schema)
    for statement in TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a database goes forward only; restore a backup instead")
