"""Routing strategies: which of the eligible agents gets a work item. Group `yunsong.routing_strategies.v1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class AgentView:
    """An eligible agent at this moment of the plan."""

    id: str
    load: int
    capacity: int
    idle_since: float  # seconds since the epoch
    last_assigned_at: float  # seconds since the epoch, 0 for never
    skills: Mapping[str, int] = field(default_factory=dict)  # level 1 to 5
    # The place in the queue's fixed order, counted from the agent after the last one served; goes back by a round when served.
    turn: int = 0


@dataclass(frozen=True, slots=True)
class WorkItemView:
    """The work item that is to be given out."""

    id: str
    queue_id: str
    channel: str
    priority: int
    waiting_since: float  # seconds since the epoch
    weight: int
    skills: Mapping[str, int] = field(default_factory=dict)  # the level required just now


# Compared element by element; the smallest is preferred. The planner breaks ties by agent id.
Preference = tuple[float, ...]


@runtime_checkable
class RoutingStrategy(Protocol):
    """An order of preference. Pure: the same arguments always give the same result. A whole plan has one second."""

    api_version: str
    name: str  # lower_snake, chosen in a queue's settings
    # False when the preference does not depend on the item: the planner then keeps agents in a heap instead of asking for each item.
    depends_on_item: bool

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        """How well the agent suits; every eligible agent of an item is asked."""
