"""What a text becomes before it is matched."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong_bot import resources
from yunsong_bot.domain.analysis import Analyzer, Lexicon, is_stop, tokens

ANALYZER = resources.analyzer()


def test_chinese_is_cut_into_words_and_english_is_stemmed() -> None:
    assert tokens("快递几天能送到") == ["快递", "几天", "能", "送到"]
    assert tokens("Shipping COSTS, please!") == ["ship", "cost", "pleas"]


def test_a_mixed_text_gives_both() -> None:
    found = tokens("我的order什么时候发货")
    assert "order" in found
    assert "发货" in found


def test_full_width_letters_and_capitals_are_the_same() -> None:
    assert tokens("ＶＩＳＡ") == tokens("visa")


def test_a_possessive_is_its_owner() -> None:
    assert tokens("the customer’s") == ["the", "custom"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("什么时候发货", "啥时候寄出"),
        ("运费", "邮费"),
        ("refund", "money back"),
        ("How long?", "how many days"),
        ("send it back", "return"),
    ],
)
def test_synonyms_share_a_term(one: str, other: str) -> None:
    assert {term for term in ANALYZER.terms(one) if not term.startswith("·")} == {
        term for term in ANALYZER.terms(other) if not term.startswith("·")
    }


def test_names_of_a_class_share_its_term_and_keep_their_own() -> None:
    beijing, shanghai = set(ANALYZER.terms("北京")), set(ANALYZER.terms("上海"))
    assert beijing & shanghai
    assert beijing != shanghai


def test_stop_words_are_marked() -> None:
    assert all(is_stop(term) for term in ANALYZER.terms("请问你们可以吗"))
    assert all(is_stop(term) for term in ANALYZER.terms("could you please"))
    assert not any(is_stop(term) for term in ANALYZER.terms("refund"))


def test_every_term_tells_the_words_it_stands_for() -> None:
    surfaces = ANALYZER.surfaces("邮费多少钱")
    assert set(surfaces.values()) == {"邮费", "多少钱"}


def test_a_stop_word_inside_an_expression_does_not_hide_it() -> None:
    analyzer = Analyzer(Lexicon(groups=[["no thanks", "refuse"]], stop=["no"]))
    assert analyzer.terms("no thanks") == analyzer.terms("refuse")


def test_threads_do_not_disturb_each_other() -> None:
    """A stemmer holds the word it works on: shared, it would mix words of two threads."""
    words = [
        f"{stem}{ending}" for stem in ("ship", "return", "deliver") for ending in ("s", "ed", "ing")
    ] * 50
    expected = [tokens(f"{word} {number}") for number, word in enumerate(words)]
    wrong: list[object] = []

    def work() -> None:
        for number, word in enumerate(words):
            if tokens(f"{word} {number}") != expected[number]:
                wrong.append(word)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@given(st.text(max_size=200))
def test_any_text_can_be_analysed_and_means_the_same_every_time(text: str) -> None:
    terms = ANALYZER.terms(text)
    assert len(set(terms)) == len(terms)
    assert ANALYZER.terms(text) == terms
    assert all(terms)
