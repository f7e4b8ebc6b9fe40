"""The index: what ranks first, and what a confidence means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong_bot import resources
from yunsong_bot.domain.knowledge import Entry
from yunsong_bot.domain.lexical import LexicalIndex, analyze
from yunsong_bot.domain.ranking import Candidate, Pipeline

ANALYZER = resources.analyzer()
SHOP = [
    Entry("ship", "下单后多久发货？", "付款后当天发出。", ("什么时候发货",)),
    Entry("refund", "退款多久到账？", "验收后 24 小时内退款。", ("钱什么时候退给我",)),
    Entry("invoice", "怎么开发票？", "在订单里申请。", ("能开发票吗",)),
    Entry("track", "How can I track my order?", "Open My orders.", ("Where is my package?",)),
    Entry("cancel", "How do I cancel my order?", "Choose Cancel.", ("I ordered by mistake",)),
]


def index_of(entries: list[Entry]) -> LexicalIndex:
    return LexicalIndex([analyze(entry, ANALYZER) for entry in entries], ANALYZER)


def best(index: LexicalIndex, question: str) -> Candidate:
    return Pipeline([index], index).rank(question, 1)[0]


@pytest.mark.parametrize("entry", SHOP, ids=lambda entry: entry.id)
def test_every_phrasing_finds_its_entry_with_full_confidence(entry: Entry) -> None:
    index = index_of(SHOP)
    for phrasing in entry.phrasings:
        found = best(index, phrasing)
        assert found.entry_id == entry.id
        assert found.score == pytest.approx(1.0)


def test_other_words_find_it_too_with_less_confidence() -> None:
    found = best(index_of(SHOP), "请问我的东西啥时候能寄出来呀")
    assert found.entry_id == "ship"
    assert 0.3 < found.score < 1


def test_a_question_about_nothing_known_has_no_confidence() -> None:
    index = index_of(SHOP)
    for question in ("明天会下雨吗", "who won the match"):
        candidates = Pipeline([index], index).rank(question, 1)
        assert not candidates or candidates[0].score < 0.3


def test_words_that_mean_nothing_find_nothing() -> None:
    index = index_of(SHOP)
    assert Pipeline([index], index).rank("请问可以吗", 3) == []
    assert Pipeline([index], index).rank("", 3) == []


def test_an_empty_knowledge_base_answers_nothing() -> None:
    index = index_of([])
    assert Pipeline([index], index).rank("退款", 3) == []


def test_the_answers_words_count_less_than_the_questions() -> None:
    entries = [Entry("asks", "顺丰", "无"), Entry("tells", "快递公司", "顺丰")]
    assert best(index_of(entries), "顺丰").entry_id == "asks"


@pytest.mark.parametrize("others", [0, 300, 3000])
def test_a_confidence_means_the_same_in_a_large_knowledge_base(others: int) -> None:
    crowd = [Entry(f"other-{n}", f"型号{n}的零件怎么安装", f"第{n}步") for n in range(others)]
    found = best(index_of(SHOP + crowd), "退的钱什么时候能到账")
    assert found.entry_id == "refund"
    assert found.score == pytest.approx(best(index_of(SHOP), "退的钱什么时候能到账").score, abs=0.15)


def test_an_entry_with_many_phrasings_is_not_drowned_by_its_length() -> None:
    long = Entry("long", "怎么开发票？", "申请。", tuple(f"发票问题{n}" for n in range(40)))
    assert best(index_of([*SHOP[:2], long]), "怎么开发票").entry_id == "long"


@given(st.text(max_size=80))
def test_a_confidence_is_from_0_to_1(question: str) -> None:
    index = index_of(SHOP)
    for candidate in Pipeline([index], index).rank(question, 5):
        assert 0 <= candidate.score <= 1 + 1e-9


class _Everything:
    """A ranker of another kind, as an embedding ranker would be."""

    def rank(self, question: str, limit: int) -> list[Candidate]:
        return [Candidate("invoice", 0.1)]


def test_other_rankers_add_candidates_and_the_reranker_orders_them() -> None:
    index = index_of(SHOP)
    found = Pipeline([index, _Everything()], index).rank("track my order", 5)
    assert found[0].entry_id == "track"
    assert "invoice" in {candidate.entry_id for candidate in found}
