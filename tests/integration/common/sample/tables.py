"""The tables of a service that exists only here: what every service has, and a list of what its handlers saw."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text

from yunsong_common.bus import bus_tables
from yunsong_common.db import idempotency_table
from yunsong_common.outbox import outbox_table

SCHEMA_VERSION = 1
MIN_COMPATIBLE = 1

metadata = MetaData(schema="sample")
outbox_table(metadata)
bus_tables(metadata)
idempotency_table(metadata)

seen = Table(
    "seen",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("rev", BigInteger, nullable=False),
    Index("seen_entity_id", "entity_id"),
)
