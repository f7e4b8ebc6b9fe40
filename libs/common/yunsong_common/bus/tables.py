"""The consumers' tables, in each service's own schema."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
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


def bus_tables(metadata: MetaData) -> None:
    """Declares the tables in a service's metadata; `create_common_tables_v1` makes them in its first revision.

    processed_events: what a consumer has handled. dead_letters: events that failed, waiting for their next attempt or dead.
    consumers: where each durable first began. streams: how far a new stream was filled from the outbox.
    """
    Table(
        "processed_events",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column(
            "processed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()
        ),
        Index("processed_events_processed_at", "processed_at", postgresql_using="brin"),
    )
    Table(
        "dead_letters",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("subject", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("error", Text, nullable=False),
        Column(
            "first_failed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()
        ),
        Column("next_attempt_at", DateTime(timezone=True)),
        Column("dead_at", DateTime(timezone=True)),
        Index("dead_letters_due", "consumer", "next_attempt_at", postgresql_where=text("dead_at IS NULL")),
        Index("dead_letters_dead", "dead_at", postgresql_where=text("dead_at IS NOT NULL")),
    )
    Table(
        "consumers",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("stream", Text, primary_key=True),
        Column("started_at", DateTime(timezone=True), nullable=False),
    )
    Table(
        "streams",
        metadata,
        Column("stream", Text, primary_key=True),
        Column("created", Text, nullable=False),
        Column("replayed_seq", BigInteger, nullable=False),
        Column("complete", Boolean, nullable=False),
    )
