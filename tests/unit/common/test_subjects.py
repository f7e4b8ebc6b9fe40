"""A message's type and entity make its subject."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.common.contract import message
from yunsong_common.bus import Subscription, live_subject, route_of, stream_of, subject_of
from yunsong_common.bus.consumer import group_by_consumer
from yunsong_common.clock import SystemClock
from yunsong_common.outbox.rows import row_of

Happened: Any = message("HTTPThingHappened")
Typing: Any = message("Typing")
Plain: Any = message("Plain")


async def nothing(*_args: object) -> None:
    """A handler."""


def test_the_subject_is_the_full_name_in_snake_case_and_the_entity() -> None:
    event = Happened(about={"id": "q1"})
    assert subject_of(event) == "yunsong.unittest.v1.http_thing_happened.q1"
    assert stream_of(subject_of(event)) == "YUNSONG_UNITTEST"


def test_live_messages_have_subjects_of_their_own() -> None:
    assert subject_of(Typing(entity="c1")) == "yunsong.live.v1.typing.c1"
    assert live_subject(Typing) == "yunsong.live.v1.typing.*"


@pytest.mark.parametrize("entity", ["", "a b", "a.b", "*", ">", "a\n"])
def test_an_id_that_cannot_be_part_of_a_subject_is_refused(entity: str) -> None:
    with pytest.raises(ValueError, match="no entity id"):
        subject_of(Happened(about={"id": entity}))


def test_only_events_travel() -> None:
    with pytest.raises(TypeError, match="no event"):
        route_of(Plain)
    with pytest.raises(TypeError, match="live"):
        row_of(Typing(entity="c"), rev=0, public_rev=None, now=SystemClock().now())
    with pytest.raises(TypeError, match="live"):
        Subscription(event_type=Typing, handler=nothing, consumer="c", start="all")


def test_subscriptions_are_grouped_by_consumer_and_stream() -> None:
    item = Subscription(event_type=Happened, handler=nothing, consumer="c", start="all")
    assert group_by_consumer([item]) == {("c", "YUNSONG_UNITTEST"): [item]}
