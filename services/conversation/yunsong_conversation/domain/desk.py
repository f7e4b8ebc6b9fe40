"""What makes an agent's desk one's own: quick replies and saved views; everyone keeps their own, some are shared."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from yunsong_common.errors import FailedPrecondition, NotFound, PermissionDenied
from yunsong_conversation.domain.access import Viewer


@dataclass(frozen=True, slots=True)
class Kind:
    """What holds for all quick replies, or for all views."""

    plural: str
    permission: str  # for the shared ones
    own: int  # at most of one person's
    shared: int  # at most for everyone


QUICK_REPLIES = Kind("quick replies", "quick_reply.write", own=500, shared=2000)
SAVED_VIEWS = Kind("saved views", "saved_view.write", own=100, shared=100)


class Item(Protocol):
    """A quick reply or a view."""

    @property
    def shared(self) -> bool:
        """Everyone has it."""

    @property
    def owner_id(self) -> str:
        """Whose it is; who made it when shared."""


@dataclass(frozen=True, slots=True)
class QuickReply:
    """A text that agents insert by a short name."""

    id: str
    shortcut: str
    title: str  # empty: the short name stands for it
    text: str
    shared: bool
    owner_id: str
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SavedView:
    """A filter and a sort under a name."""

    id: str
    name: str
    shared: bool
    owner_id: str
    filter: bytes
    position: int


def shortcut_key(shortcut: str) -> str:
    """By which short names are the same: "/HI" finds "hi"."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", shortcut).casefold())


def check_change(item: Item, viewer: Viewer, kind: Kind, unknown: Callable[[], NotFound]) -> None:
    """Returns when the viewer may change or delete it.

    Raises what `unknown` makes for somebody else's own, PERMISSION_DENIED / PERMISSION_MISSING for a shared one.
    """
    if item.shared:
        check_sharing(viewer, kind)
    elif item.owner_id != viewer.actor.id:
        raise unknown()


def check_sharing(viewer: Viewer, kind: Kind) -> None:
    """Raises PERMISSION_DENIED / PERMISSION_MISSING for who may not look after the shared ones."""
    if kind.permission not in viewer.permissions:
        raise PermissionDenied(
            reason="PERMISSION_MISSING",
            message=f"shared {kind.plural} need the permission {kind.permission}",
            permission=kind.permission,
        )


def check_room(there: int, kind: Kind, *, shared: bool) -> None:
    """Raises FAILED_PRECONDITION / TOO_MANY when there is no room for one more."""
    most = kind.shared if shared else kind.own
    if there >= most:
        whose = f"shared {kind.plural}" if shared else f"{kind.plural} of one's own"
        raise FailedPrecondition(
            reason="TOO_MANY", message=f"there are {most} {whose} already; delete one first"
        )
