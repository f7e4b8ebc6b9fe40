"""Database, roles and schemas of one copy: each service owns its schema and can reach nothing else.

For the embedded PostgreSQL of `yunsong run`, for the chart's own, and for a copy's share of a larger one. Where an operator makes
databases and roles itself, this is not needed: the services use the URLs that they are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from yunsong_standalone.catalogue import SERVICES

DATABASE = "yunsong"
# Every service's rights together, for the one pool that the compact topology shares.
SHARED_ROLE = "yunsong"


@dataclass(frozen=True, slots=True)
class Names:
    """What one copy's database and roles are called; `roles` are by service, `shared` may do what all of them may."""

    database: str
    shared: str
    roles: Mapping[str, str]


USUAL = Names(DATABASE, SHARED_ROLE, {service.name: service.role for service in SERVICES})


class WrongUrls(Exception):
    """The URLs do not describe one database with a role for each service; the text says which."""


async def provision(
    superuser_url: str, database_url: str, passwords: Mapping[str, str], names: Names = USUAL
) -> None:
    """Make database, roles and schemas, or bring them to this state. Idempotent.

    `superuser_url` names any database, `database_url` the product's, as the superuser; `passwords` are by role.
    """
    server = await asyncpg.connect(superuser_url)
    try:
        if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", names.database):
            await server.execute(f'CREATE DATABASE "{names.database}"')
    finally:
        await server.close()
    database = await asyncpg.connect(database_url)
    try:
        async with database.transaction():
            await _roles(database, passwords, names)
    finally:
        await database.close()


async def provision_for(superuser_url: str, shared_url: str, service_urls: Mapping[str, str]) -> None:
    """The same, with names and passwords out of the URLs that the services are given, by service. Raises WrongUrls."""
    urls = {"": shared_url, **service_urls}
    parts = {name: urlsplit(url) for name, url in urls.items()}
    for name, url in parts.items():
        if not (url.username and url.password and url.path.strip("/")):
            raise WrongUrls(f"the URL of {name or 'all services'} lacks a role, a password or a database")
    if len({url.path for url in parts.values()}) != 1:
        raise WrongUrls(f"the URLs name several databases: {sorted({url.path for url in parts.values()})}")
    users = {name: unquote(url.username or "") for name, url in parts.items()}
    if len(set(users.values())) != len(users):
        raise WrongUrls("two of the URLs name the same role; each service needs one of its own")
    path = parts[""].path
    names = Names(unquote(path.strip("/")), users.pop(""), users)
    passwords = {unquote(url.username or ""): unquote(url.password or "") for url in parts.values()}
    await provision(superuser_url, urlunsplit(urlsplit(superuser_url)._replace(path=path)), passwords, names)


async def _roles(database: asyncpg.Connection, passwords: Mapping[str, str], names: Names) -> None:
    await database.execute(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{names.database}" FROM PUBLIC')
    await database.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for role, password in passwords.items():
        if not await database.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await database.execute(f'CREATE ROLE "{role}"')
        # A statement that takes no parameters.
        quoted = password.replace("'", "''")
        await database.execute(f"ALTER ROLE \"{role}\" LOGIN NOSUPERUSER PASSWORD '{quoted}'")
        await database.execute(f'GRANT CONNECT ON DATABASE "{names.database}" TO "{role}"')
    for service in SERVICES:
        role = names.roles[service.name]
        await database.execute(f'CREATE SCHEMA IF NOT EXISTS "{service.identifier}" AUTHORIZATION "{role}"')
        await database.execute(f'GRANT "{role}" TO "{names.shared}"')
