"""Lists of conversations: filters, orders, and where the next page begins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from yunsong_common.db import Transaction
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.states import WAITING, State
from yunsong_conversation.repository.conversations import SELECT, conversation_from


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a list: SQL, the condition for what comes behind a key, and the key's fields and types."""

    name: str
    sql: str
    behind: str
    fields: tuple[str, ...]
    types: tuple[type, ...]
    only: str = ""


ACTIVITY = Order(
    "activity",
    "c.last_message_at DESC, c.id DESC",
    "(c.last_message_at, c.id) < ({0}, {1})",
    ("last_message_at", "id"),
    (dt.datetime, UUID),
)
NEWEST = Order(
    "newest",
    "c.created_at DESC, c.id DESC",
    "(c.created_at, c.id) < ({0}, {1})",
    ("created_at", "id"),
    (dt.datetime, UUID),
)
WAITING_LONGEST = Order(
    "waiting",
    "c.queued_at, c.id",
    "(c.queued_at, c.id) > ({0}, {1})",
    ("queued_at", "id"),
    (dt.datetime, UUID),
    "c.queued_at IS NOT NULL",
)
DUE = Order(
    "due",
    "c.due_at, c.id",
    "(c.due_at, c.id) > ({0}, {1})",
    ("due_at", "id"),
    (dt.datetime, UUID),
    "c.due_at IS NOT NULL",
)
PRIORITY = Order(
    "priority",
    "c.priority, c.last_message_at DESC, c.id DESC",
    "c.priority >= {0} AND (c.priority > {0} OR (c.last_message_at, c.id) < ({1}, {2}))",
    ("priority", "last_message_at", "id"),
    (int, dt.datetime, UUID),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list shows; empty values do not filter."""

    states: frozenset[State] = frozenset()
    assignee_id: str = ""
    queue_id: str = ""
    inbox_id: str = ""
    contact_id: str = ""
    label_id: str = ""
    mentioned_id: str = ""
    priority: int = 0
    created_after: dt.datetime | None = None
    created_before: dt.datetime | None = None
    include_spam: bool = False


async def page(
    tx: Transaction,
    viewer: Viewer,
    filters: Filters,
    order: Order,
    after: Sequence[object] | None,
    limit: int,
) -> list[Conversation]:
    """At most `limit` conversations that the viewer may see, behind the key `after`."""
    query, params = statement(viewer, filters, order, after, limit)
    return [conversation_from(row) for row in await tx.raw.fetch(query, *params)]


def statement(
    viewer: Viewer, filters: Filters, order: Order, after: Sequence[object] | None, limit: int
) -> tuple[str, list[object]]:
    """The list's SQL and its parameters."""
    where = _Where()
    if order.only:
        where.parts.append(order.only)
    _filter(where, filters)
    mine = "" if viewer.sees_all or _implies_access(viewer, filters) else _mine(where, viewer)
    if mine:
        where.parts.append("c.id IN (SELECT id FROM mine)")
    if after is not None:
        casts = {dt.datetime: "::timestamptz", UUID: "::uuid", int: "::smallint"}
        holes = [where.param(value, casts[kind]) for value, kind in zip(after, order.types, strict=True)]
        where.parts.append(order.behind.format(*holes))
    condition = f"WHERE {' AND '.join(where.parts)} " if where.parts else ""
    query = f"{mine}{SELECT}{condition}ORDER BY {order.sql} LIMIT {where.param(limit)}"
    return query, where.params


class _Where:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.params: list[object] = []

    def param(self, value: object, cast: str = "") -> str:
        self.params.append(value)
        return f"${len(self.params)}{cast}"


def _filter(where: _Where, f: Filters) -> None:
    if f.states:
        where.parts.append(f"c.state = ANY({where.param(sorted(f.states), '::smallint[]')})")
        if State.RESOLVED not in f.states:
            where.parts.append("c.state <> 6")  # lets the indexes of open conversations serve
    for column, value in (
        ("assignee_id", f.assignee_id), ("queue_id", f.queue_id), ("inbox_id", f.inbox_id), ("contact_id", f.contact_id)
    ):  # fmt: skip
        if value:
            where.parts.append(f"c.{column} = {where.param(value, '::uuid')}")
    if f.label_id:
        where.parts.append(
            f"c.label_ids @> ARRAY[{where.param(f.label_id, '::uuid')}] AND c.label_ids <> '{{}}'"
        )
    if f.mentioned_id:
        where.parts.append(
            f"c.mentioned_ids @> ARRAY[{where.param(f.mentioned_id, '::uuid')}] AND c.mentioned_ids <> '{{}}'"
        )
    if f.priority:
        where.parts.append(f"c.priority = {where.param(f.priority, '::smallint')}")
    if f.created_after is not None:
        where.parts.append(f"c.created_at >= {where.param(f.created_after, '::timestamptz')}")
    if f.created_before is not None:
        where.parts.append(f"c.created_at < {where.param(f.created_before, '::timestamptz')}")
    if not f.include_spam:
        where.parts.append("NOT c.spam")


def _implies_access(viewer: Viewer, filters: Filters) -> bool:
    """The filters alone keep to what the viewer may see."""
    if viewer.actor.id in (filters.assignee_id, filters.mentioned_id):
        return True
    return bool(filters.states) and filters.states <= WAITING and filters.queue_id in viewer.queue_ids


def _mine(where: _Where, viewer: Viewer) -> str:
    """The conversations that the viewer may see, each part by its own index, whatever the planner believes of the whole."""
    user = where.param(viewer.actor.id, "::uuid")
    queues = where.param(sorted(viewer.queue_ids), "::uuid[]")
    return (
        f"WITH mine AS MATERIALIZED (SELECT id FROM conversations WHERE participant_ids @> ARRAY[{user}] "  # noqa: S608
        f"UNION SELECT id FROM conversations WHERE mentioned_ids @> ARRAY[{user}] AND mentioned_ids <> '{{}}' "
        f"UNION SELECT id FROM conversations WHERE state IN (2, 3) AND queue_id = ANY({queues})) "
    )


async def of_contact(
    tx: Transaction, contact_id: str, inbox_id: str, after: Sequence[object] | None, limit: int
) -> list[Conversation]:
    """A contact's conversations on one inbox, newest first."""
    behind = "AND (c.created_at, c.id) < ($4::timestamptz, $5::uuid) " if after is not None else ""
    rows = await tx.raw.fetch(
        f"{SELECT}WHERE c.contact_id = $1 AND c.inbox_id = $2 {behind}ORDER BY c.created_at DESC, c.id DESC LIMIT $3",
        contact_id, inbox_id, limit, *(after or ()),
    )  # fmt: skip
    return [conversation_from(row) for row in rows]
