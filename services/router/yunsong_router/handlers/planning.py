"""Plans one routing group: what waits, who is free, who gets what; written in the same transaction."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from yunsong_common.db import Database, Transaction
from yunsong_common.ids import new_id
from yunsong_plugin_api import PluginRunner
from yunsong_router.domain.model import ItemState, Queue
from yunsong_router.domain.planning import Placement, Planner, QueueRules
from yunsong_router.handlers import assigning, feed, transitions
from yunsong_router.handlers.strategies import Strategies
from yunsong_router.repository import commands, items, planning, queues, triggers
from yunsong_router.repository.commands import Command
from yunsong_router.repository.planning import Candidate

LOG = logging.getLogger(__name__)

# A plan of a page this long holds up the event loop for some milliseconds; longer ones go to a thread.
_SHORT_PAGE = 100
_LONGEST_PAGE = 4000
# So few items are planned over the agents who can come into question for them.
_FEW = 20
# A strategy of a plugin has so long for one page.
_PLUGIN_S = 1.0
# These do not ask whose turn it is, so a plan need not write their queues' rows.
_WITHOUT_TURNS = ("least_loaded", "longest_idle")
# So few intents are run by who planned them, without being read back; more are read by whoever has room.
_HAND_OVER = 64


@dataclass(slots=True)
class Outcome:
    """What came of planning a group."""

    placed: int = 0
    again: bool = False  # something was left that another plan may place
    locked_out: bool = False  # another replica plans the group
    to_run: list[Command] = field(default_factory=list)  # intents that the caller runs now


async def plan_group(
    database: Database, group_id: str, strategies: Strategies, runner: PluginRunner, *, limit: int = 2000
) -> Outcome:
    """Plans a group once, at most `limit` assignments. Raises `StrategyFailed` when a plugin's strategy does; nothing is written then."""
    async with database.transaction() as tx:
        if not await planning.try_lock_group(tx, group_id):
            return Outcome(locked_out=True)
        await triggers.take(tx, group_id)
        now = await tx.now()
        by_id = {queue.id: queue for queue in await queues.of_group(tx, group_id)}
        planner, candidates, cut = await _place(tx, by_id, now, strategies, runner, limit)
        outcome = await _write(tx, by_id, planner.placements, candidates, now)
        if cut or outcome.again:
            outcome.again = True
            await triggers.raise_for_queues(tx, [next(iter(by_id))])
    return outcome


async def _place(
    tx: Transaction,
    by_id: dict[str, Queue],
    now: dt.datetime,
    strategies: Strategies,
    runner: PluginRunner,
    limit: int,
) -> tuple[Planner, dict[str, Candidate], bool]:
    """Reads agents, then items page by page as long as somebody has room for them. The last value: the limit cut it short."""
    required = await planning.required_items(tx, by_id, now)
    rules = {queue.id: _rules(queue, strategies) for queue in by_id.values()}
    if all(strategies.is_built_in(queue.strategy) for queue in by_id.values()):
        few = await planning.next_items(tx, list(by_id), by_id, now, None, _FEW + 1)
        if len(few) <= _FEW:
            return await _place_few(tx, by_id, rules, [*required, *few], now)
    agents = await planning.agents_with_room(
        tx, list(by_id), [c.item.required_agent_id for c in required if c.item.required_agent_id is not None]
    )
    planner = Planner.over(agents, rules, now.timestamp())
    candidates = {c.item.id: c for c in required}
    _place_page(planner, required)
    for _, tier in itertools.groupby(by_id.values(), key=lambda queue: queue.priority):
        queue_ids, after = [queue.id for queue in tier], None
        foreign = any(not strategies.is_built_in(by_id[queue_id].strategy) for queue_id in queue_ids)
        while serving := [queue_id for queue_id in queue_ids if planner.serves(queue_id)]:
            if len(planner.placements) >= limit:
                return planner, candidates, True
            size = min(max(2 * planner.room, 20), _LONGEST_PAGE, limit - len(planner.placements))
            page = await planning.next_items(tx, serving, by_id, now, after, size)
            candidates.update((c.item.id, c) for c in page)
            if foreign:
                await strategies.guarded(runner, _PLUGIN_S, _place_page, planner, page)
            elif len(page) > _SHORT_PAGE:
                await asyncio.to_thread(_place_page, planner, page)
            else:
                _place_page(planner, page)
            if len(page) < size:
                break
            after = page[-1].place
    return planner, candidates, False


async def _place_few(
    tx: Transaction,
    by_id: dict[str, Queue],
    rules: dict[str, QueueRules],
    few: list[Candidate],
    now: dt.datetime,
) -> tuple[Planner, dict[str, Candidate], bool]:
    """The usual case, one conversation or a few: a plan over those who can come into question, not over everybody."""
    agents = await planning.best_agents(tx, by_id, [c.item for c in few]) if few else []
    planner = Planner.over(agents, rules, now.timestamp())
    few.sort(key=lambda c: (c.item.required_agent_id is None, by_id[c.item.queue_id].priority, c.item.order))
    _place_page(planner, few)
    return planner, {c.item.id: c for c in few}, False


def _place_page(planner: Planner, page: Iterable[Candidate]) -> None:
    for candidate in page:
        if planner.room <= 0:
            return
        planner.place(candidate.item)


def _rules(queue: Queue, strategies: Strategies) -> QueueRules:
    return QueueRules(
        id=queue.id,
        strategy=strategies.get(queue.strategy),
        priority=queue.priority,
        last_served_agent_id=queue.last_served_agent_id,
        settles=strategies.is_built_in(queue.strategy),
    )


async def _write(
    tx: Transaction,
    by_id: dict[str, Queue],
    placements: Sequence[Placement],
    candidates: dict[str, Candidate],
    now: dt.datetime,
) -> Outcome:
    """Writes what still holds: agents and items were read without locks, so both are looked at again under them."""
    if not placements:
        return Outcome()
    locked = await planning.lock_agents(tx, list({p.agent_id for p in placements}))
    room = {agent_id: room for agent_id, (_, room) in locked.items()}
    waiting = await planning.lock_waiting(tx, [candidates[p.item_id] for p in placements])
    kept: list[Placement] = []
    for placement in placements:
        if placement.item_id in waiting and room.get(placement.agent_id, 0) >= placement.weight:
            room[placement.agent_id] -= placement.weight
            kept.append(placement)
    names = {agent_id: name for agent_id, (name, _) in locked.items()}
    to_run = await _write_kept(tx, by_id, names, kept, candidates, now) if kept else []
    return Outcome(placed=len(kept), again=len(kept) < len(placements), to_run=to_run)


async def _write_kept(
    tx: Transaction,
    by_id: dict[str, Queue],
    names: dict[str, str],
    kept: Sequence[Placement],
    candidates: dict[str, Candidate],
    now: dt.datetime,
) -> list[Command]:
    offers_until = [_offer_until(by_id[p.queue_id], now) for p in kept]
    assignment_ids = [new_id() for _ in kept]
    await planning.write_assignments(
        tx, [p.item_id for p in kept], [p.agent_id for p in kept], assignment_ids, offers_until
    )
    await planning.write_turns(
        tx,
        {p.agent_id: now + dt.timedelta(microseconds=index) for index, p in enumerate(kept)},
        {p.queue_id: p.agent_id for p in kept if by_id[p.queue_id].strategy not in _WITHOUT_TURNS},
    )
    intents = [
        _intent(placement, candidates[placement.item_id], assignment_id, names[placement.agent_id])
        for placement, assignment_id, until in zip(kept, assignment_ids, offers_until, strict=True)
        if until is None
    ]
    hand_over = len(intents) <= _HAND_OVER
    if intents:
        await commands.add(tx, intents, claimed=hand_over)
    await _tell_offers(
        tx, [p.item_id for p, until in zip(kept, offers_until, strict=True) if until is not None]
    )
    return intents if hand_over else []


async def _tell_offers(tx: Transaction, item_ids: Sequence[str]) -> None:
    if not item_ids:
        return
    offered = (await items.lock_many(tx, item_ids)).values()
    for item in offered:
        await transitions.announce(tx, item, ItemState.WAITING, "offered")
    await feed.write(
        tx,
        [
            feed.about_item(item.agent_id, feed.OFFERED, item, "offered")
            for item in offered
            if item.agent_id is not None
        ],
    )


def _intent(placement: Placement, candidate: Candidate, assignment_id: str, agent_name: str) -> Command:
    return Command(
        id=assignment_id,
        kind="assign",
        work_item_id=placement.item_id,
        conversation_id=candidate.conversation_id,
        epoch=candidate.epoch,
        reason="assigned",
        agent_id=placement.agent_id,
        agent_name=agent_name,
        queue_id=placement.queue_id,
    )


def _offer_until(queue: Queue, now: dt.datetime) -> dt.datetime | None:
    return assigning.offer_until(now, queue.offer_timeout_s) if queue.requires_accept else None
