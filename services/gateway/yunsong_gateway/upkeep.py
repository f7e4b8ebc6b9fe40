"""What is looked after beside requests: ended sessions, and what is forgotten after its time."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging

from yunsong_common.db import Database
from yunsong_common.errors import YunsongError
from yunsong_gateway.identity import sessions
from yunsong_gateway.realtime.hub import Hub
from yunsong_gateway.webhooks import repository as webhooks

log = logging.getLogger(__name__)

_EVERY_S = 3600.0
_WATCH_EVERY_S = 30.0
_KEEP = dt.timedelta(days=30)


class SessionWatch:
    """Closes sockets of ended sessions even when the bus lost the word of it."""

    def __init__(self, database: Database, hub: Hub) -> None:
        self._database = database
        self._hub = hub

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            present = self._hub.sessions()
            if not present:
                continue
            try:
                async with self._database.read() as tx:
                    ended = await sessions.ended_among(tx, present)
            except YunsongError as error:
                log.warning("sessions are not checked just now", extra={"reason": error.reason})
                continue
            self._hub.close_sessions(ended)


class Upkeep:
    """Prunes once an hour."""

    def __init__(self, database: Database, *, audit_days: int) -> None:
        self._database = database
        self._audit_keep = dt.timedelta(days=audit_days)

    async def run(self) -> None:
        while True:
            try:
                async with self._database.transaction() as tx:
                    await sessions.prune(tx, keep=_KEEP)
                    await webhooks.prune(tx, keep=_KEEP)
                    await tx.raw.execute(
                        "DELETE FROM audit_entries WHERE occurred_at < $1", await tx.now() - self._audit_keep
                    )
            except YunsongError as error:
                log.warning("pruning waits", extra={"reason": error.reason})
            await asyncio.sleep(_EVERY_S)
