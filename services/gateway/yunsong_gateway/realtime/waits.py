"""A contact's place in the queue at the moment it subscribes; later changes are pushed by the router."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.grpc import Channels
from yunsong_gateway.realtime import events
from yunsong_gateway.realtime.connection import Connection

_AT_ONCE = 16  # after a restart all contacts subscribe again: the router is asked for a few at a time
_TIMEOUT_S = 5.0


class Waits:
    """Asks the router once for all who subscribe to a conversation meanwhile."""

    def __init__(self, channels: Channels, start: Callable[[Awaitable[None]], object]) -> None:
        self._dispatch = router_pb2_grpc.DispatchServiceStub(channels.router)
        self._start = start
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._asked: dict[str, set[Connection]] = {}

    def tell(self, conversation_id: str, connection: Connection) -> None:
        """Pushes the place to a contact soon, if its conversation waits."""
        waiting = self._asked.get(conversation_id)
        if waiting is None:
            waiting = self._asked[conversation_id] = set()
            self._start(self._ask(conversation_id, waiting))
        waiting.add(connection)

    def heard(self, conversation_id: str) -> None:
        """The router has pushed the place to all meanwhile: an answer on its way may be older."""
        self._asked.pop(conversation_id, None)

    async def _ask(self, conversation_id: str, waiting: set[Connection]) -> None:
        try:
            async with self._slots:
                if self._asked.get(conversation_id) is not waiting:
                    return
                place = await self._dispatch.GetWait(
                    router_pb2.GetWaitRequest(conversation_id=conversation_id), timeout=_TIMEOUT_S
                )
            if not place.position or self._asked.get(conversation_id) is not waiting:
                return
            frame = events.live_frame("conversation", conversation_id, "queue_position", place)
            for connection in waiting:
                if ("contact", conversation_id) in connection.topics:
                    connection.push(frame)
        finally:
            if self._asked.get(conversation_id) is waiting:
                del self._asked[conversation_id]
