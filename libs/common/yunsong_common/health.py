"""Probes and metrics over HTTP: an ASGI app for the operations port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from yunsong_common.errors import YunsongError

Check = Callable[[], Awaitable[None]]


class Readiness:
    """Whether a service should get work: only while it is `open` (started, not stopping) and every check passes."""

    def __init__(self, checks: Mapping[str, Check], *, timeout_s: float = 2.0) -> None:
        self._checks = dict(checks)
        self._timeout_s = timeout_s
        self.open = False

    async def problems(self) -> dict[str, str]:
        """What is wrong just now, by the name of the check; empty when ready."""
        found = {} if self.open else {"service": "starting or stopping"}
        results = await asyncio.gather(*(self._problem(check) for check in self._checks.values()))
        return found | {name: result for name, result in zip(self._checks, results, strict=True) if result}

    async def _problem(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                await check()
        except TimeoutError:
            return f"no answer in {self._timeout_s:g} s"
        except YunsongError as error:
            return f"{error.reason}: {error.message}"
        except Exception as error:  # noqa: BLE001 - a probe answers whatever a check does
            return type(error).__name__
        return ""


def ops_app(readiness: Mapping[str, Readiness], registry: CollectorRegistry) -> Any:
    """`/livez` (the loop turns), `/readyz` (200, or 503 with the problems by service) and `/metrics`."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        del receive
        if scope["type"] != "http":
            return
        status, content_type, body = await _answer(scope["path"], readiness, registry)
        headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def _answer(
    path: str, readiness: Mapping[str, Readiness], registry: CollectorRegistry
) -> tuple[int, str, bytes]:
    if path == "/livez":
        return 200, "text/plain", b"ok\n"
    if path == "/readyz":
        names = list(readiness)
        results = await asyncio.gather(*(readiness[name].problems() for name in names))
        problems = {name: found for name, found in zip(names, results, strict=True) if found}
        body = json.dumps({"ready": not problems, "problems": problems}).encode() + b"\n"
        return (503 if problems else 200), "application/json", body
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest(registry)
    return 404, "text/plain", b"not found\n"
