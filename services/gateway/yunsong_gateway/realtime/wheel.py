"""Heartbeats of all sockets from one task: a wheel with a slot a second, and one read of heads per slot."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from yunsong_common.errors import YunsongError
from yunsong_gateway.realtime.connection import Connection
from yunsong_gateway.realtime.hub import Hub
from yunsong_gateway.realtime.socket import CloseCode, json_frame

log = logging.getLogger(__name__)

_READ_TIMEOUT_S = 3.0


class Wheel:
    """Sends every socket a heartbeat with the heads of its conversations once per turn, and ends sockets whose token ended."""

    def __init__(self, hub: Hub, *, period_s: int = 20) -> None:
        self._hub = hub
        self._slots: list[set[Connection]] = [set() for _ in range(period_s)]
        self._next = 0
        self.period_s = period_s

    def add(self, connection: Connection) -> None:
        self._next = (self._next + 1) % len(self._slots)
        connection.slot = self._next
        self._slots[self._next].add(connection)

    def remove(self, connection: Connection) -> None:
        self._slots[connection.slot].discard(connection)

    async def run(self) -> None:
        """Turns until cancelled; a slow read delays its own slot alone."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as group:
            while True:
                for slot in self._slots:
                    due = max(due + 1.0, loop.time() - 1.0)
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    if slot:
                        group.create_task(self._beat(list(slot)))

    async def _beat(self, connections: list[Connection]) -> None:
        ids = {key[1] for one in connections for key in one.topics if key[0] in ("conversation", "contact")}
        heads = {}
        try:
            if ids:
                async with asyncio.timeout(_READ_TIMEOUT_S):
                    heads = await self._hub.read_heads(ids)
        except (YunsongError, TimeoutError) as error:
            log.warning("heartbeats go out without heads", extra={"error": str(error)})
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        plain = json_frame({"type": "heartbeat", "time": now, "heads": {}})
        for connection in connections:
            if connection.expires_at and connection.expires_at < time.time():
                connection.close(CloseCode.UNAUTHENTICATED, "the token ended")
                continue
            own = {
                key[1]: heads[key[1]].public_rev if key[0] == "contact" else heads[key[1]].rev
                for key in connection.topics
                if key[1] in heads
            }
            connection.push(json_frame({"type": "heartbeat", "time": now, "heads": own}) if own else plain)
