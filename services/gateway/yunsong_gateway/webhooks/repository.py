"""Rows of `webhooks` and `webhook_deliveries`."""

# ruff: noqa: S608 - the column lists are constants of this module

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from yunsong_common.db import Transaction
from yunsong_common.errors import NotFound
from yunsong_common.ids import new_id

PENDING, SENT, DEAD = 1, 2, 3

_HOOK = "id, url, event_types, enabled, description, created_at"
_DELIVERY = "id, webhook_id, event_id, event_type, status, attempts, response_status, error, next_attempt_at, created_at"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One row of `webhooks`, without its secret."""

    id: str
    url: str
    event_types: tuple[str, ...]
    enabled: bool
    description: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One row of `webhook_deliveries`, without its body."""

    id: str
    webhook_id: str
    event_id: str
    event_type: str
    status: int
    attempts: int
    response_status: int
    error: str
    next_attempt_at: dt.datetime | None
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Due:
    """What a sender needs of a delivery."""

    id: str
    webhook_id: str
    event_id: str
    body: bytes
    attempts: int
    url: str
    secret: bytes


def _hook(row: Any) -> Webhook:
    return Webhook(**{**dict(row), "id": str(row["id"]), "event_types": tuple(row["event_types"])})


def _delivery(row: Any) -> WebhookDelivery:
    texts = {name: str(row[name]) for name in ("id", "webhook_id", "event_id")}
    return WebhookDelivery(**{**dict(row), **texts})


def unknown(webhook_id: str) -> NotFound:
    return NotFound(
        reason="WEBHOOK_UNKNOWN", message=f"There is no webhook {webhook_id}.", webhook_id=webhook_id
    )


async def all_hooks(tx: Transaction) -> list[Webhook]:
    rows = await tx.raw.fetch(f"SELECT {_HOOK} FROM webhooks ORDER BY created_at LIMIT 1000")
    return [_hook(row) for row in rows]


async def create(
    tx: Transaction, *, url: str, event_types: Collection[str], enabled: bool, description: str, secret: bytes
) -> Webhook:
    row = await tx.raw.fetchrow(
        "INSERT INTO webhooks (id, url, event_types, enabled, description, secret, created_at) "
        f"VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_HOOK}",
        UUID(new_id()),
        url,
        sorted(set(event_types)),
        enabled,
        description,
        secret,
        await tx.now(),
    )
    return _hook(row)


async def update(tx: Transaction, webhook_id: str, changes: Mapping[str, Any]) -> Webhook:
    """Raises NotFound / WEBHOOK_UNKNOWN."""
    assert changes.keys() <= {"url", "event_types", "enabled", "description"}
    names = list(changes)
    assignments = ", ".join(f"{name} = ${index}" for index, name in enumerate(names, start=2)) or "url = url"
    row = await tx.raw.fetchrow(
        f"UPDATE webhooks SET {assignments} WHERE id = $1 RETURNING {_HOOK}",
        UUID(webhook_id),
        *(changes[name] for name in names),
    )
    if row is None:
        raise unknown(webhook_id)
    return _hook(row)


async def delete(tx: Transaction, webhook_id: str) -> None:
    """Raises NotFound / WEBHOOK_UNKNOWN."""
    if await tx.raw.fetchval("DELETE FROM webhooks WHERE id = $1 RETURNING 1", UUID(webhook_id)) is None:
        raise unknown(webhook_id)


async def page(tx: Transaction, webhook_id: str, *, before: str | None, size: int) -> list[WebhookDelivery]:
    """Deliveries of a webhook, newest first. Raises NotFound / WEBHOOK_UNKNOWN."""
    if await tx.raw.fetchval("SELECT 1 FROM webhooks WHERE id = $1", UUID(webhook_id)) is None:
        raise unknown(webhook_id)
    rows = await tx.raw.fetch(
        f"SELECT {_DELIVERY} FROM webhook_deliveries WHERE webhook_id = $1 AND ($2::uuid IS NULL OR id < $2) "
        "ORDER BY id DESC LIMIT $3",
        UUID(webhook_id),
        UUID(before) if before else None,
        size,
    )
    return [_delivery(row) for row in rows]


async def replay(tx: Transaction, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Makes a delivery due now, its attempts counted from zero. Raises NotFound / WEBHOOK_DELIVERY_UNKNOWN."""
    row = await tx.raw.fetchrow(
        "UPDATE webhook_deliveries SET status = $3, attempts = 0, next_attempt_at = $4 "
        f"WHERE id = $2 AND webhook_id = $1 RETURNING {_DELIVERY}",
        UUID(webhook_id),
        UUID(delivery_id),
        PENDING,
        await tx.now(),
    )
    if row is None:
        raise NotFound(reason="WEBHOOK_DELIVERY_UNKNOWN", message=f"There is no delivery {delivery_id}.")
    return _delivery(row)


async def enqueue(tx: Transaction, rows: Sequence[tuple[str, str, str, bytes]]) -> None:
    """Adds deliveries (webhook id, event id, event type, body); one that is there already stays as it is.

    None is added for a webhook that is gone.
    """
    now = await tx.now()
    await tx.raw.executemany(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, body, status, next_attempt_at, created_at) "
        "SELECT $1::uuid, id, $3::uuid, $4, $5::bytea, $6, $7::timestamptz, $7 FROM webhooks WHERE id = $2 "
        "ON CONFLICT (webhook_id, event_id) DO NOTHING",
        [
            (UUID(new_id()), UUID(webhook_id), UUID(event_id), event_type, body, PENDING, now)
            for webhook_id, event_id, event_type, body in rows
        ],
    )


async def take_due(tx: Transaction, *, limit: int, lease_s: float) -> list[Due]:
    """Takes due deliveries for this process: nobody else gets them before the lease ends."""
    now = await tx.now()
    rows = await tx.raw.fetch(
        "UPDATE webhook_deliveries d SET attempts = d.attempts + 1, next_attempt_at = $2 FROM webhooks w "
        "WHERE w.id = d.webhook_id AND d.id IN (SELECT o.id FROM webhook_deliveries o JOIN webhooks h ON h.id = o.webhook_id "
        "WHERE o.status = 1 AND o.next_attempt_at <= $1 AND h.enabled ORDER BY o.next_attempt_at LIMIT $3 "
        "FOR UPDATE OF o SKIP LOCKED) "
        "RETURNING d.id, d.webhook_id, d.event_id, d.body, d.attempts, w.url, w.secret",
        now,
        now + dt.timedelta(seconds=lease_s),
        limit,
    )
    return [
        Due(
            str(row["id"]),
            str(row["webhook_id"]),
            str(row["event_id"]),
            row["body"],
            row["attempts"],
            row["url"],
            row["secret"],
        )
        for row in rows
    ]


async def finish(
    tx: Transaction,
    delivery_id: str,
    *,
    status: int,
    response_status: int,
    error: str,
    next_attempt_at: dt.datetime | None,
) -> None:
    await tx.raw.execute(
        "UPDATE webhook_deliveries SET status = $2, response_status = $3, error = $4, next_attempt_at = $5 WHERE id = $1",
        UUID(delivery_id),
        status,
        response_status,
        error[:500],
        next_attempt_at,
    )


async def prune(tx: Transaction, *, keep: dt.timedelta) -> None:
    """Forgets deliveries that were sent or given up longer ago than `keep`."""
    await tx.raw.execute(
        "DELETE FROM webhook_deliveries WHERE status <> 1 AND created_at < $1", await tx.now() - keep
    )
