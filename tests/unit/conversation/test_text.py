"""Words for search, previews, digests, page tokens."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong.conversation.v1 import message_pb2
from yunsong_common.errors import InvalidArgument
from yunsong_conversation import contents
from yunsong_conversation.domain.contacts import clean_name
from yunsong_conversation.paging import key_of, token_of
from yunsong_conversation.segmentation import grams, index_terms, query_grams, query_terms


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("你好，我昨天买的蓝牙耳机左边没有声音了，怎么申请退换货", "蓝牙耳机"),
        ("你好，我昨天买的蓝牙耳机左边没有声音了，怎么申请退换货", "退换货"),
        ("我想退货", "退"),
        ("请问蓝牙耳机能退换货吗", "货"),
        ("订单 ＡＢＣ１２３ 什么时候发货", "abc123"),
        ("My orders were shipped yesterday", "order shipping"),
        ("Where is my Refund?", "refunds"),
    ],
)
def test_what_is_asked_is_found(said: str, asked: str) -> None:
    assert query_terms(asked)
    assert set(query_terms(asked)) <= set(index_terms(said))


@given(st.text())
def test_any_text_gives_terms_that_can_be_stored(text: str) -> None:
    for term in [*index_terms(text), *query_terms(text)]:
        assert term
        assert not any(character.isspace() or character == "\0" for character in term)
        assert len(term.encode()) < 2046


@given(st.text(alphabet="张三abc1@. ", min_size=1, max_size=30), st.data())
def test_a_contact_is_found_by_any_part_of_a_word(name: str, data: st.DataObject) -> None:
    words = name.split()
    if not words:
        return
    word = data.draw(st.sampled_from(words))
    start = data.draw(st.integers(0, len(word) - 1))
    part = word[start : data.draw(st.integers(start + 1, len(word)))]
    assert set(query_grams(part)) <= set(grams(name))


def form(*names: str) -> message_pb2.Content:
    fields = [message_pb2.FormField(name=name, label="?", type="text") for name in names]
    return message_pb2.Content(form=message_pb2.FormContent(title="?", fields=fields))


def test_the_place_where_the_meridian_meets_the_equator_is_a_place() -> None:
    place = message_pb2.Content(location=message_pb2.LocationContent(latitude=0, longitude=0))
    assert contents.checked_kind(place) == "location"
    assert contents.checked_kind(form("email", "name")) == "form"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("\u202eevil\u2066 Li\u200f\u0000", "evil Li"),
        ("line\r\nbreak\u2028tab\t\x1b", "line break tab"),
        ("👩\u200d💻 王 客户 1", "👩\u200d💻 王 客户 1"),
    ],
)
def test_a_name_is_plain_text_on_one_line(given: str, kept: str) -> None:
    assert clean_name(given) == kept


def test_a_preview_is_one_line_of_at_most_200_characters() -> None:
    content = contents.text_content("第一行\n\n  第二行" + "啊" * 300)
    preview = contents.preview_of("text", content)
    assert preview.startswith("第一行 第二行啊")
    assert len(preview) == 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (message_pb2.Content(), "CONTENT_EMPTY"),
        (contents.text_content(" \n　"), "CONTENT_EMPTY"),
        (contents.system_content("x"), "CONTENT_SYSTEM"),
        (message_pb2.Content(location=message_pb2.LocationContent(label="Shop")), "CONTENT_INVALID"),
        (message_pb2.Content(location=message_pb2.LocationContent(latitude=1)), "CONTENT_INVALID"),
        (form("email", "name", "email"), "CONTENT_INVALID"),
    ],
)
def test_what_nobody_can_send(content: message_pb2.Content, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        contents.checked_kind(content)
    assert refusal.value.reason == reason


def test_nul_is_refused_and_a_zero_inside_a_number_is_not() -> None:
    with pytest.raises(InvalidArgument, match="CONTENT_INVALID"):
        contents.serialised(contents.text_content("a\0b"))
    place = message_pb2.Content(location=message_pb2.LocationContent(latitude=2.0, longitude=4.0))
    assert b"\0" in contents.serialised(place)


def test_digests_tell_entries_apart() -> None:
    stored = contents.serialised(contents.text_content("x"))
    digests = {
        contents.digest_of(stored, "1", "", [], False),
        contents.digest_of(stored, "2", "", [], False),
        contents.digest_of(stored, "1", "r", [], False),
        contents.digest_of(stored, "1", "", ["u"], False),
        contents.digest_of(stored, "1", "", [], True),
        contents.digest_of(contents.serialised(contents.text_content("y")), "1", "", [], False),
    }
    assert len(digests) == 6


def test_a_page_token_comes_back_as_it_went() -> None:
    key = [dt.datetime(2026, 1, 5, tzinfo=dt.UTC), 3, "01890000-0000-7000-8000-000000000000"]
    types = [dt.datetime, int, UUID]
    token = token_of("activity", key)
    assert key_of("activity", token, types) == tuple(key)
    assert key_of("activity", "", types) is None
    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        key_of("newest", token, types)


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda b: b.hex()))
def test_any_other_page_token_is_refused(token: str) -> None:
    if not token:
        return
    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        key_of("activity", token, [dt.datetime, UUID])
