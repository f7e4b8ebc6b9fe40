"""Roles and schemas of the embedded PostgreSQL: each service owns its schema and can reach nothing else.

An external database is its operator's: there the services use the URLs that they are given.
"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from yunsong_standalone.catalogue import SERVICES

DATABASE = "yunsong"
# Every service's rights together, for the one pool that the compact topology shares.
SHARED_ROLE = "yunsong"


async def provision(superuser_url: str, database_url: str, passwords: Mapping[str, str]) -> None:
    """Make database, roles and schemas, or bring them to this state. Idempotent.

    `superuser_url` names any database, `database_url` the product's, as the superuser; `passwords` are by role.
    """
    server = await asyncpg.connect(superuser_url)
    try:
        if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await server.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        await server.close()
    database = await asyncpg.connect(database_url)
    try:
        async with database.transaction():
            await _roles(database, passwords)
    finally:
        await database.close()


async def _roles(database: asyncpg.Connection, passwords: Mapping[str, str]) -> None:
    await database.execute(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{DATABASE}" FROM PUBLIC')
    await database.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for role, password in passwords.items():
        if not await database.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await database.execute(f'CREATE ROLE "{role}"')
        # A statement that takes no parameters; the password is our own and URL-safe.
        await database.execute(f"ALTER ROLE \"{role}\" LOGIN NOSUPERUSER PASSWORD '{password}'")
        await database.execute(f'GRANT CONNECT ON DATABASE "{DATABASE}" TO "{role}"')
    for service in SERVICES:
        await database.execute(
            f'CREATE SCHEMA IF NOT EXISTS "{service.identifier}" AUTHORIZATION "{service.role}"'
        )
        await database.execute(f'GRANT "{service.role}" TO "{SHARED_ROLE}"')
