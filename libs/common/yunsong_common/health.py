"""Probes and metrics over HTTP: an ASGI app for the operations port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry

Check = Callable[[], Awaitable[None]]


class Readiness:
    """Whether a service should get work: not while starting or stopping, and only while every check passes."""

    def __init__(self, checks: Mapping[str, Check], *, timeout_s: float = 2.0) -> None:
        raise NotImplementedError

    async def problems(self) -> dict[str, str]:
        """What is wrong just now, by the name of the check; empty when ready."""
        raise NotImplementedError


def ops_app(readiness: Readiness, registry: CollectorRegistry) -> Any:
    """`/livez` (the loop turns), `/readyz` (200, or 503 with the problems as JSON) and `/metrics`."""
    raise NotImplementedError
