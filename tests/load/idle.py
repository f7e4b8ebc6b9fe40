"""Idle sockets on one gateway: how many it holds, and what one costs in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.load.client import Api, Frame, Socket, visitor_id
from tests.load.scene import Scene

AT_ONCE = 64


async def run(admin: Api, gateway_pid: int, *, sockets: int = 10_000) -> dict[str, float]:
    """`idle_sockets` that stayed open, and `idle_socket_kb`, the gateway's growth by socket."""
    scene = await Scene.set_up(admin, agents=1, name="idle")
    door = Api(admin.url)
    opened: list[Socket] = []
    limit = asyncio.Semaphore(AT_ONCE)
    before = resident_kb(gateway_pid)

    async def open_one() -> None:
        async with limit:
            session = await door.call(
                "POST", "/api/v1/contact/sessions", {"inbox_key": scene.inbox_key, "visitor_id": visitor_id()}
            )
            opened.append(await Socket.open(admin.url, session["access_token"], _ignore))

    try:
        await asyncio.gather(*(open_one() for _ in range(sockets)))
        grown = resident_kb(gateway_pid) - before
        answered = await asyncio.gather(*(socket.ask("ping") for socket in opened))
    finally:
        for start in range(0, len(opened), 500):
            await asyncio.gather(*(socket.close() for socket in opened[start : start + 500]))
        await door.close()
    return {"idle_sockets": float(len(answered)), "idle_socket_kb": grown / max(len(answered), 1)}


def _ignore(frame: Frame, arrived: float) -> None:
    """Nobody waits for what an idle socket gets."""


def resident_kb(pid: int) -> float:
    """A process's resident memory; shared pages count in full."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise ProcessLookupError(pid)
