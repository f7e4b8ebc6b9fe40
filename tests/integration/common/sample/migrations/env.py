from tests.integration.common.sample.tables import metadata
from yunsong_common.db import run_env

run_env(metadata)
