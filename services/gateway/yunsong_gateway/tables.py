"""The schema's version, and the tables that every service has; the gateway's own stand in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import MetaData

from yunsong_common.bus import bus_tables
from yunsong_common.db import idempotency_table
from yunsong_common.outbox import outbox_table

SCHEMA = "gateway"
SCHEMA_VERSION = 2  # the number of the newest revision
MIN_COMPATIBLE = 1  # the oldest SCHEMA_VERSION whose code still works with it

metadata = MetaData()
outbox_table(metadata)
bus_tables(metadata)
idempotency_table(metadata)
