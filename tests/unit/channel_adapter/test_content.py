"""What a channel without cards and buttons shows."""

from __future__ import annotations

from typing import Any

import pytest

from yunsong_channel_adapter.domain.content import fit
from yunsong_channel_adapter.normalise import content_of
from yunsong_common.errors import InvalidArgument
from yunsong_plugin_api import Attachment, InboundMessage

TEXT = frozenset({"text"})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"text": {"text": "hi"}}, "hi"),
        ({"image": {"file_id": "f", "name": "cat.png"}}, "cat.png"),
        ({"location": {"latitude": 31.2, "longitude": 121.5, "label": "Shop"}}, "Shop\n31.2, 121.5"),
        ({"card": {"title": "Cup", "url": "https://shop.example/cup"}}, "Cup\nhttps://shop.example/cup"),
        ({"buttons": {"text": "Which?", "buttons": [{"label": "A"}, {"label": "B"}]}}, "Which?\n1. A\n2. B"),
        ({"form": {"title": "You", "fields": [{"label": "Name"}]}}, "You\n- Name"),
    ],
)
def test_other_kinds_become_text(content: dict[str, Any], text: str) -> None:
    assert fit(content, TEXT) == {"text": {"text": text}}


def test_what_the_channel_carries_stays() -> None:
    card = {"card": {"title": "Cup", "url": "https://shop.example/cup"}}
    assert fit(card, frozenset({"card"})) == card


def test_lines_of_the_product_are_left_out() -> None:
    assert fit({"system": {"code": "conversation.transferred"}}, TEXT) is None
    assert fit({}, TEXT) is None


def inbound(**fields: Any) -> InboundMessage:
    return InboundMessage(external_id="e", identity="p", **fields)


def test_a_file_outside_becomes_a_card_that_links_to_it() -> None:
    message = inbound(kind="image", attachment=Attachment("https://cdn.example/cat.png", "cat.png"))
    assert content_of(message).card.url == "https://cdn.example/cat.png"


def test_something_always_shows() -> None:
    assert content_of(inbound(kind="unsupported")).text.text == "[unsupported]"


def test_details_are_read() -> None:
    message = inbound(kind="location", details={"latitude": 31.2, "longitude": 121.5, "other": 1})
    assert content_of(message).location.latitude == 31.2
    with pytest.raises(InvalidArgument):
        content_of(inbound(kind="location", details={"latitude": "north"}))
