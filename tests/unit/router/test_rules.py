"""Relaxation, routing groups, overflow and the estimated wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yunsong_router.domain.groups import overflow_cycle, routing_groups
from yunsong_router.domain.skills import RelaxationStep, next_step_after, required_now
from yunsong_router.domain.waiting import QueueLoad, line_of

STEPS = (RelaxationStep(30, 1), RelaxationStep(60, 2), RelaxationStep(120, drop_skills=True))


def test_requirements_weaken_in_steps_and_never_below_level_one() -> None:
    asked, by_queue = {"english": 2}, {"english": 1, "billing": 4}
    assert required_now(asked, by_queue, STEPS, 0) == (("billing", 4), ("english", 2))
    assert required_now(asked, by_queue, STEPS, 30) == (("billing", 3), ("english", 1))
    assert required_now(asked, by_queue, STEPS, 90) == (("billing", 2), ("english", 1))
    assert required_now(asked, by_queue, STEPS, 120) == ()


def test_the_next_step_is_the_next_look() -> None:
    assert [next_step_after(STEPS, waited) for waited in (0, 30, 119, 120)] == [30, 60, 120, None]


def test_queues_that_share_agents_through_others_are_one_group() -> None:
    members = [("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("d", "3")]
    assert routing_groups("abcde", members) == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"}


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("12345"))))
def test_an_agent_is_in_one_group_and_groups_share_nobody(members: list[tuple[str, str]]) -> None:
    groups = routing_groups("abcdef", members)
    for queue, agent in members:
        assert {groups[other] for other, one in members if one == agent} == {groups[queue]}
    for queue, group in groups.items():
        assert group <= queue
        assert groups[group] == group


def test_overflow_must_end_somewhere() -> None:
    assert overflow_cycle("a", {"a": "b", "b": "c", "c": None}) == []
    assert overflow_cycle("a", {"a": "b", "b": "a"}) == ["a", "b", "a"]
    assert overflow_cycle("a", {"a": "a"}) == ["a", "a"]


def load(name: str, **values: int) -> QueueLoad:
    known = {
        "priority": 50,
        "waiting": 0,
        "active": 10,
        "slots": 10,
        "free_slots": 0,
        "handling_s": 300,
        "samples": 50,
    }
    return QueueLoad(name, **{**known, **values})


def test_nobody_waits_for_a_free_slot() -> None:
    line = line_of(load("q", free_slots=3, samples=0), [load("q", free_slots=3, samples=0)], {("q", "q"): 10})
    assert line.estimate_s(3) == 0


def test_the_wait_is_the_departures_that_are_needed_times_their_interval() -> None:
    queue = load("q", waiting=9)
    line = line_of(queue, [queue], {("q", "q"): 10})
    assert [line.estimate_s(position) for position in (1, 10)] == [30, 300]


def test_those_who_go_first_count_and_take_their_share_of_what_comes_free() -> None:
    queue, first = load("q", active=5), load("first", priority=10, waiting=4, active=5)
    shared = dict.fromkeys([("q", "q"), ("q", "first"), ("first", "q"), ("first", "first")], 10)
    assert (
        line_of(queue, [queue, first], shared).estimate_s(1) == 300
    )  # 5 departures, every second one is theirs
    assert line_of(first, [queue, first], shared).estimate_s(1) == 30


def test_without_history_or_staff_nothing_is_said() -> None:
    unknown, unstaffed = load("q", samples=4), load("q", slots=0, active=0)
    assert line_of(unknown, [unknown], {("q", "q"): 10}).estimate_s(5) is None
    assert line_of(unstaffed, [unstaffed], {}).estimate_s(5) is None
