"""Messages from outside on their way to the conversation service: the next batch gathers while one is on its way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import grpc

from yunsong.conversation.v1 import internal_pb2, internal_pb2_grpc
from yunsong_common.errors import (
    InvalidArgument,
    Kind,
    ResourceExhausted,
    Unavailable,
    YunsongError,
    error_of,
)

_BATCH = 500


class InboundBatcher:
    """Shares calls of PostInbound between those who wait. A batch never waits for a timer."""

    def __init__(self, channel: grpc.aio.Channel, *, max_waiting: int) -> None:
        self._stub = internal_pb2_grpc.ConversationInternalServiceStub(channel)
        self._max_waiting = max_waiting
        self._waiting: dict[_Waiter, None] = {}  # in the order of their coming
        self._arrived = asyncio.Event()

    async def post(self, entry: internal_pb2.InboundEntry) -> internal_pb2.AppendResult:
        """Takes one message in; returns when it is committed.

        Raises what the conversation service refused it with, and `ResourceExhausted` when too many wait already.
        """
        if len(self._waiting) >= self._max_waiting:
            raise ResourceExhausted(
                reason="INBOUND_QUEUE_FULL",
                message=f"{self._max_waiting} messages already wait for the conversation service; send it again",
                retry_after_s=1.0,
            )
        waiter = _Waiter(entry)
        self._waiting[waiter] = None
        self._arrived.set()
        try:
            return await waiter.future
        finally:
            # The caller may have given up before its batch went out.
            self._waiting.pop(waiter, None)

    async def run(self) -> None:
        """Sends batch after batch until cancelled; then whoever still waits hears that it did not work."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    await self._send(self._take())
        finally:
            for waiter in self._waiting:
                waiter.fail(_stopping())

    def _take(self) -> list[_Waiter]:
        batch = list(itertools.islice(self._waiting, _BATCH))
        for waiter in batch:
            del self._waiting[waiter]
        return batch

    async def _send(self, batch: Sequence[_Waiter]) -> None:
        request = internal_pb2.PostInboundRequest(entries=[waiter.entry for waiter in batch])
        try:
            response = await self._stub.PostInbound(request)
        except InvalidArgument as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            # One that is malformed does not fail its neighbours.
            for waiter in batch:
                await self._send([waiter])
        except YunsongError as error:
            for waiter in batch:
                waiter.fail(error)
        except asyncio.CancelledError:
            for waiter in batch:
                waiter.fail(_stopping())
            raise
        else:
            for waiter, result in zip(batch, response.results, strict=True):
                waiter.settle(result)


class _Waiter:
    def __init__(self, entry: internal_pb2.InboundEntry) -> None:
        self.entry = entry
        self.future: asyncio.Future[internal_pb2.AppendResult] = asyncio.get_running_loop().create_future()

    def fail(self, error: YunsongError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def settle(self, result: internal_pb2.AppendResult) -> None:
        if self.future.done():
            return
        if result.error_reason:
            self.future.set_exception(_error(result))
        else:
            self.future.set_result(result)


def _error(result: internal_pb2.AppendResult) -> YunsongError:
    # google.rpc.Code and the gRPC status codes have the same names and numbers.
    name = next((code.name for code in grpc.StatusCode if code.value[0] == result.error_code), "INTERNAL")
    kind = Kind[name] if name in Kind.__members__ else Kind.INTERNAL
    return error_of(kind)(reason=result.error_reason, message=result.error_message)


def _stopping() -> Unavailable:
    return Unavailable(
        reason="SERVICE_STOPPING",
        message="the service is stopping; whether the message was stored is unknown, send it again with the same id",
        retry_after_s=1.0,
    )
