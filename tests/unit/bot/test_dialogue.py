"""Answer, suggest, miss, hand off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yunsong_bot.domain.dialogue import Decision, Dialogue, Kind, Limits, decide
from yunsong_plugin_api import Answer, Handoff, NextSkill, SkillResult

LIMITS = Limits(answer=0.5, suggest=0.3, max_misses=2)
SURE = Answer("明天发货", confidence=0.9, source="e1")
UNSURE = Answer("明天发货", confidence=0.4, suggestions=("发货时间", "物流"), source="e1")
FAINT = Answer("明天发货", confidence=0.2, suggestions=("发货时间",))


def step(result: SkillResult, dialogue: Dialogue = Dialogue()) -> tuple[Decision, Dialogue]:  # noqa: B008
    return decide([result], dialogue, LIMITS)


def test_a_sure_answer_is_given_and_forgives_earlier_misses() -> None:
    decision, after = step(SURE, Dialogue(misses=1))
    assert (decision.kind, decision.text, decision.source) == (Kind.ANSWER, "明天发货", "e1")
    assert after == Dialogue()


def test_an_unsure_answer_becomes_an_offer_without_its_text() -> None:
    decision, after = step(UNSURE)
    assert (decision.kind, decision.text, decision.buttons) == (Kind.SUGGEST, "", ("发货时间", "物流"))
    assert after == Dialogue(misses=0, offered=True)


def test_a_faint_one_is_a_miss() -> None:
    decision, after = step(FAINT)
    assert decision.kind is Kind.MISS
    assert after == Dialogue(misses=1)


def test_two_misses_hand_off() -> None:
    _, after = step(NextSkill())
    decision, after = step(NextSkill(), after)
    assert (decision.kind, decision.reason, decision.misses) == (Kind.HANDOFF, "bot_missed", 2)
    assert after == Dialogue()


def test_offers_without_end_hand_off_too() -> None:
    dialogue, kinds = Dialogue(), []
    for _ in range(3):
        decision, dialogue = step(UNSURE, dialogue)
        kinds.append(decision.kind)
    assert kinds == [Kind.SUGGEST, Kind.SUGGEST, Kind.HANDOFF]


def test_a_handoff_of_a_skill_is_followed() -> None:
    decision, _ = step(Handoff("contact_asked", queue_id="q"))
    assert (decision.kind, decision.reason, decision.queue_id) == (Kind.HANDOFF, "contact_asked", "q")


def test_the_first_skill_that_settles_it_wins() -> None:
    decision, _ = decide([UNSURE, SURE, Handoff("late")], Dialogue(), LIMITS)
    assert decision.kind is Kind.ANSWER


def test_of_unsure_answers_the_surest_is_offered() -> None:
    surer = Answer("x", confidence=0.45, suggestions=("surer",))
    decision, _ = decide([UNSURE, surer], Dialogue(), LIMITS)
    assert decision.buttons == ("surer",)


RESULTS = st.one_of(
    st.builds(
        Answer,
        st.just("text"),
        confidence=st.floats(0, 1),
        suggestions=st.lists(st.text(min_size=1, max_size=5), max_size=8).map(tuple),
    ),
    st.builds(Handoff, st.just("reason")),
    st.just(NextSkill()),
)


@given(st.lists(st.lists(RESULTS, max_size=4), min_size=1, max_size=12), st.integers(1, 5))
def test_nobody_is_left_with_a_bot_that_does_not_know(
    turns: list[list[SkillResult]], max_misses: int
) -> None:
    """After `max_misses` + 1 turns without an answer at the latest, people have the conversation."""
    limits, dialogue, without = Limits(max_misses=max_misses), Dialogue(), 0
    for results in turns:
        decision, dialogue = decide(results, dialogue, limits)
        assert dialogue.misses < max_misses
        assert len(decision.buttons) <= 5
        without = 0 if decision.kind in {Kind.ANSWER, Kind.HANDOFF} else without + 1
        assert without <= max_misses
