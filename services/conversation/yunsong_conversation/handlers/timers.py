"""What time does: wakes the snoozed, reminds the silent, closes the idle, forgets the old.

Driven by the database's clock, and safe on every replica.
"""

from __future__ import annotations

import datetime as dt

from yunsong_common.db import Database
from yunsong_conversation.domain.messages import SYSTEM
from yunsong_conversation.domain.states import Asker, CloseReason, State
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.repository import commands, due

AT_ONCE = 100


async def run_due(db: Database) -> int:
    """Does everything that is due; returns how many conversations it touched."""
    touched = 0
    for work in (_wake_some, _close_some, _remind_some):
        while (count := await work(db)) == AT_ONCE:
            touched += count
        touched += count
    return touched


async def _wake_some(db: Database) -> int:
    async with db.transaction() as tx:
        now, recorder = await tx.now(), Recorder(tx)
        found = await due.snoozed(tx, now, AT_ONCE)
        for conversation in found:
            change = conversation.move(
                State.QUEUED, Asker.TIMER, now, "snooze_due", preferred_agent_id=conversation.last_assignee_id
            )
            recorder.record(conversation, change, SYSTEM)
        await recorder.write()
    return len(found)


async def _remind_some(db: Database) -> int:
    async with db.transaction() as tx:
        now, recorder = await tx.now(), Recorder(tx)
        found = await due.to_remind(tx, now, AT_ONCE)
        for conversation in found:
            recorder.say(conversation, now, "conversation.idle_reminder")
            conversation.idle_reminded_at = now
        await recorder.write()
    return len(found)


async def _close_some(db: Database) -> int:
    async with db.transaction() as tx:
        now, recorder = await tx.now(), Recorder(tx)
        found = await due.to_close(tx, now, AT_ONCE)
        for conversation in found:
            change = conversation.resolve(CloseReason.IDLE, Asker.TIMER, now, "idle")
            recorder.record(conversation, change, SYSTEM)
            recorder.say(conversation, now, "conversation.closed", reason="idle")
        await recorder.write()
    return len(found)


async def forget_old(db: Database, *, retention_days: int, command_days: int) -> int:
    """Deletes what is older than it may be kept, in small transactions; `retention_days` 0 keeps conversations for ever.

    Returns how many conversations went.
    """
    async with db.transaction() as tx:
        await commands.prune(tx, days=command_days)
    gone = 0
    while retention_days:
        async with db.transaction() as tx:
            before = await tx.now() - dt.timedelta(days=retention_days)
            ids = await due.to_forget(tx, before, AT_ONCE)
            await due.forget(tx, ids)
        gone += len(ids)
        if len(ids) < AT_ONCE:
            break
    return gone
