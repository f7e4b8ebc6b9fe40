"""The schema's version and the tables that every service has; the service's own are in `migrations/versions/*.sql`.

Queries are written in SQL for asyncpg, so the tables need no second description here.
"""

from __future__ import annotations

from sqlalchemy import MetaData

from yunsong_common.bus import bus_tables
from yunsong_common.db import idempotency_table
from yunsong_common.outbox import outbox_table

SCHEMA = "qa"
SCHEMA_VERSION = 2
MIN_COMPATIBLE = 1

metadata = MetaData()
outbox_table(metadata)
bus_tables(metadata)
idempotency_table(metadata)
