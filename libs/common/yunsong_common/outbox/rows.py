"""The outbox's table, and the row that an event becomes."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from google.protobuf.message import Message
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from yunsong_common import telemetry
from yunsong_common.errors import InvalidArgument
from yunsong_common.ids import new_uuid
from yunsong_common.outbox.subjects import route_of

# NATS takes a mebibyte with headers.
MAX_EVENT = 960 * 1024


@dataclass(slots=True)
class OutboxRow:
    """One event as it is stored and published. `seq` is set when the row is inserted."""

    event_id: uuid.UUID
    type: str
    subject: str
    entity_id: str
    rev: int
    public_rev: int | None
    payload: bytes
    occurred_at: dt.datetime
    traceparent: str
    seq: int = 0


def outbox_table(metadata: MetaData) -> Table:
    """Declares `outbox` in a service's metadata: unpublished events, and for some days the change log."""
    return Table(
        "outbox",
        metadata,
        Column("seq", BigInteger, primary_key=True, autoincrement=True),
        Column("event_id", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("entity_id", Text, nullable=False),
        Column("rev", BigInteger, nullable=False),
        Column("public_rev", BigInteger),
        Column("payload", LargeBinary, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("published_at", DateTime(timezone=True)),
        Index("outbox_entity_rev", "entity_id", "rev"),
        Index("outbox_unpublished", "seq", postgresql_where=text("published_at IS NULL")),
        Index("outbox_created_at", "created_at", postgresql_using="brin"),
    )


def row_of(event: Message, *, rev: int, public_rev: int | None, now: dt.datetime) -> OutboxRow:
    """Makes the row of an event. Raises `TypeError` for a message without the `event` option or a live one."""
    route = route_of(type(event))
    if route.live:
        raise TypeError(f"{route.name} is a live message; use publish_after_commit")
    entity_id = route.entity_id(event)
    payload = event.SerializeToString()
    if len(payload) > MAX_EVENT:
        # It could never be published, and the relay would stand before it for ever.
        raise InvalidArgument(
            reason="EVENT_TOO_LARGE",
            message=f"{route.name} has {len(payload)} bytes; at most {MAX_EVENT} can be published",
        )
    return OutboxRow(
        event_id=new_uuid(),
        type=route.name,
        subject=route.prefix + entity_id,
        entity_id=entity_id,
        rev=rev,
        public_rev=public_rev,
        payload=payload,
        occurred_at=now,
        traceparent=telemetry.current_traceparent(),
    )
