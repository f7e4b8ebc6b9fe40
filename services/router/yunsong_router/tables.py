"""What the code knows of its schema. The tables themselves are in `migrations/`; statements are written in `repository/`."""

from __future__ import annotations

from sqlalchemy import MetaData

from yunsong_common.bus import bus_tables
from yunsong_common.db import idempotency_table
from yunsong_common.outbox import outbox_table

SCHEMA = "router"
SCHEMA_VERSION = 2
MIN_COMPATIBLE = 1

metadata = MetaData(schema=SCHEMA)
outbox = outbox_table(metadata)
idempotency_keys = idempotency_table(metadata)
bus_tables(metadata)
