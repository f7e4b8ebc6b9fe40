"""Alembic's entry; the work is in yunsong_common."""

from yunsong_common.db import run_env
from yunsong_conversation.tables import metadata

run_env(metadata)
