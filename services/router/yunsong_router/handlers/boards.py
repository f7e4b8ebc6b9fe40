"""Boards for staff and positions for contacts: coarse, live, at most once a second and only what changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from yunsong.router.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_router.domain.model import ItemState
from yunsong_router.domain.waiting import Line, QueueLoad, line_of
from yunsong_router.handlers.measures import Measures
from yunsong_router.repository import board, handlings, items
from yunsong_router.repository.board import Numbers

# Beyond this depth a contact's position is told every tenth time only.
_DEPTH = 200
_DEEP = 5000
_DEEP_EVERY = 10


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue in numbers, with what an estimate needs."""

    numbers: Numbers
    line: Line


async def look(tx: Transaction) -> dict[str, QueueView]:
    """All queues, by name."""
    found = await board.numbers(tx)
    means = await handlings.means(tx, [numbers.queue_id for numbers in found])
    shared = await board.shared_slots(tx)
    groups: dict[str, list[QueueLoad]] = {}
    for numbers in found:
        groups.setdefault(numbers.group_id, []).append(_load(numbers, *means.get(numbers.queue_id, (0.0, 0))))
    lines = {load.id: line_of(load, group, shared) for group in groups.values() for load in group}
    return {numbers.queue_id: QueueView(numbers, lines[numbers.queue_id]) for numbers in found}


def proto(view: QueueView, now: dt.datetime) -> events_pb2.QueueBoard:
    """The board of one queue."""
    numbers = view.numbers
    longest = 0 if numbers.first_since is None else max(0, int((now - numbers.first_since).total_seconds()))
    return events_pb2.QueueBoard(
        queue_id=numbers.queue_id,
        name=numbers.name,
        waiting=numbers.waiting,
        longest_wait_s=longest,
        active=numbers.active,
        agents_online=numbers.online,
        agents_free=numbers.free,
        estimated_wait_s=view.line.estimate_s(numbers.waiting + 1) or 0,
        open=numbers.open,
        rev=numbers.rev,
    )


async def position(tx: Transaction, conversation_id: str) -> events_pb2.QueuePosition:
    """Where one conversation stands; position 0 when it does not wait."""
    result = events_pb2.QueuePosition(conversation_id=conversation_id)
    item = await items.get(tx, conversation_id)
    if item is None or item.queue_id is None or item.state not in (ItemState.WAITING, ItemState.OFFERED):
        if item is not None and item.queue_id is None and item.state is ItemState.WAITING:
            result.position = 1
        return result
    view = (await look(tx)).get(item.queue_id)
    if view is None:
        return result
    return _position(conversation_id, await items.ahead_of(tx, item) + 1, view)


@dataclass(slots=True)
class Boards:
    """Publishes what changed since this replica last published it."""

    measures: Measures
    _boards: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _positions: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _round: int = 0

    async def publish(self, tx: Transaction) -> int:
        """Publishes changed boards and positions once the transaction is committed; gives how many."""
        if not await board.try_lead(tx, "boards"):
            return 0
        now = await tx.now()
        views = await look(tx)
        changed = [
            view for view in views.values() if self._boards.get(view.numbers.queue_id) != _fingerprint(view)
        ]
        revs = await board.raise_revs(tx, [view.numbers.queue_id for view in changed])
        for view in changed:
            message = proto(view, now)
            message.rev = revs.get(view.numbers.queue_id, message.rev)
            tx.publish_after_commit(message)
        self._boards = {view.numbers.queue_id: _fingerprint(view) for view in views.values()}
        moved = self._moved(await board.line(tx, _DEEP if self._round % _DEEP_EVERY == 0 else _DEPTH), views)
        self._round += 1
        for told in moved:
            tx.publish_after_commit(told)
        load, capacity, homeless = await board.totals(tx)
        self.measures.standing(
            {v.numbers.queue_id: v.numbers.waiting for v in views.values()}, load, capacity, homeless
        )
        return len(changed) + len(moved)

    def _moved(
        self, line: Sequence[tuple[str, str, int]], views: Mapping[str, QueueView]
    ) -> list[events_pb2.QueuePosition]:
        known = self._positions
        moved, standing = [], {}
        for conversation_id, queue_id, place in line:
            message = _position(conversation_id, place, views[queue_id])
            # The estimate alone is worth telling only when it became a different one.
            standing[conversation_id] = (place, message.open, message.estimated_wait_s // 60)
            if known.get(conversation_id) != standing[conversation_id]:
                moved.append(message)
        deep = (
            {c: seen for c, seen in known.items() if c not in standing} if self._round % _DEEP_EVERY else {}
        )
        self._positions = {**deep, **standing}
        return moved


def _position(conversation_id: str, place: int, view: QueueView) -> events_pb2.QueuePosition:
    estimate = view.line.estimate_s(place)
    return events_pb2.QueuePosition(
        conversation_id=conversation_id,
        position=place,
        estimated_wait_s=estimate or 0,
        estimate_known=estimate is not None,
        open=view.numbers.open,
    )


def _load(numbers: Numbers, handling_s: float, samples: int) -> QueueLoad:
    return QueueLoad(
        id=numbers.queue_id,
        priority=numbers.priority,
        waiting=numbers.waiting,
        active=numbers.active,
        slots=numbers.slots,
        free_slots=numbers.free_slots,
        handling_s=handling_s,
        samples=samples,
    )


def _fingerprint(view: QueueView) -> tuple[object, ...]:
    # The longest wait and the estimate change by themselves; a reader can count on.
    n = view.numbers
    return (n.name, n.open, n.waiting, n.first_since, n.active, n.online, n.free)
