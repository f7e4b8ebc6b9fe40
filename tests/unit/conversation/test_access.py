"""Who may read, write, edit and recall."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from yunsong_common.errors import FailedPrecondition, NotFound, PermissionDenied, YunsongError
from yunsong_conversation.domain.access import (
    READ_ALL,
    SUPERVISE,
    Viewer,
    can_read,
    check_answer,
    check_whisper,
    check_work,
)
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import (
    Actor,
    AuthorKind,
    Delivery,
    Message,
    Visibility,
    check_edit,
    check_recall,
    delivery_advances,
)
from yunsong_conversation.domain.states import State

NOW = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
MINE = Actor(AuthorKind.AGENT, "me", "我")


def viewer(*permissions: str, queues: tuple[str, ...] = (), user: str = "me") -> Viewer:
    return Viewer(Actor(AuthorKind.AGENT, user), frozenset(permissions), frozenset(queues))


def conversation(**fields: object) -> Conversation:
    values: dict[str, Any] = {"state": State.ACTIVE, **fields}
    return Conversation(
        id="c", inbox_id="i", channel="web", contact_id="k", created_at=NOW, last_message_at=NOW, **values
    )


@pytest.mark.parametrize(
    ("fields", "who", "sees"),
    [
        ({"assignee_id": "me"}, viewer(), True),
        ({"assignee_id": "you"}, viewer(), False),
        ({"participant_ids": ["me"]}, viewer(), True),
        ({"mentioned_ids": ["me"]}, viewer(), True),
        ({"assignee_id": "you"}, viewer(READ_ALL), True),
        ({"assignee_id": "you"}, viewer(SUPERVISE), True),
        ({"state": State.QUEUED, "queue_id": "q"}, viewer(queues=("q",)), True),
        ({"state": State.OFF_HOURS, "queue_id": "q"}, viewer(queues=("q",)), True),
        ({"state": State.QUEUED, "queue_id": "other"}, viewer(queues=("q",)), False),
        ({"state": State.ACTIVE, "queue_id": "q"}, viewer(queues=("q",)), False),
        ({"state": State.BOT}, viewer(queues=("q",)), False),
        ({}, Viewer(Actor(AuthorKind.SYSTEM), service=True), True),
    ],
)
def test_who_sees_a_conversation(fields: dict[str, object], who: Viewer, sees: bool) -> None:
    assert can_read(conversation(**fields), who) is sees


@pytest.mark.parametrize(
    ("fields", "who", "reason"),
    [
        ({"assignee_id": "me"}, viewer(), None),
        ({"assignee_id": "me", "state": State.SNOOZED}, viewer(), None),
        ({"assignee_id": "you"}, viewer(SUPERVISE), None),
        ({"assignee_id": "you", "participant_ids": ["me"]}, viewer(), "NOT_ASSIGNEE"),
        ({"assignee_id": "you"}, viewer(READ_ALL), "NOT_ASSIGNEE"),
        ({"assignee_id": "you"}, viewer(), "CONVERSATION_UNKNOWN"),
        ({"state": State.QUEUED, "queue_id": "q"}, viewer(queues=("q",)), "CONVERSATION_WAITING"),
        ({"state": State.QUEUED}, viewer(SUPERVISE), "CONVERSATION_WAITING"),
        ({"state": State.BOT}, viewer(SUPERVISE), "CONVERSATION_WITH_BOT"),
        ({"state": State.RESOLVED, "assignee_id": "me"}, viewer(), "CONVERSATION_RESOLVED"),
    ],
)
def test_who_answers(fields: dict[str, object], who: Viewer, reason: str | None) -> None:
    assert refusal(lambda: check_answer(conversation(**fields), who)) == reason


def test_only_the_assignee_or_a_supervisor_works_on_it() -> None:
    with pytest.raises(FailedPrecondition, match="NOT_ASSIGNEE"):
        check_work(conversation(assignee_id="you"), viewer(READ_ALL))
    with pytest.raises(NotFound):
        check_work(conversation(assignee_id="you"), viewer())
    check_work(conversation(assignee_id="you"), viewer(SUPERVISE))


def test_only_a_supervisor_whispers() -> None:
    with pytest.raises(PermissionDenied, match="SUPERVISE_REQUIRED"):
        check_whisper(viewer(READ_ALL))


def message(**fields: object) -> Message:
    values: dict[str, Any] = {"author": MINE, **fields}
    return Message("m", "c", visibility=Visibility.PUBLIC, content=b"x", created_at=NOW, **values)


@pytest.mark.parametrize(
    ("fields", "by", "after", "edit", "recall"),
    [
        ({}, MINE, 120, None, None),
        ({}, MINE, 121, None, "RECALL_TOO_LATE"),
        ({}, MINE, 900, None, "RECALL_TOO_LATE"),
        ({}, MINE, 901, "EDIT_TOO_LATE", "RECALL_TOO_LATE"),
        ({}, Actor(AuthorKind.AGENT, "you"), 1, "NOT_AUTHOR", "NOT_AUTHOR"),
        ({}, Actor(AuthorKind.CONTACT, "me"), 1, "NOT_AUTHOR", "NOT_AUTHOR"),
        ({"kind": "image"}, MINE, 1, "NOT_TEXT", None),
        ({"recalled_at": NOW}, MINE, 1, "MESSAGE_RECALLED", "MESSAGE_RECALLED"),
    ],
)
def test_what_its_author_can_do(
    fields: dict[str, object], by: Actor, after: int, edit: str | None, recall: str | None
) -> None:
    now = NOW + dt.timedelta(seconds=after)
    assert refusal(lambda: check_edit(message(**fields), by, now)) == edit
    assert refusal(lambda: check_recall(message(**fields), by, now)) == recall


def test_a_delivery_never_goes_back() -> None:
    order = [Delivery.PENDING, Delivery.SENT, Delivery.DELIVERED]
    for i, now in enumerate(order):
        for j, to in enumerate(order):
            assert delivery_advances(now, to) == (j > i)
    assert delivery_advances(Delivery.UNCERTAIN, Delivery.DELIVERED)
    assert not delivery_advances(Delivery.DELIVERED, Delivery.FAILED)
    assert not delivery_advances(Delivery.NONE, Delivery.SENT)


def refusal(check: Callable[[], None]) -> str | None:
    try:
        check()
    except YunsongError as error:
        return error.reason
    return None
