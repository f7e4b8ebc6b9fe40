"""Alembic's entry; everything is in yunsong_common."""

from yunsong_common.db import run_env
from yunsong_gateway.tables import metadata

run_env(metadata)
