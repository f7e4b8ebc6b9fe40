"""Quick replies and saved views are made, changed, shared, taken back and deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from yunsong_common.db import Transaction
from yunsong_common.ids import new_id
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.domain.desk import (
    QUICK_REPLIES,
    SAVED_VIEWS,
    Item,
    Kind,
    QuickReply,
    SavedView,
    check_change,
    check_room,
    check_sharing,
)
from yunsong_conversation.repository import desk


async def create_reply(
    tx: Transaction, viewer: Viewer, *, shortcut: str, title: str, text: str, shared: bool
) -> QuickReply:
    """Raises PERMISSION_DENIED / PERMISSION_MISSING, FAILED_PRECONDITION / TOO_MANY, ALREADY_EXISTS / SHORTCUT_TAKEN."""
    if shared:
        check_sharing(viewer, QUICK_REPLIES)
    check_room(await desk.lock_replies(tx, viewer.actor.id, shared=shared), QUICK_REPLIES, shared=shared)
    made = QuickReply(new_id(), shortcut, title, text, shared, viewer.actor.id, await tx.now())
    await desk.save_reply(tx, made)
    return made


async def update_reply(tx: Transaction, viewer: Viewer, reply_id: str, changes: dict[str, Any]) -> QuickReply:
    """Raises what `create_reply` does, and NOT_FOUND / QUICK_REPLY_UNKNOWN."""
    known = await desk.reply(tx, reply_id)
    check_change(known, viewer, QUICK_REPLIES, lambda: desk.unknown_reply(reply_id))
    changed = replace(known, **changes, updated_at=await tx.now())
    if changed.shared != known.shared:
        changed = replace(changed, owner_id=_owner_after(known, changed, viewer, QUICK_REPLIES))
        there = await desk.lock_replies(tx, changed.owner_id, shared=changed.shared)
        check_room(there, QUICK_REPLIES, shared=changed.shared)
    await desk.save_reply(tx, changed)
    return changed


async def delete_reply(tx: Transaction, viewer: Viewer, reply_id: str) -> None:
    """Raises NOT_FOUND / QUICK_REPLY_UNKNOWN, PERMISSION_DENIED / PERMISSION_MISSING."""
    known = await desk.reply(tx, reply_id)
    check_change(known, viewer, QUICK_REPLIES, lambda: desk.unknown_reply(reply_id))
    await desk.delete_reply(tx, reply_id)


async def create_view(
    tx: Transaction, viewer: Viewer, *, name: str, filter_: bytes, shared: bool, position: int
) -> SavedView:
    """Raises PERMISSION_DENIED / PERMISSION_MISSING, FAILED_PRECONDITION / TOO_MANY."""
    if shared:
        check_sharing(viewer, SAVED_VIEWS)
    check_room(await desk.lock_views(tx, viewer.actor.id, shared=shared), SAVED_VIEWS, shared=shared)
    made = SavedView(new_id(), name, shared, viewer.actor.id, filter_, position)
    await desk.save_view(tx, made)
    return made


async def update_view(tx: Transaction, viewer: Viewer, view_id: str, changes: dict[str, Any]) -> SavedView:
    """Raises what `create_view` does, and NOT_FOUND / SAVED_VIEW_UNKNOWN."""
    known = await desk.view(tx, view_id)
    check_change(known, viewer, SAVED_VIEWS, lambda: desk.unknown_view(view_id))
    changed = replace(known, **changes)
    if changed.shared != known.shared:
        changed = replace(changed, owner_id=_owner_after(known, changed, viewer, SAVED_VIEWS))
        there = await desk.lock_views(tx, changed.owner_id, shared=changed.shared)
        check_room(there, SAVED_VIEWS, shared=changed.shared)
    await desk.save_view(tx, changed)
    return changed


async def delete_view(tx: Transaction, viewer: Viewer, view_id: str) -> None:
    """Raises NOT_FOUND / SAVED_VIEW_UNKNOWN, PERMISSION_DENIED / PERMISSION_MISSING."""
    known = await desk.view(tx, view_id)
    check_change(known, viewer, SAVED_VIEWS, lambda: desk.unknown_view(view_id))
    await desk.delete_view(tx, view_id)


def _owner_after(known: Item, changed: Item, viewer: Viewer, kind: Kind) -> str:
    """Who shares stays named as its maker; who takes one back has it: its maker may have left."""
    if changed.shared:
        check_sharing(viewer, kind)
        return known.owner_id
    return viewer.actor.id
