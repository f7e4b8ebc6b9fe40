"""Asking services whether they are ready, over their `/readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

_ASK_EVERY_S = 0.1
_ANSWER_WITHIN_S = 3.0


class NotReady(Exception):
    """Services that were not ready in time, with what each said last."""


async def wait_until_ready(ops_ports: Mapping[str, int], within_s: float) -> None:
    """Return once every service says that it is ready. Raises NotReady."""
    waiting: dict[str, str] = dict.fromkeys(ops_ports, "not asked yet")
    try:
        async with asyncio.timeout(within_s):
            while waiting:
                for name in list(waiting):
                    waiting[name] = await readiness(ops_ports[name])
                    if not waiting[name]:
                        del waiting[name]
                if waiting:
                    await asyncio.sleep(_ASK_EVERY_S)
    except TimeoutError:
        said = "; ".join(f"{name}: {problem}" for name, problem in waiting.items())
        raise NotReady(f"not ready after {within_s:g} s: {said}") from None


async def readiness(port: int, host: str = "127.0.0.1") -> str:
    """Empty when the service on this ops port is ready, else why it is not."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(65536)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        return str(error) or "no answer"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return "" if status == [b"200"] else body.decode("utf-8", "replace").strip() or "not ready"
