"""Brings the database and NATS to what this release needs: every service's schema, every owner's stream."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg

from yunsong_common.bus import declare_streams
from yunsong_common.db import run_migrations
from yunsong_common.errors import Unavailable
from yunsong_standalone.catalogue import SERVICES, ServiceEntry
from yunsong_standalone.provision import provision_for

T = TypeVar("T")

_ASK_EVERY_S = 1.0
# What a server says while it starts, or before it is there at all.
_NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError, Unavailable)


async def migrate(wait_s: float = 0, *, roles_only: bool = False) -> dict[str, int]:
    """Migrate each service's schema with that service's own credentials, then declare the streams.

    Reads `YUNSONG_<SERVICE>_DATABASE_URL`, else `YUNSONG_DATABASE_URL`, and `YUNSONG_NATS_URL`. With `YUNSONG_DATABASE_ADMIN_URL`, a
    superuser's, database, roles and schemas are made first, and with `roles_only` nothing else. Servers that do not answer yet are
    waited for, `wait_s` at most. Returns the schema version by service. Safe to run at any time and from several places at once.
    """
    deadline = time.monotonic() + wait_s
    admin_url = _read("YUNSONG_DATABASE_ADMIN_URL")
    await _patiently(lambda: _answers(admin_url or _url_of(SERVICES[0])), deadline)
    if admin_url:
        await provision_for(
            admin_url,
            _required("YUNSONG_DATABASE_URL"),
            {service.name: _required(service.variable("DATABASE_URL")) for service in SERVICES},
        )
    versions: dict[str, int] = {}
    if roles_only:
        return versions
    for service in SERVICES:
        versions[service.name] = await run_migrations(
            service.migrations, _url_of(service), service.identifier
        )
    packages = [service.package for service in SERVICES]
    await _patiently(lambda: declare_streams(_required("YUNSONG_NATS_URL"), packages), deadline)
    return versions


async def _patiently(work: Callable[[], Awaitable[T]], deadline: float) -> T:
    """What `work` gives, tried again until the deadline while the server is not there yet."""
    while True:
        try:
            return await work()
        except _NOT_YET as error:
            if time.monotonic() >= deadline:
                raise
            print(f"waits: {str(error) or type(error).__name__}", flush=True)
        await asyncio.sleep(_ASK_EVERY_S)


async def _answers(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    await connection.close()


def _url_of(service: ServiceEntry) -> str:
    return _read(service.variable("DATABASE_URL")) or _required("YUNSONG_DATABASE_URL")


def _required(variable: str) -> str:
    value = _read(variable)
    if not value:
        raise SystemExit(f"{variable} is not set")
    return value


def _read(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value and (path := os.environ.get(f"{variable}_FILE")):
        value = Path(path).read_text("utf-8").strip()
    return value
