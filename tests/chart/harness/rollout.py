"""The next step of a Deployment's update, as its controller decides it: a pure function."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Replica:
    """One pod that is not being ended. `available` is ready for long enough."""

    name: str
    current: bool
    available: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How a Deployment wants to be updated, in pods."""

    replicas: int
    surge: int = 0
    unavailable: int = 0
    recreate: bool = False

    @classmethod
    def of(cls, spec: Mapping[str, Any], replicas: int) -> Plan:
        """Of a Deployment's spec; percentages of surge round up, of unavailability down."""
        strategy = spec.get("strategy") or {}
        if strategy.get("type") == "Recreate":
            return cls(replicas, recreate=True)
        rolling = strategy.get("rollingUpdate") or {}
        surge = _pods(rolling.get("maxSurge", "25%"), replicas, math.ceil)
        unavailable = _pods(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
        # Both at none would never move.
        return cls(replicas, surge, unavailable if surge or unavailable else 1)


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now."""

    create: int = 0
    delete: tuple[str, ...] = ()


def _pods(amount: int | str, replicas: int, rounding: Any) -> int:
    if isinstance(amount, int):
        return amount
    return int(rounding(replicas * int(amount.removesuffix("%")) / 100))


def step(plan: Plan, replicas: Sequence[Replica], *, ending: int = 0) -> Step:
    """How many pods of the current template to create, and which to end. `ending` pods are on their way out."""
    current = [each for each in replicas if each.current]
    old = [each for each in replicas if not each.current]
    if plan.recreate and (old or ending):
        return Step(delete=tuple(each.name for each in old))
    limit = plan.replicas if not old else plan.replicas + plan.surge
    create = max(0, min(plan.replicas - len(current), limit - len(replicas)))
    if len(current) > plan.replicas:
        spare = sorted(current, key=lambda each: each.available)[: len(current) - plan.replicas]
        return Step(create, tuple(each.name for each in spare))
    # The unavailable ones go first: they serve nobody.
    least = plan.replicas - plan.unavailable
    broken = sum(not each.available for each in current)
    may_go = max(0, len(replicas) - least - broken)
    idle = [each for each in old if not each.available][:may_go]
    serving = sum(each.available for each in replicas)
    working = [each for each in old if each.available]
    return Step(create, tuple(each.name for each in (*idle, *working[: max(0, serving - least)])))
