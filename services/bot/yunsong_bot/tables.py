"""The bot's tables, in the schema `bot`."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from yunsong_common.bus import bus_tables
from yunsong_common.db import idempotency_table
from yunsong_common.outbox import outbox_table

SCHEMA_VERSION = 1
MIN_COMPATIBLE = 1

metadata = MetaData()
outbox_table(metadata)
bus_tables(metadata)
idempotency_table(metadata)

entries = Table(
    "entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("question", Text, nullable=False),
    Column("similar_questions", ARRAY(Text), nullable=False),
    Column("answer", Text, nullable=False),
    Column("category", Text, nullable=False, server_default=""),
    Column("locale", Text, nullable=False, server_default=""),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("valid_from", DateTime(timezone=True)),
    Column("valid_until", DateTime(timezone=True)),
    # NULL where there is none, so that only keys that are set must be unique.
    Column("external_key", Text, unique=True),
    Column("rev", BigInteger, nullable=False, server_default=text("1")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("entries_updated", text("updated_at DESC"), text("id DESC")),
    Index("entries_category", "category", text("updated_at DESC"), text("id DESC")),
)

# The version of all that the replicas hold in memory: entries and settings. One row.
knowledge = Table(
    "knowledge",
    metadata,
    Column("only_row", Boolean, CheckConstraint("only_row"), primary_key=True, server_default=text("true")),
    Column("version", BigInteger, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("only_row", Boolean, CheckConstraint("only_row"), primary_key=True, server_default=text("true")),
    Column("answer_threshold", Float, nullable=False),
    Column("suggest_threshold", Float, nullable=False),
    Column("max_misses", Integer, nullable=False),
    Column("handoff_words", ARRAY(Text), nullable=False),
    Column("external_bot_url", Text, nullable=False),
    # Sealed with a key that comes from the release's.
    Column("external_bot_secret", LargeBinary, nullable=False),
)

# Where the bot stands in each conversation.
dialogues = Table(
    "dialogues",
    metadata,
    Column("conversation_id", Uuid, primary_key=True),
    Column("misses", Integer, nullable=False),
    Column("offered", Boolean, nullable=False),
    Column("skill_states", JSONB, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Index("dialogues_updated", "updated_at"),
)

# What the bot does about each message of a contact, by its revision: a delivery that is repeated says the same again.
turns = Table(
    "turns",
    metadata,
    Column("conversation_id", ForeignKey("dialogues.conversation_id", ondelete="CASCADE"), primary_key=True),
    Column("rev", BigInteger, primary_key=True),
    Column("decision", JSONB, nullable=False),
)
