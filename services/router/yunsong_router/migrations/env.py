"""Runs the revisions; see `yunsong_common.db.migrations`."""

from yunsong_common.db import run_env
from yunsong_router.tables import metadata

run_env(metadata)
