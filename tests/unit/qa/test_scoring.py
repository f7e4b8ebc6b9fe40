"""Scores."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yunsong_qa.domain.rules import RuleHit
from yunsong_qa.domain.scoring import Item, Scorecard, problems_of, score


def card(*items: Item, pass_score: int = 0) -> Scorecard:
    return Scorecard("s", "card", items, True, [], pass_score, 1)


def found(rule_id: str, count: int) -> list[RuleHit]:
    return [RuleHit(rule_id, rule_id, f"m{n}", n, "x") for n in range(1, count + 1)]


def test_a_conversation_without_hits_is_perfect() -> None:
    result = score(card(Item("greeting", "r", 20)), {})

    assert (result.score, result.passed, result.fatal, list(result.hits)) == (100, True, False, [])


def test_an_item_costs_once_unless_every_hit_counts() -> None:
    hits = {"a": found("a", 3), "b": found("b", 3)}
    result = score(card(Item("once", "a", 10), Item("each", "b", 10, per_hit=True)), hits)

    assert result.score == 60
    assert [item.points_lost for item in result.items] == [10, 30]
    assert [hit.points for hit in result.hits] == [10, 0, 0, 10, 10, 10]
    assert result.passed


def test_a_fatal_item_takes_everything() -> None:
    result = score(card(Item("insult", "a", 0, fatal=True), Item("late", "b", 10)), {"a": found("a", 1)})

    assert (result.score, result.fatal, result.passed) == (0, True, False)


def test_the_pass_score_decides() -> None:
    hits = {"a": found("a", 1)}

    assert score(card(Item("a", "a", 40)), hits).passed
    assert not score(card(Item("a", "a", 41)), hits).passed
    assert not score(card(Item("a", "a", 10), pass_score=95), hits).passed


def test_items_must_cost_something_and_be_told_apart() -> None:
    assert [
        field
        for field, _ in problems_of([Item("a", "r", 0), Item("a", "r", 5), Item("f", "r", 0, fatal=True)])
    ] == [
        "items[0].points",
        "items[1].title",
    ]


def test_queues_limit_a_scorecard() -> None:
    assert card(Item("a", "r", 1)).concerns("any")
    assert not Scorecard("s", "c", [], True, ["q"], 60, 1).concerns("other")


@given(
    st.lists(
        st.builds(
            Item,
            title=st.text(max_size=5),
            rule_id=st.sampled_from("abc"),
            points=st.integers(0, 100),
            fatal=st.booleans(),
            per_hit=st.booleans(),
        ),
        max_size=10,
    ),
    st.fixed_dictionaries({rule_id: st.integers(0, 50) for rule_id in "abc"}),
    st.integers(0, 100),
)
def test_a_score_is_always_between_0_and_100(
    items: list[Item], counts: dict[str, int], pass_score: int
) -> None:
    result = score(
        card(*items, pass_score=pass_score), {rule_id: found(rule_id, n) for rule_id, n in counts.items()}
    )

    assert 0 <= result.score <= 100
    assert not (result.fatal and result.score)
    assert not (result.fatal and result.passed)
    assert all(0 <= item.points_lost <= 100 for item in result.items)
    assert all(item.passed == (counts[item.rule_id] == 0) for item in result.items)
