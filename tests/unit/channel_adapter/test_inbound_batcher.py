"""Messages from outside share calls; one that is wrong does not fail its neighbours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from yunsong.conversation.v1 import internal_pb2
from yunsong_channel_adapter.inbound import InboundBatcher
from yunsong_common.errors import InvalidArgument, PermissionDenied, ResourceExhausted, Unavailable


class Conversation:
    """Answers when told; keeps the sizes of the batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = asyncio.Event()
        self.down = False

    def unary_unary(self, _method: str, *_args: Any, **_options: Any) -> Any:
        return self._call

    async def _call(self, request: internal_pb2.PostInboundRequest) -> internal_pb2.PostInboundResponse:
        self.batches.append(len(request.entries))
        await self.gate.wait()
        if self.down:
            raise Unavailable(reason="AWAY", message="away")
        if any(entry.external_id == "malformed" for entry in request.entries):
            raise InvalidArgument(reason="INVALID_REQUEST", message="malformed")
        return internal_pb2.PostInboundResponse(results=[_result(entry) for entry in request.entries])


def _result(entry: internal_pb2.InboundEntry) -> internal_pb2.AppendResult:
    if entry.external_id == "blocked":
        return internal_pb2.AppendResult(
            error_reason="CONTACT_BLOCKED", error_message="blocked", error_code=7
        )
    return internal_pb2.AppendResult(message_id=entry.external_id)


def entry(external_id: str) -> internal_pb2.InboundEntry:
    return internal_pb2.InboundEntry(external_id=external_id)


@contextlib.asynccontextmanager
async def running(conversation: Conversation, max_waiting: int = 100) -> AsyncIterator[InboundBatcher]:
    batcher = InboundBatcher(conversation, max_waiting=max_waiting)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(batcher.run())
        yield batcher
        task.cancel()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_while_one_is_on_its_way_goes_together() -> None:
    conversation = Conversation()
    async with running(conversation) as batcher, asyncio.TaskGroup() as group:
        first = group.create_task(batcher.post(entry("0")))
        await settle()
        others = [group.create_task(batcher.post(entry(str(number)))) for number in range(1, 6)]
        await settle()
        conversation.gate.set()
        results = [await task for task in (first, *others)]
    assert conversation.batches == [1, 5]
    assert [result.message_id for result in results] == list("012345")


async def test_a_wrong_one_fails_alone() -> None:
    conversation = Conversation()
    async with running(conversation) as batcher:
        waiting = asyncio.gather(
            *(batcher.post(entry(name)) for name in ("a", "malformed", "blocked", "b")),
            return_exceptions=True,
        )
        await settle()
        conversation.gate.set()
        results = await waiting
    assert isinstance(results[1], InvalidArgument)
    assert isinstance(results[2], PermissionDenied)
    assert results[2].reason == "CONTACT_BLOCKED"
    assert [each.message_id for each in results if isinstance(each, internal_pb2.AppendResult)] == ["a", "b"]


async def test_an_outage_reaches_everyone_who_waits() -> None:
    conversation = Conversation()
    conversation.down = True
    conversation.gate.set()
    async with running(conversation) as batcher:
        with pytest.raises(Unavailable):
            await batcher.post(entry("a"))


async def test_beyond_the_bound_it_says_so() -> None:
    conversation = Conversation()
    async with running(conversation, max_waiting=1) as batcher, asyncio.TaskGroup() as group:
        group.create_task(batcher.post(entry("on its way")))
        await settle()
        group.create_task(batcher.post(entry("waits")))
        await settle()
        with pytest.raises(ResourceExhausted):
            await batcher.post(entry("too many"))
        conversation.gate.set()


async def test_stopping_tells_those_who_wait() -> None:
    conversation = Conversation()
    async with running(conversation) as batcher:
        waiting = asyncio.gather(*(batcher.post(entry(name)) for name in "ab"), return_exceptions=True)
        await settle()
    assert all(isinstance(each, Unavailable) for each in await waiting)
