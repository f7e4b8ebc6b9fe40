"""A topic loses nothing, doubles nothing and keeps the order, whatever the bus does."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from yunsong.auth.v1.principal_pb2 import Principal
from yunsong_common.errors import NotFound
from yunsong_gateway.realtime.topics import Page, Topic


class Reader:
    def __init__(self) -> None:
        self.principal = Principal(actor_id="a")
        self.frames: list[bytes] = []

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)

    def revs(self) -> list[int]:
        return [int(frame) for frame in self.frames if frame.isdigit()]


class Log:
    """The owner's change log; reading takes a turn of the loop."""

    def __init__(self) -> None:
        self.head = 0
        self.page = 3
        self.gone = False

    def write(self) -> tuple[int, bytes]:
        self.head += 1
        return self.head, str(self.head).encode()

    async def read(self, principal: Principal, after: int) -> Page:
        await asyncio.sleep(0)
        if self.gone:
            raise NotFound(reason="CONVERSATION_UNKNOWN", message="gone")
        if after < 0:
            return Page([], self.head)
        last = min(after + self.page, self.head)
        return Page([(rev, str(rev).encode()) for rev in range(after + 1, last + 1)], self.head)


def ack(head: int, snapshot_required: bool) -> bytes:
    return f"ack {head} {snapshot_required}".encode()


# Each step: an event that arrives (True) or is lost (False), and how many turns of the loop pass after it.
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=30)


@settings(max_examples=200, deadline=None)
@given(before=st.integers(0, 10), steps=STEPS, joins=st.lists(st.integers(0, 29), max_size=3))
def test_every_reader_gets_every_revision_once(before: int, steps: Any, joins: list[int]) -> None:
    async def play() -> None:
        log = Log()
        tasks: list[asyncio.Task[None]] = []
        topic = Topic(("conversation", "c"), log.read, lambda work: tasks.append(asyncio.ensure_future(work)))
        for _ in range(before):
            log.write()
        readers: list[Reader] = []

        def join() -> None:
            reader = Reader()
            readers.append(reader)
            tasks.append(asyncio.ensure_future(topic.join(reader, 0, ack)))

        join()
        for index, (arrives, turns) in enumerate(steps):
            if index in joins:
                join()
            rev, frame = log.write()
            if arrives:
                topic.deliver(rev, frame)
            for _ in range(turns):
                await asyncio.sleep(0)
        while tasks:
            waiting, tasks[:] = list(tasks), []
            await asyncio.gather(*waiting)
        topic.note_head(log.head)  # as a heartbeat does
        while tasks:
            waiting, tasks[:] = list(tasks), []
            await asyncio.gather(*waiting)
        for reader in readers:
            assert reader.revs() == list(range(1, log.head + 1))

    asyncio.run(play())


async def test_who_may_no_longer_see_it_is_told() -> None:
    log = Log()
    tasks: list[asyncio.Task[None]] = []
    topic = Topic(("contact", "c"), log.read, lambda work: tasks.append(asyncio.ensure_future(work)))
    reader = Reader()
    await topic.join(reader, None, ack)
    log.gone = True
    topic.note_head(5)
    await asyncio.gather(*tasks)
    frame = reader.frames[-1]
    payload = orjson.loads(frame[frame.index(b"{") :])
    assert payload == {
        "type": "unsubscribed",
        "topic": "conversation",
        "id": "c",
        "code": "CONVERSATION_UNKNOWN",
    }
    assert topic.is_idle
