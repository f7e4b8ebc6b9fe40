"""How far the estimated wait is from the wait that comes: a contact centre simulated event by event.

Contacts arrive at random, are held for random times, and are planned with the router's own `plan`; each newcomer who has to
wait is told what the formula says, computed from what the router knows at that moment: who is online, who is free, how long
the last conversations took. Then the real wait is compared. Figures, over all scenarios of `SCENARIOS` and for each:

- `wait_error_median`: median of |told - waited| / max(waited, 30 s); half of the contacts are told something closer;
- `wait_error_p90`: the same at the 90th percentile;
- `wait_bias`: mean of (told - waited) / mean of waited: above 0, people wait less than they were told.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import statistics
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from yunsong_router.domain.planning import OnlineAgent, QueueRules, WaitingItem, plan
from yunsong_router.domain.strategies import LeastLoaded
from yunsong_router.domain.waiting import SAMPLES, QueueLoad, line_of

_WARM_UP_S = 2 * 3600.0
_SHORT_S = 30.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What comes into one queue. Handling times are lognormal."""

    priority: int
    arrivals_per_hour: float
    handling_mean_s: float
    handling_sigma: float = 0.8


@dataclass(frozen=True, slots=True)
class Scenario:
    """Queues, and groups of agents: how many, what each holds at once, which queues they serve."""

    queues: tuple[Demand, ...]
    staff: tuple[tuple[int, int, tuple[int, ...]], ...]
    hours: float = 10.0
    # Arrivals are this much stronger in the middle third of the day.
    rush: float = 1.0


SCENARIOS = {
    "one_queue": Scenario((Demand(50, 235, 600),), ((10, 4, (0,)),)),
    "rush_hour": Scenario((Demand(50, 170, 600),), ((10, 4, (0,)),), rush=1.6),
    "one_at_a_time": Scenario((Demand(50, 95, 360),), ((10, 1, (0,)),)),
    "shared_agents": Scenario(
        (Demand(50, 110, 600), Demand(50, 120, 600)),
        ((6, 4, (0,)), (4, 4, (0, 1)), (3, 4, (1,))),
        rush=1.3,
    ),
    "priority": Scenario((Demand(10, 60, 600), Demand(50, 170, 600)), ((10, 4, (0, 1)),)),
    "unequal_handling": Scenario((Demand(50, 120, 300), Demand(50, 110, 900)), ((10, 4, (0, 1)),)),
}


@dataclass(slots=True)
class Contact:
    """One who waits, and what they were told."""

    queue: int
    arrived_at: float
    told_s: int | None = None


@dataclass(slots=True)
class Centre:
    """The state of one simulated centre."""

    scenario: Scenario
    dice: random.Random
    agents: list[OnlineAgent] = field(default_factory=list)
    waiting: dict[str, Contact] = field(default_factory=dict)
    ends: list[tuple[float, str, int, float]] = field(default_factory=list)
    handled: list[deque[float]] = field(default_factory=list)
    results: list[tuple[float, float]] = field(default_factory=list)  # told, waited

    def __post_init__(self) -> None:
        names = itertools.count()
        for count, capacity, served in self.scenario.staff:
            queues = frozenset(str(queue) for queue in served)
            self.agents += [OnlineAgent(f"a{next(names):03}", queues, {}, 0, capacity) for _ in range(count)]
        self.handled = [deque(maxlen=SAMPLES) for _ in self.scenario.queues]

    def run(self) -> None:
        """Plays the day."""
        arrivals = heapq.merge(*(self._arrivals(index) for index in range(len(self.scenario.queues))))
        for number, (at, queue) in enumerate(arrivals):
            self._until(at)
            contact = Contact(queue, at)
            # Told at the moment of arrival, before anybody is planned.
            contact.told_s = self._told(queue)
            self.waiting[f"c{number:06}"] = contact
            self._plan(at)
        self._until(float("inf"))

    def _arrivals(self, queue: int) -> Iterator[tuple[float, int]]:
        load = self.scenario.queues[queue]
        end, at = self.scenario.hours * 3600, 0.0
        while True:
            rate = load.arrivals_per_hour / 3600
            if end / 3 < at < 2 * end / 3:
                rate *= self.scenario.rush
            at += self.dice.expovariate(rate)
            if at > end:
                return
            yield at, queue

    def _until(self, at: float) -> None:
        while self.ends and self.ends[0][0] <= at:
            now, agent_id, queue, held_s = heapq.heappop(self.ends)
            next(agent for agent in self.agents if agent.id == agent_id).load -= 1
            self.handled[queue].append(held_s)
            self._plan(now)

    def _plan(self, now: float) -> None:
        rules = {
            str(index): QueueRules(str(index), LeastLoaded(), load.priority)
            for index, load in enumerate(self.scenario.queues)
        }
        items = [
            WaitingItem(name, str(contact.queue), contact.arrived_at)
            for name, contact in self.waiting.items()
        ]
        for placement in plan(items, self.agents, rules, now):
            contact = self.waiting.pop(placement.item_id)
            load = self.scenario.queues[contact.queue]
            mu = load.handling_mean_s
            held_s = (
                self.dice.lognormvariate(0, load.handling_sigma) * mu / _lognormal_mean(load.handling_sigma)
            )
            heapq.heappush(self.ends, (now + held_s, placement.agent_id, contact.queue, held_s))
            waited_s = now - contact.arrived_at
            if contact.told_s is not None and waited_s > 0 and contact.arrived_at > _WARM_UP_S:
                self.results.append((contact.told_s, waited_s))

    def _told(self, queue: int) -> int | None:
        """As the router computes it, from the same numbers."""
        loads = [self._load(index) for index in range(len(self.scenario.queues))]
        shared = {
            (one.id, other.id): sum(a.capacity for a in self.agents if {one.id, other.id} <= a.queue_ids)
            for one in loads
            for other in loads
        }
        line = line_of(loads[queue], loads, shared)
        return line.estimate_s(loads[queue].waiting + 1)

    def _load(self, queue: int) -> QueueLoad:
        members = [agent for agent in self.agents if str(queue) in agent.queue_ids]
        held = self.handled[queue]
        return QueueLoad(
            id=str(queue),
            priority=self.scenario.queues[queue].priority,
            waiting=sum(contact.queue == queue for contact in self.waiting.values()),
            active=sum(one == queue for _, _, one, _ in self.ends),
            slots=sum(agent.capacity for agent in members),
            free_slots=sum(agent.room for agent in members),
            handling_s=statistics.fmean(held) if held else 0.0,
            samples=len(held),
        )


def _lognormal_mean(sigma: float) -> float:
    return float(2.718281828459045 ** (sigma**2 / 2))


def figures_of(results: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Median and 90th percentile of the relative error, and the bias."""
    errors = sorted(abs(told - waited) / max(waited, _SHORT_S) for told, waited in results)
    bias = sum(told - waited for told, waited in results) / sum(waited for _, waited in results)
    return statistics.median(errors), errors[int(len(errors) * 0.9)], bias


def simulate(days: int = 4, seed: int = 1) -> dict[str, list[tuple[float, float]]]:
    """Every scenario so many times; told and waited seconds of everybody who waited and was told something."""
    dice = random.Random(seed)
    results: dict[str, list[tuple[float, float]]] = {}
    for name, scenario in SCENARIOS.items():
        results[name] = []
        for _ in range(days):
            centre = Centre(scenario, dice)
            centre.run()
            results[name] += centre.results
    return results


async def run() -> dict[str, float]:
    """Takes some seconds; plays on a thread."""
    results = await asyncio.to_thread(simulate)
    figures: dict[str, float] = {}
    for name, told in {"": [pair for pairs in results.values() for pair in pairs], **results}.items():
        suffix = f"_{name}" if name else ""
        median, p90, bias = figures_of(told)
        figures |= {
            f"wait_error_median{suffix}": median,
            f"wait_error_p90{suffix}": p90,
            f"wait_bias{suffix}": bias,
        }
    return figures


if __name__ == "__main__":
    for figure, value in asyncio.run(run()).items():
        print(f"{figure:<40} {value:8.3f}")
