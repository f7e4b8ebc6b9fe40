"""Alembic for a service: its revisions live inside its package, its version table inside its schema.

A service's `migrations/env.py` is three lines:

    from yunsong_common.db import run_env
    from yunsong_router.tables import metadata
    run_env(metadata)

Beside `metadata`, `tables.py` holds SCHEMA_VERSION (the number of the newest revision, "0003" -> 3) and MIN_COMPATIBLE (the oldest
SCHEMA_VERSION whose code still works with it).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from alembic import command, context, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import MetaData, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from yunsong_common.db.database import Database

_VERSION_TABLE = "schema_version"
_LOCK_TIMEOUT = "5s"
_STATEMENT_TIMEOUT = "10min"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What the database says about a service's schema."""

    current: int
    min_compatible: int

    def serves(self, known: int) -> bool:
        """Whether code that knows schema `known` works with this database."""
        return self.min_compatible <= known <= self.current


async def run_migrations(module: str, url: str, schema: str) -> int:
    """Brings one service's schema up to its newest revision and returns that number.

    `module` is the package of the revisions, such as "yunsong_router.migrations"; its parent holds `tables.py`. Concurrent callers wait for
    each other. A statement that waits longer than 5 s for a lock fails and nothing changes: run it again. A schema
    that a newer release left, and that this one works with, stays as it is: a rollback migrates nothing.
    """
    tables = importlib.import_module(f"{module.rpartition('.')[0]}.tables")
    known, min_compatible = int(tables.SCHEMA_VERSION), int(tables.MIN_COMPATIBLE)
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, module, schema, known, min_compatible)
            await connection.commit()
    finally:
        await engine.dispose()
    return known


async def migrate_to(module: str, url: str, schema: str, revision: str) -> None:
    """Brings one service's schema to an earlier revision, from nothing: what a backup of that time is restored into.

    Raises `RuntimeError` for a revision that this release does not have. `run_migrations` goes on from there.
    """
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade_to, module, schema, revision)
            await connection.commit()
    finally:
        await engine.dispose()


def has_revision(module: str, revision: str) -> bool:
    """Whether this release's migrations of a service have a revision."""
    script = ScriptDirectory.from_config(_config(module))
    return any(known.revision == revision for known in script.walk_revisions())


def run_env(metadata: MetaData) -> None:
    """The body of every `migrations/env.py`."""
    options = context.config.attributes
    context.configure(
        connection=options["connection"],
        target_metadata=metadata,
        version_table=_VERSION_TABLE,
        version_table_schema=options["schema"],
        include_schemas=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


async def schema_state(database: Database) -> SchemaState | None:
    """What the database says; None before the first migration."""
    async with database.read() as tx:
        exists = await tx.raw.fetchval("SELECT to_regclass($1)", f'"{database.schema}".schema_compatibility')
        if exists is None:
            return None
        row = await tx.raw.fetchrow(
            f'SELECT current, min_compatible FROM "{database.schema}".schema_compatibility'  # noqa: S608 - our name
        )
    return None if row is None else SchemaState(row["current"], row["min_compatible"])


def create_common_tables_v1(schema: str) -> None:
    """For a service's first revision: the outbox, the consumers' tables and the idempotency keys, as of version 1."""
    statements = (
        (Path(__file__).parent / "common_v1.sql")
        .read_text(encoding="utf-8")
        .replace(":schema", f'"{schema}"')
    )
    for statement in statements.split(";"):
        if statement.strip():
            op.execute(text(statement))


def _upgrade(connection: SyncConnection, module: str, schema: str, known: int, min_compatible: int) -> None:
    run = connection.exec_driver_sql
    _begin(connection, schema)
    if _is_ahead(connection, schema, known):
        return
    config = _config(module)
    config.attributes.update(connection=connection, schema=schema)
    head = ScriptDirectory.from_config(config).get_current_head()
    if head is None or int(head.partition("_")[0]) != known:
        raise RuntimeError(f"{module}: the newest revision is {head}, but SCHEMA_VERSION says {known}")
    command.upgrade(config, "head")
    run(
        f'CREATE TABLE IF NOT EXISTS "{schema}".schema_compatibility ('
        "only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), current integer NOT NULL, min_compatible integer NOT NULL)"
    )
    run(  # the schema is ours and the numbers are numbers
        f'INSERT INTO "{schema}".schema_compatibility (current, min_compatible) VALUES ({known}, {min_compatible}) '  # noqa: S608
        "ON CONFLICT (only_row) DO UPDATE SET current = excluded.current, min_compatible = excluded.min_compatible"
    )


def _upgrade_to(connection: SyncConnection, module: str, schema: str, revision: str) -> None:
    if not has_revision(module, revision):
        raise RuntimeError(f"{module} has no revision {revision}: a newer release has")
    _begin(connection, schema)
    config = _config(module)
    config.attributes.update(connection=connection, schema=schema)
    command.upgrade(config, revision)


def _begin(connection: SyncConnection, schema: str) -> None:
    run = connection.exec_driver_sql
    # Migrations of all services may start at once; creating the same schema or version table twice would fail.
    run("SELECT pg_advisory_xact_lock(hashtext('yunsong migrations'))")
    if run(f"SELECT to_regnamespace({_quoted(schema)})").scalar() is None:
        run(f'CREATE SCHEMA "{schema}"')
    run(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    run(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'")
    run(f'SET LOCAL search_path = "{schema}", public')


def _config(module: str) -> Config:
    config = Config()
    package = importlib.import_module(module)
    config.set_main_option("script_location", str(Path(next(iter(package.__path__)))).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _is_ahead(connection: SyncConnection, schema: str, known: int) -> bool:
    """Whether a newer release has been here and left a schema that this one works with, as before a rollback."""
    run = connection.exec_driver_sql
    if run(f"SELECT to_regclass({_quoted(f'{schema}.schema_compatibility')})").scalar() is None:
        return False
    state = run(f'SELECT current, min_compatible FROM "{schema}".schema_compatibility').one_or_none()  # noqa: S608
    if state is None or state.current <= known:
        return False
    if state.min_compatible > known:
        raise RuntimeError(
            f"schema {schema} is at {state.current} and serves releases from {state.min_compatible} on, "
            f"this one knows {known}: install a newer release, or restore a backup from before the upgrade"
        )
    return True


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
