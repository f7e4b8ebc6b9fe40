"""PostgreSQL: pooled connections, one transaction per request, the database's clock, migrations."""

from yunsong_common.db.database import Database, Transaction
from yunsong_common.db.idempotency import idempotency_table, once
from yunsong_common.db.migrations import (
    create_common_tables_v1,
    has_revision,
    migrate_to,
    run_env,
    run_migrations,
    schema_state,
)
from yunsong_common.db.pool import Pool

__all__ = [
    "Database",
    "Pool",
    "Transaction",
    "create_common_tables_v1",
    "has_revision",
    "idempotency_table",
    "migrate_to",
    "once",
    "run_env",
    "run_migrations",
    "schema_state",
]
