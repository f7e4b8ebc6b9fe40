"""Streams: one per owner, declared by the migration job, filled again from PostgreSQL when NATS lost them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from yunsong_common.bus.jetstream import call
from yunsong_common.bus.nats import NatsClient
from yunsong_common.errors import FailedPrecondition, NotFound, Unavailable

_CONNECT_S = 30
_DAY_NS = 86_400 * 1_000_000_000
_DEDUPLICATION_NS = 120 * 1_000_000_000


def stream_of(subject_or_package: str) -> str:
    """The stream of a package or subject: "yunsong.channel.v1…" -> "YUNSONG_CHANNEL"."""
    return f"YUNSONG_{subject_or_package.split('.')[1].upper()}"


async def declare_streams(
    url: str, packages: Iterable[str], *, max_age_days: int = 7, afresh: bool = False
) -> None:
    """Creates or updates the streams of packages such as "conversation" or "channel". Idempotent.

    With `afresh` what the streams hold is dropped first, consumers included: their owners fill new streams from the outbox, which a
    restored database needs. Connects on its own; raises `Unavailable` when NATS does not answer within 30 s.
    """
    client = NatsClient(url, name="yunsong-migrate")
    running = asyncio.create_task(client.run())
    try:
        async with asyncio.timeout(_CONNECT_S):
            await client.wait_connected()
        for package in packages:
            if afresh:
                await _drop_stream(client, package)
            await declare_stream(client, package, max_age_days=max_age_days)
    except TimeoutError:
        raise Unavailable(
            reason="NATS_UNAVAILABLE", message=f"NATS does not answer in {_CONNECT_S} s"
        ) from None
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _drop_stream(client: NatsClient, package: str) -> None:
    with contextlib.suppress(NotFound):
        await call(client, f"STREAM.DELETE.YUNSONG_{package.upper()}")


async def declare_stream(client: NatsClient, package: str, *, max_age_days: int = 7) -> dict[str, Any]:
    """Creates or updates one stream and gives JetStream's description of it."""
    config = {
        "name": f"YUNSONG_{package.upper()}",
        "description": f"Events of the {package} service; the outbox in PostgreSQL can fill it again.",
        "subjects": [f"yunsong.{package}.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_age": max_age_days * _DAY_NS,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "num_replicas": 1,
        "duplicate_window": _DEDUPLICATION_NS,
        "allow_direct": True,
    }
    try:
        info = await call(client, f"STREAM.INFO.{config['name']}")
    except NotFound:
        return await call(client, f"STREAM.CREATE.{config['name']}", config)
    # An operator may have raised these for a cluster of NATS servers.
    for name in ("num_replicas", "max_bytes"):
        config[name] = info["config"].get(name, config[name])
    if all(
        info["config"].get(name) == value for name, value in config.items() if value not in (-1, "limits")
    ):
        return info
    try:
        return await call(client, f"STREAM.UPDATE.{config['name']}", config)
    except FailedPrecondition as error:
        error.metadata["stream"] = str(config["name"])
        raise
