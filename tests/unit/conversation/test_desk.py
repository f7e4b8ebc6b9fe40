"""Whose quick replies and views are whose."""

from __future__ import annotations

import dataclasses

import pytest

from yunsong_common.errors import FailedPrecondition, NotFound, PermissionDenied
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.domain.desk import (
    QUICK_REPLIES,
    SAVED_VIEWS,
    SavedView,
    check_change,
    check_room,
    check_sharing,
    shortcut_key,
)
from yunsong_conversation.domain.messages import Actor, AuthorKind

OWN = SavedView("v", "Mine", shared=False, owner_id="li", filter=b"", position=0)
SHARED = dataclasses.replace(OWN, shared=True)


def viewer(user: str, *permissions: str) -> Viewer:
    return Viewer(Actor(AuthorKind.AGENT, user, user), frozenset(permissions))


def unknown() -> NotFound:
    return NotFound(reason="SAVED_VIEW_UNKNOWN", message="unknown")


def test_ones_own_needs_no_permission_and_nobody_else_may() -> None:
    check_change(OWN, viewer("li"), SAVED_VIEWS, unknown)
    with pytest.raises(NotFound, match="SAVED_VIEW_UNKNOWN"):
        check_change(OWN, viewer("wang", "saved_view.write"), SAVED_VIEWS, unknown)


def test_a_shared_one_needs_the_permission_of_its_kind_even_of_its_maker() -> None:
    check_change(SHARED, viewer("wang", "saved_view.write"), SAVED_VIEWS, unknown)
    for permissions in ((), ("quick_reply.write",)):
        with pytest.raises(PermissionDenied, match="PERMISSION_MISSING") as refused:
            check_change(SHARED, viewer("li", *permissions), SAVED_VIEWS, unknown)
        assert refused.value.metadata == {"permission": "saved_view.write"}
    with pytest.raises(PermissionDenied):
        check_sharing(viewer("li", "saved_view.write"), QUICK_REPLIES)


def test_there_is_room_up_to_the_bound() -> None:
    check_room(499, QUICK_REPLIES, shared=False)
    check_room(1999, QUICK_REPLIES, shared=True)
    with pytest.raises(FailedPrecondition, match="TOO_MANY"):
        check_room(500, QUICK_REPLIES, shared=False)
    with pytest.raises(FailedPrecondition, match="TOO_MANY"):
        check_room(2000, QUICK_REPLIES, shared=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Hi", "hI"), ("é", "e\u0301"), ("STRASSE", "straße"), ("ｈｉ", "hi"), ("退款", "退款")],
)
def test_names_that_look_the_same_are_the_same(one: str, other: str) -> None:
    assert shortcut_key(one) == shortcut_key(other)


def test_names_that_differ_stay_apart() -> None:
    assert len({shortcut_key(name) for name in ("退款", "退货", "hi", "hi2", "h_i", "h-i")}) == 6
