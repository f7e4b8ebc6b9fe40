"""Intents on their way to the conversation service: sent until accepted or refused, confirmed in batches."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from yunsong_common.db import Database, Transaction
from yunsong_common.errors import Kind, YunsongError
from yunsong_router.domain.model import ItemState
from yunsong_router.handlers import assigning, intake, transitions
from yunsong_router.handlers.assigning import Confirmation
from yunsong_router.handlers.conversations import Conversations
from yunsong_router.handlers.measures import Measures
from yunsong_router.handlers.policy import Policy
from yunsong_router.repository import agents, commands, items
from yunsong_router.repository.commands import Command

LOG = logging.getLogger(__name__)

# The other side did not answer, or its answer says nothing about the request: the same again later.
_AGAIN = frozenset(
    {
        Kind.UNAVAILABLE,
        Kind.DEADLINE_EXCEEDED,
        Kind.ABORTED,
        Kind.RESOURCE_EXHAUSTED,
        Kind.INTERNAL,
        Kind.UNAUTHENTICATED,
    }
)
_LONGEST_PAUSE_S = 30.0
_BATCH = 200
# Notifications can be lost with the connection they come over; then this is how late an intent is.
_POLL_S = 1.0


@dataclass(slots=True)
class _Answered:
    """A confirmation on its way into the database, and whoever waits for it."""

    confirmation: Confirmation
    done: asyncio.Future[None]


@dataclass(slots=True)
class Commander:
    """Runs intents. At most `concurrency` calls are under way; what is beyond that waits in PostgreSQL.

    While one batch of confirmations commits, the next gathers, so a batch is as large as the load asks for and never waits for a timer.
    """

    database: Database
    conversations: Conversations
    policy: Policy
    measures: Measures
    concurrency: int = 64
    _answered: list[_Answered] = field(default_factory=list)
    _handed: list[Command] = field(default_factory=list)
    _stored: bool = True
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _confirming: asyncio.Event = field(default_factory=asyncio.Event)

    def hand_over(self, claimed: Sequence[Command]) -> None:
        """Runs intents that the caller just committed as claimed."""
        self._handed.extend(claimed)
        self._wake.set()

    def wake(self) -> None:
        """Some intent was stored for whoever comes first, here or in another replica."""
        self._stored = True
        self._wake.set()

    async def run(self) -> None:
        """Works until cancelled."""
        slots = asyncio.Semaphore(self.concurrency)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._confirm_forever())
            while True:
                try:
                    async with asyncio.timeout(_POLL_S):
                        await self._wake.wait()
                except TimeoutError:
                    self._stored = True
                self._wake.clear()
                handed, self._handed = self._handed, []
                while handed:
                    for command in handed:
                        await slots.acquire()
                        group.create_task(self._run_in_slot(command, slots))
                    handed, self._handed = self._handed, []
                if self._stored:
                    self._stored = False
                    await self._run_due(group, slots)

    async def run_now(self, command: Command) -> None:
        """Runs an intent that the caller just committed as claimed, and waits. Raises the refusal; an outage leaves it to be retried."""
        await self._execute(command)

    async def _run_due(self, group: asyncio.TaskGroup, slots: asyncio.Semaphore) -> None:
        try:
            async with self.database.transaction() as tx:
                claimed = await commands.claim(tx, self.concurrency)
        except YunsongError as error:
            LOG.warning("cannot read intents: %s", error)
            return
        if len(claimed) == self.concurrency:
            self.wake()  # there may be more
        for command in claimed:
            await slots.acquire()
            group.create_task(self._run_in_slot(command, slots))

    async def _run_in_slot(self, command: Command, slots: asyncio.Semaphore) -> None:
        try:
            await self._execute(command)
        except YunsongError as error:
            LOG.info(
                "intent %s was refused: %s",
                command.reason,
                error.reason,
                extra={"conversation_id": command.conversation_id},
            )
        finally:
            slots.release()

    async def _execute(self, command: Command) -> None:
        try:
            if command.kind == "assign":
                rev = await self.conversations.assign(command)
                assert command.agent_id is not None
                await self._confirmed(
                    Confirmation(command.work_item_id, command.agent_id, rev, command.reason)
                )
            elif await self._pointless(command):
                return
            else:
                await self.conversations.move(command)
                async with self.database.transaction() as tx:
                    await commands.delete(tx, [command.id])
        except YunsongError as error:
            if error.kind in _AGAIN:
                await self._postpone(command, error)
            else:
                await self._refused(command, error)
                raise

    async def _confirmed(self, confirmation: Confirmation) -> None:
        answered = _Answered(confirmation, asyncio.get_running_loop().create_future())
        self._answered.append(answered)
        self._confirming.set()
        async with asyncio.timeout(30):
            await answered.done

    async def _confirm_forever(self) -> None:
        while True:
            await self._confirming.wait()
            self._confirming.clear()
            while self._answered:
                batch, self._answered = self._answered[:_BATCH], self._answered[_BATCH:]
                await self._confirm(batch)

    async def _confirm(self, batch: Sequence[_Answered]) -> None:
        async def write(tx: Transaction) -> list[float]:
            return await assigning.confirm(tx, [answered.confirmation for answered in batch])

        try:
            waits = await self.database.run(write)
        except YunsongError as error:
            for answered in batch:
                if not answered.done.done():
                    answered.done.set_exception(error)
            return
        self.measures.assigned(waits)
        for answered in batch:
            if not answered.done.done():
                answered.done.set_result(None)

    async def _pointless(self, command: Command) -> bool:
        """An agent who is back keeps the work that was to be taken away."""
        if command.reason != "agent_lost":
            return False
        async with self.database.transaction() as tx:
            item = await items.lock_by_id(tx, command.work_item_id)
            if item is None or item.agent_id is None or item.state is not ItemState.ASSIGNED:
                await commands.delete(tx, [command.id])
                return True
            if await agents.not_connected(tx, [item.agent_id]):
                return False
            item.moving = False
            await items.save(tx, item)
            await commands.delete(tx, [command.id])
            return True

    async def _postpone(self, command: Command, error: YunsongError) -> None:
        pause_s = min(_LONGEST_PAUSE_S, 0.1 * 2 ** min(command.attempts, 10)) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self.measures.command_failed()
        LOG.warning(
            "the conversation service did not answer (%s); again in %.1f s", error.reason, pause_s,
            extra={"conversation_id": command.conversation_id},
        )  # fmt: skip
        try:
            async with self.database.transaction() as tx:
                await commands.postpone(tx, command.id, await tx.now() + dt.timedelta(seconds=pause_s))
        except YunsongError as database_error:
            # The claim runs out by itself.
            LOG.warning("cannot postpone an intent: %s", database_error.reason)

    async def _refused(self, command: Command, error: YunsongError) -> None:
        """The owner says no: the load is free, and the item goes to where the conversation really stands."""
        try:
            fact = await self.conversations.read(command.conversation_id)
        except YunsongError as unread:
            await self._postpone(command, unread)
            return

        async def write(tx: Transaction) -> None:
            item = await items.lock_by_id(tx, command.work_item_id)
            await commands.delete(tx, [command.id])
            if item is None or (command.kind == "assign" and item.assignment_id != command.id):
                return
            await _undo(tx, item.conversation_id, error.reason)
            if fact is None:
                return
            await intake.absorb(tx, fact, self.policy, refused=True)
            if command.agent_id is not None:
                # Should the owner refuse this agent for good, the others get their turn.
                until = await tx.now() + dt.timedelta(seconds=self.policy.decline_pause_s)
                await items.exclude(tx, command.work_item_id, command.agent_id, until)

        await self.database.run(write)


async def _undo(tx: Transaction, conversation_id: str, reason: str) -> None:
    """Frees what a refused intent reserved."""
    item = await items.lock(tx, conversation_id)
    assert item is not None
    before = item.state
    item.moving = False
    if item.next_agent_id is not None:
        item.next_agent_id = None
    elif item.state is ItemState.ASSIGNING:
        await transitions.free(tx, item, "refused")
        item.state = ItemState.DONE
        await transitions.announce(tx, item, before, "refused")
    await items.save(tx, item)
    LOG.info("the conversation service refused: %s", reason, extra={"conversation_id": conversation_id})
