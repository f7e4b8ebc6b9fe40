"""Sends of all sockets as few calls: while one batch is on its way to the conversation service, the next gathers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from yunsong.conversation.v1 import internal_pb2, internal_pb2_grpc
from yunsong_common.errors import Kind, ResourceExhausted, Unavailable, YunsongError

log = logging.getLogger(__name__)

MAX_BATCH = 500
MAX_WAITING = 5_000
_TIMEOUT_S = 5.0
_GIVE_UP_S = 15.0
_RETRIED = frozenset((Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED, Kind.ABORTED, Kind.RESOURCE_EXHAUSTED))

Outcome = internal_pb2.AppendResult | YunsongError
Done = Callable[[Outcome], None]


@dataclass(slots=True)
class _Waiting:
    entry: internal_pb2.AppendEntry
    done: Done


class Appender:
    """Takes entries from sockets and answers each once it is committed, in the order of each lane.

    A lane has one call on its way. Entries of one sender stay in one lane, so their order holds. A call that failed on the way is
    repeated: entries are idempotent by their client_id.
    """

    def __init__(self, stub: internal_pb2_grpc.ConversationInternalServiceStub, *, lanes: int = 2) -> None:
        self._stub = stub
        self._lanes = [_Lane() for _ in range(lanes)]

    def append(self, sender: str, entry: internal_pb2.AppendEntry, done: Done) -> None:
        """Queues an entry; `done` is called with its result or error. Raises ResourceExhausted when too many wait."""
        lane = self._lanes[hash(sender) % len(self._lanes)]
        if len(lane.waiting) >= MAX_WAITING:
            raise ResourceExhausted(
                reason="SEND_QUEUE_FULL",
                message="Too many messages wait to be stored; try again.",
                retry_after_s=1,
            )
        lane.waiting.append(_Waiting(entry, done))
        lane.wake.set()

    async def run(self) -> None:
        """Sends batches until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(self._run_lane(lane))

    async def _run_lane(self, lane: _Lane) -> None:
        while True:
            await lane.wake.wait()
            batch = [lane.waiting.popleft() for _ in range(min(MAX_BATCH, len(lane.waiting)))]
            if not lane.waiting:
                lane.wake.clear()
            await self._send(batch)

    async def _send(self, batch: list[_Waiting]) -> None:
        request = internal_pb2.AppendMessagesRequest(entries=[one.entry for one in batch])
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _GIVE_UP_S
        pause = 0.05
        while True:
            try:
                response = await self._stub.AppendMessages(request, timeout=_TIMEOUT_S)
            except YunsongError as error:
                if error.kind not in _RETRIED or loop.time() + pause > give_up:
                    log.warning(
                        "a batch of messages was not stored",
                        extra={"reason": error.reason, "size": len(batch)},
                    )
                    _answer_all(batch, error)
                    return
            else:
                for one, result in zip(batch, response.results, strict=True):
                    one.done(result)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)


class _Lane:
    __slots__ = ("waiting", "wake")

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.wake = asyncio.Event()


def _answer_all(batch: list[_Waiting], error: YunsongError) -> None:
    outcome = (
        error
        if error.kind is not Kind.DEADLINE_EXCEEDED
        else Unavailable(
            reason="STORE_UNAVAILABLE",
            message="The message could not be stored in time; send it again with the same client_id.",
            retry_after_s=1,
        )
    )
    for one in batch:
        one.done(outcome)
