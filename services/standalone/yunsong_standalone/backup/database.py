"""The database, written and read by COPY: the migrations make the tables, so a dump works with any PostgreSQL from 15 on.

See docs/decisions/0013-backups.md for why this is not pg_dump.
"""

# ruff: noqa: S608 - every name comes from the database's own catalogue or from our list of services, and is quoted

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from yunsong_common.db import migrate_to, run_migrations
from yunsong_standalone.backup.errors import BackupError, Damaged
from yunsong_standalone.backup.manifest import SchemaDump, TableDump
from yunsong_standalone.backup.parts import PartWriter, read_part
from yunsong_standalone.backup.sealing import BackupKey
from yunsong_standalone.catalogue import BY_NAME, SERVICES, ServiceEntry

APPLICATION = "backup of yunsong"
# Made by the migrations at the restore, not copied.
_VERSIONS = ("schema_version", "schema_compatibility")
_SESSION = {
    "application_name": APPLICATION,
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
    # So that each text that COPY writes is read again as the same value, whatever the servers' own settings are.
    "client_encoding": "UTF8",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "3",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One instant of the whole database, seen through each service's own credentials."""

    connections: Mapping[str, asyncpg.Connection]
    postgresql: str

    def of(self, service: str) -> asyncpg.Connection:
        return self.connections[service]


@asynccontextmanager
async def snapshot(urls: Mapping[str, str]) -> AsyncIterator[Snapshot]:
    """Open one snapshot; `urls` are by service and lead to one database."""
    async with AsyncExitStack() as stack:
        by_url: dict[str, asyncpg.Connection] = {}
        exported = ""
        for url in urls.values():
            if url in by_url:
                continue
            by_url[url] = connection = await stack.enter_async_context(_session(url))
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if exported:
                try:
                    await connection.execute(f"SET TRANSACTION SNAPSHOT '{exported}'")
                except asyncpg.PostgresError as error:
                    raise BackupError(
                        f"the services' databases cannot be read at one instant ({error}): all six must be in one database"
                    ) from error
            else:
                exported = await connection.fetchval("SELECT pg_export_snapshot()")
        version = await next(iter(by_url.values())).fetchval("SHOW server_version")
        yield Snapshot({service: by_url[url] for service, url in urls.items()}, version)


async def dump_schema(
    connection: asyncpg.Connection, service: ServiceEntry, store: Any, folder: str, key: BackupKey | None
) -> SchemaDump:
    """Write one service's tables below `folder`."""
    schema = service.identifier
    if await connection.fetchval("SELECT to_regclass($1)", f'"{schema}".schema_version') is None:
        raise BackupError(f"the schema of {service.name} is not there: `yunsong migrate` makes it")
    revision = await connection.fetchval(f'SELECT version_num FROM "{schema}".schema_version')
    tables = []
    for table in await _tables(connection, schema):
        columns = await _columns(connection, schema, table)
        writer = PartWriter(store, f"{folder}/database/{schema}.{table}.copy.gz", key)
        status = await connection.copy_from_table(
            table, schema_name=schema, columns=columns, output=writer.write, format="text", encoding="UTF8"
        )
        tables.append(TableDump(table, columns, _count(status), await writer.close()))
    return SchemaDump(service.name, schema, revision, tables, await _sequences(connection, schema))


async def _filled_tables(connection: asyncpg.Connection, schema: str) -> list[str]:
    """The product's tables that hold rows."""
    return [
        f"{schema}.{table}"
        for table in await _tables(connection, schema)
        if await connection.fetchval(f'SELECT EXISTS (SELECT 1 FROM "{schema}"."{table}")')
    ]


async def refuse_unless_ready(urls: Mapping[str, str], *, replace: bool) -> None:
    """Raise BackupError while the product runs on the database, or when it holds something and nobody said to replace it."""
    filled: list[str] = []
    for service in SERVICES:
        async with _session(urls[service.name]) as connection:
            running = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name LIKE 'yunsong%'"
            )
            if running:
                raise BackupError(
                    f"the product still runs on this database ({running} connections): stop it first"
                )
            filled += await _filled_tables(connection, service.identifier)
    if filled and not replace:
        raise BackupError(
            f"the database is not empty ({', '.join(filled[:5])}{', …' if len(filled) > 5 else ''}): "
            "restore into a new one, or say --replace to delete all that it holds"
        )


async def restore_schema(
    url: str, dump: SchemaDump, store: Any, key: BackupKey | None, *, replace: bool
) -> int:
    """Make the schema as it was, fill it, and bring it to this release's revision; returns the rows. Raises Damaged."""
    service = BY_NAME[dump.service]
    async with _session(url) as connection:
        if replace:
            async with connection.transaction():
                await _drop_all(connection, dump.schema)
    await migrate_to(service.migrations, url, dump.schema, dump.revision)
    async with _session(url) as connection:
        async with connection.transaction():
            rows = await _fill(connection, dump, store, key)
        await connection.execute("ANALYZE")
    await run_migrations(service.migrations, url, dump.schema)
    return rows


async def _fill(connection: asyncpg.Connection, dump: SchemaDump, store: Any, key: BackupKey | None) -> int:
    schema = dump.schema
    known = await _tables(connection, schema)
    if sorted(known) != sorted(table.name for table in dump.tables):
        raise BackupError(f"the tables of {schema} at revision {dump.revision} are not those of the backup")
    names = ", ".join(f'"{schema}"."{name}"' for name in known)
    if names:
        await connection.execute(f"TRUNCATE {names}")  # a migration may have brought rows of its own
    rows = 0
    for name in known:
        # What triggers derive is in the backup already.
        await connection.execute(f'ALTER TABLE "{schema}"."{name}" DISABLE TRIGGER USER')
    tables = {table.name: table for table in dump.tables}
    for name in await _in_order(connection, schema, known):
        table = tables[name]
        status = await connection.copy_to_table(
            name,
            schema_name=schema,
            columns=table.columns,
            source=read_part(store, table.part, key),
            format="text",
            encoding="UTF8",
        )
        if _count(status) != table.rows:
            raise Damaged(f"{schema}.{name} got {_count(status)} rows, the backup has {table.rows}")
        rows += table.rows
    for name in known:
        await connection.execute(f'ALTER TABLE "{schema}"."{name}" ENABLE TRIGGER USER')
    for name, value in dump.sequences.items():
        if value is not None:
            await connection.execute("SELECT setval($1::regclass, $2)", f'"{schema}"."{name}"', value)
    return rows


async def _in_order(connection: asyncpg.Connection, schema: str, tables: Sequence[str]) -> list[str]:
    """The tables so that each comes after those that its foreign keys name."""
    rows = await connection.fetch(
        "SELECT c.relname AS child, p.relname AS parent FROM pg_constraint k "
        "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid "
        "WHERE k.contype = 'f' AND k.connamespace = $1::regnamespace AND k.conrelid <> k.confrelid",
        schema,
    )
    parents: dict[str, set[str]] = {table: set() for table in tables}
    for row in rows:
        parents[row["child"]].add(row["parent"])
    ordered: list[str] = []
    while parents:
        free = sorted(table for table, needed in parents.items() if not needed & parents.keys())
        if not free:
            raise BackupError(f"the foreign keys of {', '.join(sorted(parents))} go in a circle")
        ordered += free
        for table in free:
            del parents[table]
    return ordered


async def _drop_all(connection: asyncpg.Connection, schema: str) -> None:
    """Empty a schema of everything; the schema itself and its owner stay."""
    if await connection.fetchval("SELECT to_regnamespace($1)", f'"{schema}"') is None:
        return
    statements = await connection.fetch(
        """
        SELECT format('DROP %s IF EXISTS %I.%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
               WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, $1::text, relname) AS statement, relkind = 'S' AS late
          FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
        UNION ALL
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure), true
          FROM pg_proc WHERE pronamespace = $1::regnamespace
        UNION ALL
        SELECT format('DROP TYPE IF EXISTS %I.%I CASCADE', $1::text, typname), true
          FROM pg_type WHERE typnamespace = $1::regnamespace AND typtype IN ('e', 'd')
        ORDER BY late
        """,
        schema,
    )
    for row in statements:
        await connection.execute(row["statement"])


async def _tables(connection: asyncpg.Connection, schema: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> ALL ($2) ORDER BY c.relname",
        schema,
        list(_VERSIONS),
    )
    return [row["relname"] for row in rows]


async def _columns(connection: asyncpg.Connection, schema: str, table: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        f'"{schema}"."{table}"',
    )
    return [row["attname"] for row in rows]


async def _sequences(connection: asyncpg.Connection, schema: str) -> dict[str, int | None]:
    """No snapshot holds for sequences: they may be ahead of the rows, which does no harm."""
    rows = await connection.fetch(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = $1 ORDER BY sequencename",
        schema,
    )
    return {row["sequencename"]: row["last_value"] for row in rows}


@asynccontextmanager
async def _session(url: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(url, timeout=10, server_settings=_SESSION)
    except (OSError, asyncpg.PostgresError) as error:
        raise BackupError(f"PostgreSQL does not let the command in: {error}") from error
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


def _count(status: str) -> int:
    """The rows, out of "COPY 12"."""
    return int(status.rpartition(" ")[2])
