"""Composes the sample service."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.integration.common.sample import tables as sample_tables
from yunsong_common.service import Registries, Service
from yunsong_common.settings import ServiceSettings


class SampleSettings(ServiceSettings):
    """The sample's settings."""

    service: ClassVar[str] = "conversation"


started: list[str] = []


async def note_start() -> None:
    """A startup step."""
    started.append("startup")


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """A public door with one answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


def build(settings: SampleSettings, registries: Registries) -> Service:
    """The sample as a value."""
    return Service(
        name="conversation",
        version="0.1.0",
        settings=settings,
        database=registries.database(settings, sample_tables.metadata.schema or ""),
        bus=registries.bus(settings),
        channels=registries.channels(settings),
        migrations="tests.integration.common.sample.migrations",
        startup=[note_start],
        http=hello,
    )


class OtherSettings(ServiceSettings):
    """A second service's settings."""

    service: ClassVar[str] = "gateway"


def build_other(settings: OtherSettings, registries: Registries) -> Service:
    """A second service, on the same tables."""
    return Service(
        name="gateway",
        version="0.1.0",
        settings=settings,
        database=registries.database(settings, sample_tables.metadata.schema or ""),
        bus=registries.bus(settings),
        channels=registries.channels(settings),
        migrations="tests.integration.common.sample.migrations",
    )
