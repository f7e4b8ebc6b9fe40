"""Queues, agents and work items as the router keeps them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum

from yunsong_router.domain.hours import Schedule
from yunsong_router.domain.promises import Sla
from yunsong_router.domain.skills import RelaxationStep


class ItemState(Enum):
    """Where a work item stands."""

    WAITING = "waiting"
    OFFERED = "offered"
    ASSIGNING = "assigning"
    ASSIGNED = "assigned"
    OFF_HOURS = "off_hours"
    DONE = "done"


HOLDING = (ItemState.OFFERED, ItemState.ASSIGNING, ItemState.ASSIGNED)


class Presence(Enum):
    """What an agent says of being there."""

    OFFLINE = "offline"
    ONLINE = "online"
    AWAY = "away"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class PresenceReason:
    """Why an agent is away or busy, such as "lunch"."""

    name: str
    state: Presence


BUILT_IN_STRATEGIES = ("least_loaded", "longest_idle", "round_robin")


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue."""

    id: str
    name: str
    version: int = 1
    priority: int = 50
    strategy: str = "least_loaded"
    requires_accept: bool = False
    offer_timeout_s: int = 20
    max_wait_s: int = 0
    overflow_queue_id: str | None = None
    last_agent_s: int = 0
    schedule: Schedule = field(default_factory=lambda: Schedule("Asia/Shanghai"))
    relaxation: tuple[RelaxationStep, ...] = ()
    sla: Sla = field(default_factory=Sla)
    required_skills: dict[str, int] = field(default_factory=dict)
    open: bool = True
    group_id: str = ""
    last_served_agent_id: str = ""
    member_ids: tuple[str, ...] = ()
    created_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as the router knows it."""

    id: str
    name: str
    capacity: int
    skills: dict[str, int]
    enabled: bool
    presence: Presence
    presence_reason: str
    presence_since: dt.datetime
    connected: bool
    last_assigned_at: dt.datetime | None
    feed_rev: int
    load: int = 0
    active_count: int = 0
    queue_ids: tuple[str, ...] = ()

    @property
    def takes_work(self) -> bool:
        """Online, with a live lease, and allowed to."""
        return self.enabled and self.connected and self.presence is Presence.ONLINE


@dataclass(slots=True)
class WorkItem:
    """The router's record of one conversation that needs an agent."""

    id: str
    conversation_id: str
    queue_id: str | None
    state: ItemState
    epoch: int
    conversation_rev: int
    priority: int
    weight: int
    channel: str
    contact_id: str
    contact_name: str
    skills: dict[str, int]  # what the handoff asked for
    waiting_since: dt.datetime
    entered_at: dt.datetime  # into the queue it is in; overflow keeps `waiting_since` and sets this
    at_head: bool = False
    agent_id: str | None = None  # offered to, being assigned to, or held by
    next_agent_id: str | None = (
        None  # for whom load is reserved while somebody else still holds it: a take-over
    )
    assignment_id: str | None = None
    required_agent_id: str | None = None
    preferred_agent_id: str | None = None
    prefer_until: dt.datetime | None = None
    offer_expires_at: dt.datetime | None = None
    assigned_at: dt.datetime | None = None
    due_at: dt.datetime | None = (
        None  # when a rule of waiting needs a look: relaxation, overflow, preference, requirement
    )
    moving: bool = False  # a move was asked of the conversation; the plan leaves it alone
    transferred_by: str | None = None
