"""What runs as long as the router does: planning when something happened, timers, boards, and the ear that hears the other replicas."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import asyncpg

from yunsong_common.clock import Clock
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import YunsongError
from yunsong_plugin_api import PluginRunner
from yunsong_router.handlers import presence, promising, timers
from yunsong_router.handlers.boards import Boards
from yunsong_router.handlers.commanding import Commander
from yunsong_router.handlers.measures import Measures
from yunsong_router.handlers.planning import Outcome, plan_group
from yunsong_router.handlers.policy import Policy
from yunsong_router.handlers.strategies import Strategies, StrategyFailed
from yunsong_router.repository import commands, triggers

LOG = logging.getLogger(__name__)

T = TypeVar("T")

# Notifications can be lost with their connection, and the replica that planned can die: then this is how late a plan is.
_POLL_S = 1.0
# What another transaction held just now is free again after so long.
_CROWDED_S = 0.005
_PRUNE_EVERY_S = 3600.0


@dataclass(slots=True)
class PlanningTask:
    """Plans every group that has triggers, again until it stands still."""

    database: Database
    commander: Commander
    strategies: Strategies
    runner: PluginRunner
    measures: Measures
    clock: Clock
    plan_size: int = 2000
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something was triggered."""
        self._wake.set()

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.settle()
            except YunsongError as error:
                LOG.warning("cannot plan just now: %s", error.reason)
                await self.clock.sleep(0.2)

    async def settle(self) -> int:
        """Plans until no group that this replica can lock has triggers left; gives how many items were placed."""
        placed = 0
        locked_out: set[str] = set()
        while True:
            async with self.database.read() as tx:
                groups = [group for group in await triggers.groups(tx) if group not in locked_out]
            if not groups:
                return placed
            for group in groups:
                outcome = await self.plan(group)
                placed += outcome.placed
                if outcome.locked_out:
                    # Its holder looks for triggers again after it lets go.
                    locked_out.add(group)
                elif outcome.again and not outcome.placed:
                    await self.clock.sleep(_CROWDED_S)

    async def plan(self, group_id: str) -> Outcome:
        """Plans one group once."""
        started = self.clock.monotonic()
        try:
            outcome = await plan_group(
                self.database, group_id, self.strategies, self.runner, limit=self.plan_size
            )
        except StrategyFailed as error:
            LOG.error("a plugin's strategy failed, the default plans instead: %s", error)  # noqa: TRY400 - its trace says nothing of ours
            self.measures.strategy_failed("plugin")
            outcome = await plan_group(
                self.database, group_id, self.strategies.without_plugins(), self.runner, limit=self.plan_size
            )
        self.commander.hand_over(outcome.to_run)
        self.measures.planned(self.clock.monotonic() - started, outcome.placed)
        return outcome


@dataclass(slots=True)
class TimerTask:
    """Looks at everything that can fall due, every `tick_s` seconds."""

    database: Database
    policy: Policy
    measures: Measures
    clock: Clock
    tick_s: float = 1.0

    async def run(self) -> None:
        """Works until cancelled."""
        pruned_at = self.clock.monotonic()
        while True:
            await self.tick()
            if self.clock.monotonic() - pruned_at > _PRUNE_EVERY_S:
                pruned_at = self.clock.monotonic()
                await self._run(timers.prune)
            await self.clock.sleep(self.tick_s)

    async def tick(self) -> None:
        """Everything once. One job that fails does not keep the others from their time."""
        policy = self.policy
        await self._run(lambda tx: presence.sweep(tx, policy))
        await self._run(lambda tx: timers.expire_offers(tx, policy))
        await self._run(lambda tx: timers.apply_waiting_rules(tx, policy))
        await self._run(timers.open_and_close)
        await self._run(timers.admit)
        await self._run(timers.send_home)
        self.measures.broken(await self._run(promising.tick) or ())

    async def _run(self, job: Callable[[Transaction], Awaitable[T]]) -> T | None:
        try:
            return await self.database.run(job)
        except YunsongError as error:
            LOG.warning("a timer cannot run just now: %s", error.reason)
            return None


@dataclass(slots=True)
class BoardTask:
    """Publishes boards and positions."""

    database: Database
    boards: Boards
    clock: Clock
    every_s: float = 1.0

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            try:
                async with self.database.transaction() as tx:
                    await self.boards.publish(tx)
            except YunsongError as error:
                LOG.warning("cannot publish boards just now: %s", error.reason)
            await self.clock.sleep(self.every_s)


@dataclass(slots=True)
class Ear:
    """Hears of triggers and intents of all replicas, over one connection of its own."""

    url: str
    planning: PlanningTask
    commander: Commander
    clock: Clock
    _lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Listens until cancelled; connects again when the connection is lost."""
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                LOG.warning("cannot listen for notifications: %s", type(error).__name__)
            await self.clock.sleep(1.0)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self.url, timeout=5)
        try:
            self._lost.clear()
            connection.add_termination_listener(lambda _: self._lost.set())
            await connection.add_listener(triggers.CHANNEL, lambda *_: self.planning.wake())
            await connection.add_listener(commands.CHANNEL, lambda *_: self.commander.wake())
            self.planning.wake()
            await self._lost.wait()
        finally:
            connection.terminate()
