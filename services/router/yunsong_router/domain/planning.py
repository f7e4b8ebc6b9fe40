"""Who gets which waiting item: the plan of one routing group."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from yunsong_plugin_api import AgentView, RoutingStrategy, WorkItemView

# Skill name and least level, sorted by name, so that equal requirements are equal keys.
Requirements = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """A conversation that waits, as the plan sees it. Times in seconds since the epoch."""

    id: str
    queue_id: str
    waiting_since: float
    priority: int = 3  # 1 urgent to 4 low
    at_head: bool = False  # came back from a lost agent: before everything else in its queue
    weight: int = 1
    skills: Requirements = ()  # required now, after relaxation
    required_agent_id: str | None = None  # nobody else may have it
    preferred_agent_id: str | None = None
    prefer_until: float = 0.0  # waits for the preferred agent, who is there but full, at most until then
    excluded: frozenset[str] = frozenset()  # agents who declined it just now
    channel: str = ""

    @property
    def order(self) -> tuple[bool, int, float, str]:
        """Its place among the items of queues of one priority: the smallest goes first."""
        return (not self.at_head, self.priority, self.waiting_since, self.id)


@dataclass(slots=True)
class OnlineAgent:
    """An agent who takes work: online, with a live lease. `load` grows while the plan is made."""

    id: str
    queue_ids: frozenset[str]
    skills: Mapping[str, int]
    load: int
    capacity: int
    last_assigned_at: float = 0.0

    @property
    def room(self) -> int:
        """What the agent could still hold; never negative, though a lowered capacity may be overdrawn."""
        return max(0, self.capacity - self.load)

    def has_skills(self, required: Requirements) -> bool:
        """Has every required skill at its level or above."""
        return all(self.skills.get(name, 0) >= level for name, level in required)


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What the plan needs to know of a queue."""

    id: str
    strategy: RoutingStrategy
    priority: int = 50  # where queues share agents, the smallest goes first
    last_served_agent_id: str = ""
    # The strategy's preference never gets better by more work: then a heap needs no second look at who was served.
    settles: bool = True


@dataclass(frozen=True, slots=True)
class Placement:
    """The plan's answer for one item."""

    item_id: str
    queue_id: str
    agent_id: str
    weight: int


_Entry = tuple[tuple[float, ...], str, OnlineAgent]


@dataclass(slots=True)
class _Pool:
    """The members of one queue in its fixed order, and the heaps over them by requirement and weight."""

    rules: QueueRules
    members: list[OnlineAgent]
    turns: dict[str, int]
    heaps: dict[tuple[Requirements, int], list[_Entry]] = field(default_factory=dict)

    def key(self, agent: OnlineAgent, item: WorkItemView) -> tuple[float, ...]:
        view = AgentView(
            id=agent.id,
            load=agent.load,
            capacity=agent.capacity,
            idle_since=agent.last_assigned_at,
            last_assigned_at=agent.last_assigned_at,
            skills=agent.skills,
            turn=self.turns[agent.id],
        )
        return self.rules.strategy.preference(view, item)

    def served(self, agent: OnlineAgent, item: WorkItemView) -> None:
        """An agent got work from this or another queue."""
        if agent.id in self.turns:
            for heap in self.heaps.values():
                heapq.heappush(heap, (self.key(agent, item), agent.id, agent))


@dataclass(slots=True)
class Planner:
    """Places items one by one, in the order they are given; agents fill up as it goes.

    Agents are kept in one heap per queue, requirement and weight, ordered by the queue's strategy. A preference is looked at again only
    at the top of its heap, so an item costs O(log agents), not O(agents). Within a plan nobody gets room back: an agent who is too
    full for a heap's weight leaves it for good.
    """

    agents: dict[str, OnlineAgent]
    queues: Mapping[str, QueueRules]
    now: float
    room: int = 0
    placements: list[Placement] = field(default_factory=list)
    _pools: dict[str, _Pool] = field(default_factory=dict)

    @classmethod
    def over(cls, agents: Iterable[OnlineAgent], queues: Mapping[str, QueueRules], now: float) -> Planner:
        """A planner over these agents, whose `load` it will raise, and queues. `now` in seconds since the epoch."""
        by_id = {agent.id: agent for agent in agents}
        return cls(by_id, queues, now, room=sum(agent.room for agent in by_id.values()))

    def serves(self, queue_id: str) -> bool:
        """Whether some member of the queue has any room left."""
        return self.room > 0 and any(agent.room > 0 for agent in self._pool(queue_id).members)

    def place(self, item: WaitingItem) -> str | None:
        """Gives the item to an agent, whose id is returned, or leaves it waiting."""
        agent = self._choose(item)
        if agent is None:
            return None
        agent.load += item.weight
        self.room -= item.weight
        # Those who get work in the same plan stay in the order in which they got it.
        agent.last_assigned_at = self.now + len(self.placements) * 1e-6
        pool = self._pool(item.queue_id)
        if agent.id in pool.turns:
            pool.turns[agent.id] += len(pool.members)
        for other in self._pools.values():
            if not other.rules.settles:
                other.served(agent, _view(item))
        self.placements.append(Placement(item.id, item.queue_id, agent.id, item.weight))
        return agent.id

    def _choose(self, item: WaitingItem) -> OnlineAgent | None:
        if item.required_agent_id is not None:
            agent = self.agents.get(item.required_agent_id)
            return agent if agent is not None and agent.room >= item.weight else None
        if item.preferred_agent_id is not None:
            agent = self.agents.get(item.preferred_agent_id)
            if agent is not None and could_serve(agent, item):
                if agent.room >= item.weight:
                    return agent
                if self.now < item.prefer_until:
                    return None
        pool = self._pool(item.queue_id)
        if pool.rules.strategy.depends_on_item:
            return self._best_for(item, pool)
        return self._top(item, pool)

    def _best_for(self, item: WaitingItem, pool: _Pool) -> OnlineAgent | None:
        view = _view(item)
        eligible = (a for a in pool.members if a.room >= item.weight and could_serve(a, item))
        return min(eligible, key=lambda agent: (pool.key(agent, view), agent.id), default=None)

    def _top(self, item: WaitingItem, pool: _Pool) -> OnlineAgent | None:
        heap = self._heap(pool, item)
        view = _view(item)
        passed_over: list[_Entry] = []
        chosen = None
        while heap:
            key, agent_id, agent = heap[0]
            if agent.room < item.weight:
                heapq.heappop(heap)
                continue
            current = pool.key(agent, view)
            if current != key:
                heapq.heapreplace(heap, (current, agent_id, agent))
                continue
            if agent_id in item.excluded:
                passed_over.append(heapq.heappop(heap))
                continue
            chosen = agent
            break
        for entry in passed_over:
            heapq.heappush(heap, entry)
        return chosen

    def _heap(self, pool: _Pool, item: WaitingItem) -> list[_Entry]:
        heap = pool.heaps.get((item.skills, item.weight))
        if heap is None:
            view = _view(item)
            heap = [
                (pool.key(agent, view), agent.id, agent)
                for agent in pool.members
                if agent.room >= item.weight and agent.has_skills(item.skills)
            ]
            heapq.heapify(heap)
            pool.heaps[item.skills, item.weight] = heap
        return heap

    def _pool(self, queue_id: str) -> _Pool:
        pool = self._pools.get(queue_id)
        if pool is None:
            rules = self.queues[queue_id]
            last = rules.last_served_agent_id
            members = [agent for agent in self.agents.values() if queue_id in agent.queue_ids]
            members.sort(key=lambda agent: (agent.id <= last, agent.id))
            turns = {agent.id: place for place, agent in enumerate(members)}
            pool = self._pools[queue_id] = _Pool(rules, members, turns)
        return pool


def could_serve(agent: OnlineAgent, item: WaitingItem) -> bool:
    """Eligible but for the room: a member of the queue, with the skills, who did not just decline."""
    return (
        item.queue_id in agent.queue_ids
        and agent.id not in item.excluded
        and item.weight <= agent.capacity
        and agent.has_skills(item.skills)
    )


def plan(
    items: Iterable[WaitingItem], agents: Iterable[OnlineAgent], queues: Mapping[str, QueueRules], now: float
) -> list[Placement]:
    """Assigns waiting items to agents, whose `load` is raised.

    Order: what one agent alone may have, the queue's priority, items at the head, urgency, the longest wait. An item is left out
    only when nobody who is eligible has room after the items ahead of it were served, or while it waits for its preferred agent.
    Nobody ends above capacity who was not above it before.
    """
    planner = Planner.over(agents, queues, now)
    for item in sorted(
        items, key=lambda i: (i.required_agent_id is None, queues[i.queue_id].priority, i.order)
    ):
        if planner.room <= 0:
            break
        planner.place(item)
    return planner.placements


def _view(item: WaitingItem) -> WorkItemView:
    return WorkItemView(
        id=item.id,
        queue_id=item.queue_id,
        channel=item.channel,
        priority=item.priority,
        waiting_since=item.waiting_since,
        weight=item.weight,
        skills=dict(item.skills),
    )
