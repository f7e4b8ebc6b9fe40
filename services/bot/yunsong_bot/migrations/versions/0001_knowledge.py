"""The knowledge base, the bot's settings and its dialogues."""

from alembic import context, op

from yunsong_common.db import create_common_tables_v1

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE entries (
        id uuid PRIMARY KEY,
        question text NOT NULL,
        similar_questions text[] NOT NULL,
        answer text NOT NULL,
        category text NOT NULL DEFAULT '',
        locale text NOT NULL DEFAULT '',
        enabled boolean NOT NULL DEFAULT true,
        valid_from timestamptz,
        valid_until timestamptz,
        external_key text UNIQUE,
        rev bigint NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX entries_updated ON entries (updated_at DESC, id DESC)",
    "CREATE INDEX entries_category ON entries (category, updated_at DESC, id DESC)",
    """
    CREATE TABLE knowledge (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        version bigint NOT NULL
    )
    """,
    "INSERT INTO knowledge (version) VALUES (1)",
    """
    CREATE TABLE settings (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        answer_threshold double precision NOT NULL,
        suggest_threshold double precision NOT NULL,
        max_misses integer NOT NULL,
        handoff_words text[] NOT NULL,
        external_bot_url text NOT NULL,
        external_bot_secret bytea NOT NULL
    )
    """,
    """
    CREATE TABLE dialogues (
        conversation_id uuid PRIMARY KEY,
        misses integer NOT NULL,
        offered boolean NOT NULL,
        skill_states jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX dialogues_updated ON dialogues (updated_at)",
    """
    CREATE TABLE turns (
        conversation_id uuid REFERENCES dialogues ON DELETE CASCADE,
        rev bigint,
        decision jsonb NOT NULL,
        PRIMARY KEY (conversation_id, rev)
    )
    """,
)


def upgrade() -> None:
    create_common_tables_v1(context.config.attributes["schema"])
    for statement in _TABLES:
        op.execute(statement)
