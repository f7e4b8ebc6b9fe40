"""Streams of revisions that sockets subscribe to, and how nothing is lost, doubled or out of order.

A subscriber holds the revision it has. An event goes to those for whom it is the next one. For the others it is kept while one
read of the owner's change log fills the gap; what was kept follows. A new subscriber is admitted only after a read on its own
behalf, which is also the check that it may see the stream; what comes in between is kept for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from yunsong.auth.v1.principal_pb2 import Principal
from yunsong_common.errors import Kind, YunsongError
from yunsong_gateway.realtime.socket import json_frame

log = logging.getLogger(__name__)

NEWEST = -1  # asks a `ReadAfter` for the head alone
MAX_HELD = 512  # events kept for those who are behind; beyond it they read again
_GONE = frozenset((Kind.NOT_FOUND, Kind.PERMISSION_DENIED, Kind.UNAUTHENTICATED))


class Reader(Protocol):
    """What a subscriber looks like to a topic."""

    principal: Principal

    def push(self, frame: bytes) -> None:
        """Sends a ready-made frame, or drops it when the peer is gone."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a change log."""

    entries: list[tuple[int, bytes]]  # (revision, frame), ascending without a gap
    head: int
    snapshot_required: bool = False


ReadAfter = Callable[[Principal, int], Awaitable[Page]]
TopicKey = tuple[str, str]  # such as ("conversation", id)


class Subscriber:
    """One reader of one topic."""

    __slots__ = ("reader", "rev")

    def __init__(self, reader: Reader, rev: int) -> None:
        self.reader = reader
        self.rev = rev


class Topic:
    """One stream and its subscribers here."""

    __slots__ = ("_filling", "_held", "_joining", "_read", "_start", "key", "subscribers")

    def __init__(self, key: TopicKey, read: ReadAfter, start: Callable[[Awaitable[None]], object]) -> None:
        self.key = key
        self.subscribers: dict[Reader, Subscriber] = {}
        self._read = read
        self._start = start  # runs a fill beside the caller
        self._held: dict[int, bytes] = {}
        self._joining = 0
        self._filling = False

    @property
    def is_idle(self) -> bool:
        return not self.subscribers and not self._joining

    def deliver(self, rev: int, frame: bytes) -> None:
        """Takes an event as it passed on the bus."""
        if self._joining or self._filling:
            self._hold(rev, frame)
        if self._send(rev, frame) and not self._filling:
            self._hold(rev, frame)
            self._fill_soon()

    def note_head(self, head: int) -> None:
        """Takes the owner's word for the newest revision: who is behind gets what is missing."""
        if not self._filling and any(one.rev < head for one in self.subscribers.values()):
            self._fill_soon()

    def broadcast(self, frame: bytes, *, except_actor: str = "") -> None:
        """Sends something without a revision, such as typing."""
        for reader in list(self.subscribers):
            if not except_actor or reader.principal.actor_id != except_actor:
                reader.push(frame)

    async def join(self, reader: Reader, after: int | None, ack: Callable[[int, bool], bytes]) -> None:
        """Admits a reader who has everything up to `after`; without it, from now on.

        `ack(head, snapshot_required)` makes the frame that goes before the first event. Raises what the owner answers
        when the reader may not see the stream.
        """
        self._joining += 1
        try:
            page = await self._read(reader.principal, NEWEST if after is None else after)
            # A revision from the future is one of a database that was restored since.
            anew = page.snapshot_required or (after is not None and after > page.head)
            reader.push(ack(page.head, anew))
            subscriber = Subscriber(reader, page.head if after is None or anew else after)
            while subscriber.rev < page.head:
                _send_page(subscriber, page)
                if subscriber.rev < page.head:
                    page = await self._read(reader.principal, subscriber.rev)
                    if not page.entries:
                        break
            # No await from here on: nothing can come between.
            _send_page(subscriber, Page(sorted(self._held.items()), page.head))
            self.subscribers[reader] = subscriber
            if any(rev > subscriber.rev for rev in self._held) and not self._filling:
                self._fill_soon()
        finally:
            self._joining -= 1
            self._forget_held()

    def leave(self, reader: Reader) -> None:
        self.subscribers.pop(reader, None)

    def _hold(self, rev: int, frame: bytes) -> None:
        if len(self._held) < MAX_HELD:
            self._held[rev] = frame

    def _forget_held(self) -> None:
        if not self._joining and not self._filling:
            self._held = {}

    def _send(self, rev: int, frame: bytes) -> bool:
        """Sends to those for whom it is the next; True when somebody still lacks one before it."""
        behind = False
        for subscriber in self.subscribers.values():
            if rev == subscriber.rev + 1:
                subscriber.rev = rev
                subscriber.reader.push(frame)
            elif rev > subscriber.rev:
                behind = True
        return behind

    def _fill_soon(self) -> None:
        self._filling = True
        self._start(self._fill())

    async def _fill(self) -> None:
        pause = 0.1
        try:
            while self.subscribers:
                target = max(self._held, default=0)
                progressed = await self._fill_once()
                if progressed is None:
                    continue
                if not self._is_behind(max(target, progressed)):
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
        finally:
            self._filling = False
            self._forget_held()

    async def _fill_once(self) -> int | None:
        """Reads once on behalf of who is furthest behind; the head, or None when that one had to leave."""
        last = min(self.subscribers.values(), key=lambda one: one.rev)
        try:
            page = await self._read(last.reader.principal, last.rev)
        except YunsongError as error:
            if error.kind in _GONE:
                self.leave(last.reader)
                last.reader.push(json_frame({"type": "unsubscribed", **self.names(), "code": error.reason}))
                return None
            log.warning("a gap is not filled yet", extra={"topic": self.key, "reason": error.reason})
            return 2**62
        if page.snapshot_required:
            self._skip_to(page.head)
        for rev, frame in page.entries:
            self._send(rev, frame)
        for rev in sorted(self._held):
            self._send(rev, self._held[rev])
        return page.head

    def _is_behind(self, head: int) -> bool:
        return any(one.rev < head for one in self.subscribers.values())

    def _skip_to(self, head: int) -> None:
        """The change log no longer reaches back: who is behind must read a snapshot and goes on from the head."""
        frame = json_frame({"type": "resync", **self.names(), "rev": head})
        for subscriber in self.subscribers.values():
            if subscriber.rev < head:
                subscriber.rev = head
                subscriber.reader.push(frame)

    def names(self) -> dict[str, str]:
        """How the client knows the topic; a contact's stream is its "conversation"."""
        kind, entity_id = self.key
        return {"topic": "conversation" if kind == "contact" else kind, "id": entity_id}


def _send_page(subscriber: Subscriber, page: Page) -> None:
    for rev, frame in page.entries:
        if rev == subscriber.rev + 1:
            subscriber.reader.push(frame)
            subscriber.rev = rev
