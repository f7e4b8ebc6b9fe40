"""What rules find, and what they don't."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong_plugin_api import InspectedConversation, InspectedMessage
from yunsong_qa.domain.matching import Found, Matcher, Needle, pattern_problem
from yunsong_qa.domain.rules import BUILTIN, Rule, Speaker, evaluate, problems_of
from yunsong_qa.domain.text import normalise, occurs

START = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
AuthorName = Literal["contact", "agent", "bot", "system", "api"]


def message(
    rev: int, author: AuthorName, text: str, *, at: float = 0, internal: bool = False
) -> InspectedMessage:
    return InspectedMessage(
        id=f"m{rev}",
        rev=rev,
        author=author,
        author_id="",
        internal=internal,
        kind="text",
        text=text,
        sent_at=START + dt.timedelta(seconds=at),
    )


def conversation(
    messages: Sequence[InspectedMessage], *, csat: int | None = None, **figures: float
) -> InspectedConversation:
    return InspectedConversation(
        id="c",
        channel="web",
        queue_id="q",
        agent_ids=[],
        messages=messages,
        opened_at=START,
        closed_at=None,
        csat=csat,
        figures=figures,
    )


def rule(kind: str, speaker: Speaker = Speaker.AGENT, *, live: bool = False, **settings: Any) -> Rule:
    return Rule("r", "rule", speaker, live, kind, settings)


def hits(found_by: Rule, messages: Sequence[InspectedMessage], **more: Any) -> list[tuple[str, str]]:
    found = evaluate(found_by, BUILTIN[found_by.kind], conversation(messages, **more))
    return [(hit.message_id, hit.matched) for hit in found]


def test_a_phrase_is_found_whatever_its_case_width_and_hidden_characters() -> None:
    forbidden = rule("phrase", phrases=["加微信", "Not My Problem"])
    said = [
        message(1, "agent", "请加 微信"),
        message(2, "agent", "请加\u200b微信哦"),
        message(3, "agent", "That's ＮＯＴ  my\nPROBLEM!"),
    ]

    assert hits(forbidden, said) == [("m2", "加微信"), ("m3", "Not My Problem")]


def test_words_of_spaced_scripts_are_whole_words() -> None:
    assert not occurs("ass", "a class act")
    assert occurs("ass", "you ass!")
    assert not occurs("кот", "который")
    assert occurs("ok", "好的ok谢谢")
    assert occurs("退款", "不能退款的")
    assert occurs("ab", "abab ab")


def test_only_the_speaker_is_heard_and_notes_are_private() -> None:
    said = [
        message(1, "contact", "滚"),
        message(2, "agent", "滚", internal=True),
        message(3, "bot", "滚"),
        message(4, "agent", "滚"),
        message(5, "system", "滚"),
    ]

    assert hits(rule("phrase", phrases=["滚"]), said) == [("m4", "滚")]
    assert hits(rule("phrase", Speaker.CONTACT, phrases=["滚"]), said) == [("m1", "滚")]
    assert len(hits(rule("phrase", Speaker.ANY, phrases=["滚"]), said)) == 3


def test_a_phrase_within_the_first_messages_of_the_speaker() -> None:
    said = [message(1, "contact", "hi"), message(2, "agent", "yes"), message(3, "agent", "refund")]

    assert hits(rule("phrase", phrases=["refund"], within_first=1), said) == []
    assert hits(rule("phrase", phrases=["refund"], within_first=2), said) == [("m3", "refund")]


def test_a_required_phrase_hits_when_it_is_missing_where_it_was_due() -> None:
    greeting = rule("required_phrase", phrases=["您好", "hello"], within_first=1)

    assert hits(greeting, [message(1, "agent", "Hello there"), message(2, "agent", "bye")]) == []
    assert hits(greeting, [message(1, "agent", "What?"), message(2, "agent", "hello")]) == [
        ("m1", "phrase_missing")
    ]
    assert hits(greeting, [message(1, "contact", "hello")]) == [("", "phrase_missing")]


def test_expressions_match_without_regard_to_case_and_say_what_they_took() -> None:
    number = rule("phrase", patterns=[r"1[3-9]\d{9}", r"QQ\s*\d+"])

    assert hits(
        number, [message(1, "agent", "call １３８００１３８０００"), message(2, "agent", "my qq 123456")]
    ) == [
        ("m1", "13800138000"),
        ("m2", "qq 123456"),
    ]


def test_late_answers_are_found_and_the_bots_answers_count() -> None:
    slow = rule("response_time", first_response_s=60, next_response_s=30)
    said = [
        message(1, "contact", "?", at=0),
        message(2, "agent", "yes", at=90),
        message(3, "contact", "and?", at=100),
        message(4, "contact", "hello?", at=120),
        message(5, "agent", "sorry", at=135),
        message(6, "contact", "ok?", at=140),
        message(7, "agent", "ok", at=150),
        message(8, "contact", "a", at=200),
        message(9, "bot", "b", at=201),
        message(10, "agent", "c", at=900),
    ]

    assert hits(slow, said, frt_s=90.0) == [("m2", "90 s"), ("m5", "35 s")]
    assert hits(slow, said, frt_s=59.0) == [("m5", "35 s")]
    assert hits(slow, said[:1], unanswered_s=600.0) == [("", "600 s")]


def test_a_low_rating_hits_the_whole_conversation() -> None:
    low = rule("csat", at_most=2)

    assert hits(low, [], csat=2) == [("", "2/5")]
    assert hits(low, [], csat=3) == []
    assert hits(low, []) == []


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (rule("phrase"), "phrases"),
        (rule("phrase", phrases=["ok", " \u200b "]), "phrases[1]"),
        (rule("phrase", patterns=["("]), "patterns[0]"),
        (rule("phrase", patterns=["a*"]), "patterns[0]"),
        (rule("required_phrase", live=True, phrases=["hi"]), "live_alert"),
        (rule("response_time"), "first_response_s"),
        (rule("csat", at_most=6), "at_most"),
        (rule("no_such_plugin"), "name"),
    ],
)
def test_a_rule_that_cannot_work_says_why(made: Rule, field: str) -> None:
    assert [name for name, _ in problems_of(made, BUILTIN)] == [field]


def test_working_rules_have_no_problems() -> None:
    assert not problems_of(rule("phrase", live=True, phrases=["a"], patterns=["b+"]), BUILTIN)
    assert not problems_of(rule("response_time", live=True, next_response_s=5), BUILTIN)
    assert not problems_of(rule("csat", live=True, at_most=2), BUILTIN)


def test_many_rules_are_matched_in_one_pass_each_reported_once() -> None:
    needles = [Needle(f"r{n}", phrase=f"phrase{n}") for n in range(3000)]
    matcher = Matcher([*needles, Needle("r1", pattern="phrase1"), Needle("spam", pattern=r"\d+ free")])

    assert matcher.find("here is phrase1 and PHRASE2999, 20 free") == [
        Found("r1", "phrase1"),
        Found("r2999", "phrase2999"),
        Found("spam", "20 free"),
    ]
    assert matcher.find("phrase") == []
    assert not Matcher([])


def test_an_expression_that_would_explode_elsewhere_is_linear_here() -> None:
    assert pattern_problem(r"(a+)+$") == ""
    matcher = Matcher([Needle("r", pattern=r"(a+)+$")])
    started = time.monotonic()

    assert matcher.find("a" * 9_999 + "b") == []
    assert time.monotonic() - started < 1


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(min_size=1, max_size=20), st.text(max_size=50), st.text(max_size=50))
def test_a_matcher_agrees_with_a_plain_search(phrase: str, before: str, after: str) -> None:
    text = before + phrase + after
    plain = normalise(phrase)
    expected = bool(plain) and occurs(plain, normalise(text))

    assert bool(Matcher([Needle("r", phrase=phrase)]).find(text)) == expected
