"""Alembic's entry; everything it does is common to all services."""

from yunsong_channel_adapter.tables import metadata
from yunsong_common.db import run_env

run_env(metadata)
