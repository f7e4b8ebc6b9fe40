"""The channel adapter's tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from yunsong_common.bus import bus_tables
from yunsong_common.db import idempotency_table
from yunsong_common.outbox import outbox_table

SCHEMA_VERSION = 1
MIN_COMPATIBLE = 1

metadata = MetaData()

inboxes = Table(
    "inboxes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("bot_enabled", Boolean, nullable=False),
    Column("queue_id", Uuid),
    Column("allowed_origins", JSONB, nullable=False),
    Column("identity_required", Boolean, nullable=False),
    Column("reopen_window_s", Integer, nullable=False),
    Column("idle_reminder_s", Integer, nullable=False),
    Column("idle_close_s", Integer, nullable=False),
    Column("greeting", JSONB, nullable=False),
    Column("widget", JSONB, nullable=False),
    Column("config", JSONB, nullable=False),
    Column("required_skills", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("rev", BigInteger, nullable=False),
)

# Sealed sets of credentials. The current one has no end; those it replaced work until theirs.
credentials = Table(
    "credentials",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("inbox_id", Uuid, ForeignKey("inboxes.id", ondelete="CASCADE"), nullable=False),
    Column("key_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True)),
    Index("credentials_inbox", "inbox_id"),
    Index("credentials_current", "inbox_id", unique=True, postgresql_where=text("valid_until IS NULL")),
)

# One row per conversation with an outside channel: what makes its deliveries go one after the other. A
# process that works on a lane holds its lease; `due_at` says when somebody should look at it next, NULL for
# never.
lanes = Table(
    "lanes",
    metadata,
    Column("conversation_id", Uuid, primary_key=True),
    Column("inbox_id", Uuid, nullable=False),
    Column("contact_id", Uuid),
    # The contact's external id on the inbox; empty until it is known.
    Column("identity", Text, nullable=False, server_default=""),
    # Every message up to this revision of the conversation is known here.
    Column("seen_rev", BigInteger, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True)),
    Column("lease_id", Uuid),
    Column("touched_at", DateTime(timezone=True), nullable=False),
    Index("lanes_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index("lanes_idle", "touched_at", postgresql_where=text("due_at IS NULL")),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("inbox_id", Uuid, nullable=False),
    Column("conversation_id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False, unique=True),
    Column("rev", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("external_id", Text, nullable=False, server_default=""),
    # Author, content and time of the message; emptied when the delivery is done, for erasure's sake.
    Column("message", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Index(
        "deliveries_open",
        "conversation_id",
        "rev",
        postgresql_where=text("status IN ('QUEUED', 'SENDING', 'RETRYING')"),
    ),
    Index("deliveries_conversation", "conversation_id", "id"),
    Index("deliveries_inbox", "inbox_id", "id"),
    Index("deliveries_given_up", "id", postgresql_where=text("status IN ('DEAD', 'UNCERTAIN', 'SKIPPED')")),
    Index(
        "deliveries_external_id",
        "inbox_id",
        "external_id",
        postgresql_where=text("external_id <> ''"),
    ),
    Index("deliveries_created_at", "created_at", postgresql_using="brin"),
)

# What the conversation service has not been told yet: the latest state of each message.
reports = Table(
    "reports",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("conversation_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False, autoincrement=True),
    Index("reports_version", "version"),
)

outbox_table(metadata)
bus_tables(metadata)
idempotency_table(metadata)
