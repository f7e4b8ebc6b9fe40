"""Who gets what: the rules one by one, then two properties that hold for every plan."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from yunsong_plugin_api import AgentView, Preference, RoutingStrategy, WorkItemView
from yunsong_router.domain.planning import (
    OnlineAgent,
    Placement,
    QueueRules,
    WaitingItem,
    could_serve,
    plan,
)
from yunsong_router.domain.strategies import LeastLoaded, LongestIdle, RoundRobin

NOW = 1_000_000.0


class FullestFirst:
    """A plugin that gets better by more work: one agent is filled before the next."""

    api_version = "1.0"
    name = "fullest_first"
    depends_on_item = False

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        return (-agent.load,)


class BySkillSurplus:
    """A plugin that looks at the item: the least overqualified first."""

    api_version = "1.0"
    name = "by_skill_surplus"
    depends_on_item = True

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        return (sum(agent.skills.values()) - sum(item.skills.values()), agent.load)


def rules(strategy: RoutingStrategy | None = None, **queues: int) -> dict[str, QueueRules]:
    """Queues by name and priority."""
    chosen = strategy or LeastLoaded()
    settles = isinstance(chosen, LeastLoaded | LongestIdle | RoundRobin)
    return {
        name: QueueRules(name, chosen, priority, settles=settles)
        for name, priority in (queues or {"q": 50}).items()
    }


def agent(
    name: str, *, load: int = 0, capacity: int = 5, queues: str = "q", since: float = 0.0, **skills: int
) -> OnlineAgent:
    return OnlineAgent(name, frozenset(queues.split()), skills, load, capacity, since)


def item(name: str, since: float = 0.0, **values: object) -> WaitingItem:
    return replace(WaitingItem(name, "q", since), **values)  # type: ignore[arg-type]


def given_to(placements: list[Placement]) -> dict[str, str]:
    return {placement.item_id: placement.agent_id for placement in placements}


def test_least_loaded_counts_shares_of_capacity() -> None:
    agents = [agent("small", load=1, capacity=2), agent("large", load=2, capacity=10)]
    assert given_to(plan([item("i")], agents, rules(), NOW)) == {"i": "large"}


def test_longest_idle_goes_by_the_last_assignment() -> None:
    agents = [agent("a", since=50), agent("b", since=20), agent("c", since=70)]
    placed = plan([item(n) for n in "1234"], agents, rules(LongestIdle()), NOW)
    assert list(given_to(placed).values()) == ["b", "a", "c", "b"]


def test_round_robin_goes_on_after_the_last_one_served() -> None:
    agents = [agent(name) for name in "abcd"]
    queues = {"q": QueueRules("q", RoundRobin(), last_served_agent_id="b")}
    placed = plan([item(str(n)) for n in range(6)], agents, queues, NOW)
    assert list(given_to(placed).values()) == ["c", "d", "a", "b", "c", "d"]


def test_queue_priority_then_head_then_urgency_then_wait() -> None:
    queues = rules(vip=1, q=50)
    waiting = [
        item("old", 1.0),
        item("urgent", 9.0, priority=1),
        item("lost", 9.0, priority=4, at_head=True),
        item("vip", 9.0, priority=4, queue_id="vip"),
    ]
    placed = plan(waiting, [agent("a", capacity=9, queues="q vip")], queues, NOW)
    assert list(given_to(placed)) == ["vip", "lost", "urgent", "old"]


def test_skills_are_needed_at_their_level() -> None:
    agents = [agent("novice", english=2), agent("expert", load=4, english=4)]
    assert given_to(plan([item("i", skills=(("english", 3),))], agents, rules(), NOW)) == {"i": "expert"}


def test_an_item_waits_for_its_last_agent_until_its_time_is_over() -> None:
    queues = rules()
    known = item("i", preferred_agent_id="full", prefer_until=NOW + 1)
    agents = [agent("full", load=5), agent("free")]
    assert given_to(plan([known], agents, queues, NOW)) == {}
    assert given_to(plan([known], agents, queues, NOW + 2)) == {"i": "free"}


def test_an_item_does_not_wait_for_a_last_agent_who_is_not_there() -> None:
    known = item("i", preferred_agent_id="gone", prefer_until=NOW + 60)
    assert given_to(plan([known], [agent("free")], rules(), NOW)) == {"i": "free"}


def test_a_required_agent_gets_it_outside_of_queue_and_skills() -> None:
    waiting = item("i", required_agent_id="other", skills=(("english", 5),))
    assert given_to(plan([waiting], [agent("free", english=5), agent("other", queues="")], rules(), NOW)) == {
        "i": "other"
    }
    assert given_to(plan([waiting], [agent("free", english=5)], rules(), NOW)) == {}


def test_who_declined_is_passed_over() -> None:
    waiting = [item("1", excluded=frozenset({"a"})), item("2")]
    assert given_to(plan(waiting, [agent("a"), agent("b", load=4)], rules(), NOW)) == {"1": "b", "2": "a"}


def test_a_lowered_capacity_takes_nothing_and_gives_nothing() -> None:
    overdrawn = agent("a", load=7, capacity=3)
    assert plan([item("i")], [overdrawn], rules(), NOW) == []
    assert overdrawn.load == 7


def test_a_strategy_that_prefers_the_busiest_is_followed_across_queues() -> None:
    queues = rules(FullestFirst(), q=50, p=60)
    agents = [agent("a", capacity=3, queues="q p"), agent("b", capacity=3, queues="q p", load=1)]
    waiting = [item("1"), item("2", 1.0), item("3", queue_id="p"), item("4", 1.0, queue_id="p")]
    assert list(given_to(plan(waiting, agents, queues, NOW)).values()) == ["b", "b", "a", "a"]


SKILLS = ("english", "billing")
QUEUES = ("p", "q", "r")
AGENTS = ("a", "b", "c", "d")

levels = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 5))
agent_lists = st.lists(
    st.builds(
        OnlineAgent,
        id=st.sampled_from(AGENTS),
        queue_ids=st.frozensets(st.sampled_from(QUEUES)),
        skills=levels,
        load=st.integers(0, 8),
        capacity=st.integers(0, 8),
        last_assigned_at=st.floats(0, 100),
    ),
    max_size=4,
    unique_by=lambda a: a.id,
)
item_lists = st.lists(
    st.builds(
        WaitingItem,
        id=st.uuids().map(str),
        queue_id=st.sampled_from(QUEUES),
        waiting_since=st.floats(0, 100),
        priority=st.integers(1, 4),
        at_head=st.booleans(),
        weight=st.integers(1, 3),
        skills=levels.map(lambda asked: tuple(sorted(asked.items()))),
        required_agent_id=st.none() | st.sampled_from(AGENTS),
        preferred_agent_id=st.none() | st.sampled_from(AGENTS),
        prefer_until=st.sampled_from((0.0, NOW + 60)),
        excluded=st.frozensets(st.sampled_from(AGENTS), max_size=2),
    ),
    max_size=20,
    unique_by=lambda i: i.id,
)


def _any_rules_of(name: str) -> st.SearchStrategy[QueueRules]:
    chosen = st.sampled_from([LeastLoaded(), LongestIdle(), RoundRobin(), FullestFirst(), BySkillSurplus()])
    return st.builds(QueueRules, st.just(name), chosen, st.integers(1, 3), settles=st.just(False))


any_rules = st.fixed_dictionaries({name: _any_rules_of(name) for name in QUEUES})


def eligible(agent: OnlineAgent, item: WaitingItem) -> bool:
    """Told again, in the words of the design: online, skills, load + weight within capacity."""
    if item.required_agent_id is not None:
        return agent.id == item.required_agent_id
    return (
        item.queue_id in agent.queue_ids and agent.id not in item.excluded and agent.has_skills(item.skills)
    )


@settings(max_examples=400, deadline=None)
@given(item_lists, agent_lists, any_rules)
def test_nobody_is_above_capacity_and_nothing_waits_for_somebody_who_is_free(
    items: list[WaitingItem], agents: list[OnlineAgent], queues: dict[str, QueueRules]
) -> None:
    before = {a.id: a.load for a in agents}
    placed = plan(items, agents, queues, NOW)
    by_id = {a.id: a for a in agents}

    gained = dict.fromkeys(by_id, 0)
    for placement in placed:
        gained[placement.agent_id] += placement.weight
    for a in agents:
        assert a.load == before[a.id] + gained[a.id]
        assert gained[a.id] == 0 or a.load <= a.capacity

    assert len({p.item_id for p in placed}) == len(placed)
    known = {i.id: i for i in items}
    for placement in placed:
        assert eligible(by_id[placement.agent_id], known[placement.item_id])

    for left in items:
        if left.id in given_to(placed):
            continue
        preferred = by_id.get(left.preferred_agent_id or "")
        if (
            left.required_agent_id is None
            and preferred is not None
            and left.prefer_until > NOW
            and could_serve(preferred, left)
        ):
            assert preferred.room < left.weight  # it waits for its last agent, who is there and full
            continue
        assert not [a.id for a in agents if eligible(a, left) and a.load + left.weight <= a.capacity]


@settings(max_examples=300, deadline=None)
@given(item_lists, agent_lists, any_rules)
def test_the_heaps_choose_as_a_search_over_everybody_would(
    items: list[WaitingItem], agents: list[OnlineAgent], queues: dict[str, QueueRules]
) -> None:
    asking = {name: replace(r, strategy=_Asking(r.strategy)) for name, r in queues.items()}
    copies = [replace(a) for a in agents]
    assert plan(items, agents, queues, NOW) == plan(items, copies, asking, NOW)


class _Asking:
    """The same preference, asked of everybody for each item."""

    api_version = "1.0"
    name = "asking"
    depends_on_item = True

    def __init__(self, strategy: RoutingStrategy) -> None:
        self.preference = strategy.preference
