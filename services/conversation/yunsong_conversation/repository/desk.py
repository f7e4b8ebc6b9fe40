"""Quick replies and saved views."""

# ruff: noqa: S608 - statements are put together from this module's constants alone
from __future__ import annotations

from typing import Any

import asyncpg

from yunsong_common.db import Transaction
from yunsong_common.errors import AlreadyExists, NotFound
from yunsong_conversation.domain.desk import QuickReply, SavedView, shortcut_key

_REPLY = "id, shortcut, title, text, shared, owner_id, updated_at"
_VIEW = "id, name, shared, owner_id, filter, position"
# Two alternatives that are the predicates of the two indexes.
_MINE = "(shared OR (NOT shared AND owner_id = $1))"


def unknown_reply(reply_id: str) -> NotFound:
    """What a caller gets for a quick reply that is not there, or somebody else's own."""
    return NotFound(reason="QUICK_REPLY_UNKNOWN", message=f"there is no quick reply {reply_id}")


def unknown_view(view_id: str) -> NotFound:
    """What a caller gets for a view that is not there, or somebody else's own."""
    return NotFound(reason="SAVED_VIEW_UNKNOWN", message=f"there is no saved view {view_id}")


async def lock_replies(tx: Transaction, owner_id: str, *, shared: bool) -> int:
    """How many the owner, or everyone, has; one more of them is made at a time until the transaction ends."""
    return await _lock(tx, "quick_replies", owner_id, shared=shared)


async def lock_views(tx: Transaction, owner_id: str, *, shared: bool) -> int:
    """How many the owner, or everyone, has; one more of them is made at a time until the transaction ends."""
    return await _lock(tx, "saved_views", owner_id, shared=shared)


async def _lock(tx: Transaction, table: str, owner_id: str, *, shared: bool) -> int:
    whose = "shared" if shared else owner_id
    await tx.raw.execute(
        "SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))", f"yunsong {table}", whose
    )
    if shared:
        return int(await tx.raw.fetchval(f"SELECT count(*) FROM {table} WHERE shared"))
    return int(
        await tx.raw.fetchval(f"SELECT count(*) FROM {table} WHERE NOT shared AND owner_id = $1", owner_id)
    )


async def replies(
    tx: Transaction, owner_id: str, query: str, after: tuple[str, str] | None, limit: int
) -> list[QuickReply]:
    """One's own and the shared ones by short name, behind the place `after` (key and id)."""
    key, reply_id = after or ("", "00000000-0000-0000-0000-000000000000")
    rows = await tx.raw.fetch(
        f"SELECT {_REPLY} FROM quick_replies WHERE {_MINE} AND (shortcut_key, id) > ($2, $3::uuid) "
        "AND ($4 = '' OR starts_with(shortcut_key, $5) OR starts_with(lower(title), lower($4)) "
        "OR position(lower($4) IN lower(text)) > 0) ORDER BY shortcut_key, id LIMIT $6",
        owner_id, key, reply_id, query, shortcut_key(query), limit,
    )  # fmt: skip
    return [_reply(row) for row in rows]


async def reply(tx: Transaction, reply_id: str) -> QuickReply:
    """Locks one. Raises NOT_FOUND / QUICK_REPLY_UNKNOWN."""
    row = await tx.raw.fetchrow(f"SELECT {_REPLY} FROM quick_replies WHERE id = $1 FOR UPDATE", reply_id)
    if row is None:
        raise unknown_reply(reply_id)
    return _reply(row)


async def save_reply(tx: Transaction, reply: QuickReply) -> None:
    """Stores a new or a changed one. Raises ALREADY_EXISTS / SHORTCUT_TAKEN."""
    try:
        await tx.raw.execute(
            "INSERT INTO quick_replies (id, shortcut, shortcut_key, title, text, shared, owner_id, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET shortcut = excluded.shortcut, "
            "shortcut_key = excluded.shortcut_key, title = excluded.title, text = excluded.text, "
            "shared = excluded.shared, owner_id = excluded.owner_id, updated_at = excluded.updated_at",
            reply.id, reply.shortcut, shortcut_key(reply.shortcut), reply.title, reply.text, reply.shared,
            reply.owner_id, reply.updated_at,
        )  # fmt: skip
    except asyncpg.UniqueViolationError as error:
        whose = "a shared quick reply" if reply.shared else "a quick reply of your own"
        raise AlreadyExists(
            reason="SHORTCUT_TAKEN", message=f"there is {whose} named {reply.shortcut!r} already"
        ) from error


async def delete_reply(tx: Transaction, reply_id: str) -> None:
    """Deletes one."""
    await tx.raw.execute("DELETE FROM quick_replies WHERE id = $1", reply_id)


async def views(tx: Transaction, owner_id: str) -> list[SavedView]:
    """One's own and the shared ones by position and name."""
    rows = await tx.raw.fetch(
        f"SELECT {_VIEW} FROM saved_views WHERE {_MINE} ORDER BY position, name, id", owner_id
    )
    return [_view(row) for row in rows]


async def view(tx: Transaction, view_id: str) -> SavedView:
    """Locks one. Raises NOT_FOUND / SAVED_VIEW_UNKNOWN."""
    row = await tx.raw.fetchrow(f"SELECT {_VIEW} FROM saved_views WHERE id = $1 FOR UPDATE", view_id)
    if row is None:
        raise unknown_view(view_id)
    return _view(row)


async def save_view(tx: Transaction, view: SavedView) -> None:
    """Stores a new or a changed one."""
    await tx.raw.execute(
        "INSERT INTO saved_views (id, name, shared, owner_id, filter, position) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name, shared = excluded.shared, owner_id = excluded.owner_id, "
        "filter = excluded.filter, position = excluded.position",
        view.id, view.name, view.shared, view.owner_id, view.filter, view.position,
    )  # fmt: skip


async def delete_view(tx: Transaction, view_id: str) -> None:
    """Deletes one."""
    await tx.raw.execute("DELETE FROM saved_views WHERE id = $1", view_id)


def _reply(row: Any) -> QuickReply:
    return QuickReply(**{**dict(row), "id": str(row["id"]), "owner_id": str(row["owner_id"])})


def _view(row: Any) -> SavedView:
    return SavedView(**{**dict(row), "id": str(row["id"]), "owner_id": str(row["owner_id"])})
