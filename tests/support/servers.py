"""Fixtures with a real PostgreSQL and a real NATS on 127.0.0.1.

A test that breaks a server has one of its own, `private_postgres` or `private_nats`: the others are shared.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from yunsong_common.db import Database, run_migrations
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, NatsUser

T = TypeVar("T")

ServiceDatabase = Callable[[str], Awaitable[Database]]

# What a test database can lose in a power cut is of no interest; a killed process loses nothing by it.
UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_numbers = itertools.count(1)


def run_blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from a plain fixture, on a loop of its own that no test's loop hears of."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for the whole run; ask for `postgres_url` instead, unless you count servers."""
    server = EmbeddedPostgres(
        tmp_path_factory.mktemp("postgres"), password="test-only", settings=UNSAFE_BUT_FAST
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def postgres_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a fresh, empty database that this test module has for itself."""
    name = f"test_{next(_numbers)}"
    run_blocking(_on_server(postgres_server.url(), f'CREATE DATABASE "{name}"'))
    yield postgres_server.url(name)
    run_blocking(_on_server(postgres_server.url(), f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    """A nats-server with JetStream and no streams, for this test module alone."""
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"), users=[NatsUser("test", "test-only")])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def nats_url(nats_server: EmbeddedNats) -> str:
    """The URL of this module's NATS."""
    return nats_server.url()


@pytest.fixture
def private_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that this test may kill, stop and start again; it keeps its port and its data."""
    server = EmbeddedPostgres(tmp_path / "postgres", password="test-only")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def private_nats(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """A NATS that this test may kill, stop and start again; it keeps its port and its data."""
    server = EmbeddedNats(tmp_path / "nats", users=[NatsUser("test", "test-only")])
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def service_database(postgres_url: str) -> Any:
    """`await service_database("router")` gives the migrated database of that service, closed after the test.

    Within a module the tables are made once and keep what earlier tests wrote: use fresh ids.
    """
    opened: list[Database] = []

    async def open_database(schema: str) -> Database:
        await run_migrations(f"yunsong_{schema}.migrations", postgres_url, schema)
        database = Database(postgres_url, schema=schema)
        opened.append(database)
        return database

    yield open_database
    for database in opened:
        await database.close()


def with_user(url: str, user: str, password: str) -> str:
    """The same database, as another role."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))


async def _on_server(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
