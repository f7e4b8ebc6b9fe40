"""One command on one conversation: its row is locked, what changed is written at the end."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass

from yunsong_common.db import Database, Transaction
from yunsong_conversation.domain.changes import Change
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import Actor
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.repository import conversations


@dataclass(frozen=True, slots=True)
class Unit:
    """A locked conversation, the time, and the recorder of what happens to it."""

    tx: Transaction
    conversation: Conversation
    now: dt.datetime
    recorder: Recorder

    def record(self, change: Change | None, actor: Actor) -> None:
        """Records a change; None is none."""
        if change is not None:
            self.recorder.record(self.conversation, change, actor)

    def say(self, code: str, *, public: bool = True, **params: str) -> None:
        """Adds a line of the product."""
        self.recorder.say(self.conversation, self.now, code, public=public, **params)


@contextlib.asynccontextmanager
async def changing(db: Database, conversation_id: str) -> AsyncIterator[Unit]:
    """Locks a conversation for one command. Raises NOT_FOUND / CONVERSATION_UNKNOWN."""
    async with db.transaction() as tx, changing_in(tx, conversation_id) as unit:
        yield unit


@contextlib.asynccontextmanager
async def changing_in(tx: Transaction, conversation_id: str) -> AsyncIterator[Unit]:
    """The same in a transaction that is there already."""
    conversation = await conversations.lock(tx, conversation_id)
    unit = Unit(tx, conversation, await tx.now(), Recorder(tx))
    yield unit
    await unit.recorder.write()
