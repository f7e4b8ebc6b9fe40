"""When a contact wants a person."""

from __future__ import annotations

import pytest

from yunsong_bot import resources
from yunsong_bot.domain.wish import Wish

WISHES = resources.wishes()


@pytest.mark.parametrize(
    "text",
    [
        "转人工",
        "我要转人工！",
        "人工",
        "人工客服",
        "找真人",
        "帮我接个人工",
        "能不能跟真人聊",
        "转接客服",
        "客服",
        "human please",
        "Human, please!",
        "Can I talk to a real person?",
        "I want to speak with an agent",
        "connect me to someone",
        "get me a representative",
        "agent",
    ],
)
def test_a_plain_request(text: str) -> None:
    assert WISHES.read(text) is Wish.ASKED


@pytest.mark.parametrize(
    "text",
    [
        "人工客服几点上班",
        "你们客服电话是多少",
        "客服态度真好",
        "when can I talk to a person?",
        "what are the agent hours",
    ],
)
def test_a_mere_mention(text: str) -> None:
    assert WISHES.read(text) is Wish.HINTED


@pytest.mark.parametrize(
    "text",
    [
        "退货怎么弄",
        "不要转人工",
        "别给我转人工客服",
        "I do not want a human",
        "are you a robot",
        "I want to give it to someone as a present",
        "personal data",
        "",
    ],
)
def test_no_wish(text: str) -> None:
    assert WISHES.read(text) is Wish.NONE


def test_the_businesss_own_words_replace_the_built_in_ones() -> None:
    assert WISHES.read("叫掌柜来", ["掌柜", "boss"]) is Wish.ASKED
    assert WISHES.read("Where is the BOSS?", ["掌柜", "boss"]) is Wish.ASKED
    assert WISHES.read("embossed cups", ["掌柜", "boss"]) is Wish.NONE
    assert WISHES.read("转人工", ["掌柜"]) is Wish.NONE
