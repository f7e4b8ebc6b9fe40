"""Alembic's entry point."""

from yunsong_bot.tables import metadata
from yunsong_common.db import run_env

run_env(metadata)
