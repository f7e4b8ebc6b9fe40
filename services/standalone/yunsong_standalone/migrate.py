"""Brings the database and NATS to what this release needs: every service's schema, every owner's stream."""

from __future__ import annotations

import os
from pathlib import Path

from yunsong_common.bus import declare_streams
from yunsong_common.db import run_migrations
from yunsong_standalone.catalogue import SERVICES, ServiceEntry


async def migrate() -> dict[str, int]:
    """Migrate each service's schema with that service's own credentials, then declare the streams.

    Reads `YUNSONG_<SERVICE>_DATABASE_URL`, else `YUNSONG_DATABASE_URL`, and `YUNSONG_NATS_URL`. Returns the schema
    version by service. Safe to run at any time and from several places at once.
    """
    versions = {}
    for service in SERVICES:
        versions[service.name] = await run_migrations(
            service.migrations, _url_of(service), service.identifier
        )
    await declare_streams(_required("YUNSONG_NATS_URL"), [service.package for service in SERVICES])
    return versions


def _url_of(service: ServiceEntry) -> str:
    return os.environ.get(service.variable("DATABASE_URL")) or _required("YUNSONG_DATABASE_URL")


def _required(variable: str) -> str:
    value = os.environ.get(variable)
    if not value and (path := os.environ.get(f"{variable}_FILE")):
        value = Path(path).read_text("utf-8").strip()
    if not value:
        raise SystemExit(f"{variable} is not set")
    return value
