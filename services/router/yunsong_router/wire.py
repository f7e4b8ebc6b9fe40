"""Domain to contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from google.protobuf import timestamp_pb2

from yunsong.router.v1 import events_pb2, model_pb2, router_pb2
from yunsong_router.domain.hours import Hours
from yunsong_router.domain.model import (
    BUILT_IN_STRATEGIES,
    Agent,
    ItemState,
    Presence,
    PresenceReason,
    Queue,
    WorkItem,
)
from yunsong_router.domain.promises import Clock, Promise, Status

ITEM_STATES = {
    ItemState.WAITING: model_pb2.WORK_ITEM_STATE_WAITING,
    ItemState.OFFERED: model_pb2.WORK_ITEM_STATE_OFFERED,
    ItemState.ASSIGNING: model_pb2.WORK_ITEM_STATE_ASSIGNING,
    ItemState.ASSIGNED: model_pb2.WORK_ITEM_STATE_ASSIGNED,
    ItemState.OFF_HOURS: model_pb2.WORK_ITEM_STATE_OFF_HOURS,
    ItemState.DONE: model_pb2.WORK_ITEM_STATE_DONE,
}
PRESENCES = {
    Presence.OFFLINE: model_pb2.PRESENCE_STATE_OFFLINE,
    Presence.ONLINE: model_pb2.PRESENCE_STATE_ONLINE,
    Presence.AWAY: model_pb2.PRESENCE_STATE_AWAY,
    Presence.BUSY: model_pb2.PRESENCE_STATE_BUSY,
}
STRATEGIES = {
    "least_loaded": model_pb2.STRATEGY_LEAST_LOADED,
    "longest_idle": model_pb2.STRATEGY_LONGEST_IDLE,
    "round_robin": model_pb2.STRATEGY_ROUND_ROBIN,
}
_SLA_STATUS = {
    Status.RUNNING: events_pb2.SLA_STATUS_RUNNING,
    Status.WARNING: events_pb2.SLA_STATUS_WARNING,
    Status.BREACHED: events_pb2.SLA_STATUS_BREACHED,
    Status.MET: events_pb2.SLA_STATUS_MET,
    Status.STOPPED: events_pb2.SLA_STATUS_STOPPED,
}
_SLA_KIND = {
    Promise.FIRST: events_pb2.SLA_KIND_FIRST_RESPONSE,
    Promise.NEXT: events_pb2.SLA_KIND_NEXT_RESPONSE,
}


def timestamp(moment: dt.datetime | None) -> timestamp_pb2.Timestamp | None:
    """A moment in the contract's form; unset for none."""
    if moment is None:
        return None
    result = timestamp_pb2.Timestamp()
    result.FromDatetime(moment)
    return result


def agent(source: Agent) -> model_pb2.Agent:
    """An agent."""
    return model_pb2.Agent(
        id=source.id,
        name=source.name,
        presence=PRESENCES[source.presence],
        presence_reason=source.presence_reason,
        connected=source.connected,
        capacity=source.capacity,
        load=source.load,
        skills=source.skills,
        queue_ids=source.queue_ids,
        presence_since=timestamp(source.presence_since),
        last_assigned_at=timestamp(source.last_assigned_at),
        feed_rev=source.feed_rev,
        active_count=source.active_count,
        enabled=source.enabled,
    )


def work_item(source: WorkItem, required: dict[str, int] | None = None) -> model_pb2.WorkItem:
    """A work item; `required` is what is required of agents now, what was asked for when it is left out."""
    return model_pb2.WorkItem(
        id=source.id,
        conversation_id=source.conversation_id,
        queue_id=source.queue_id or "",
        state=ITEM_STATES[source.state],
        epoch=source.epoch,
        priority=source.priority,
        weight=source.weight,
        agent_id=source.agent_id or "",
        waiting_since=timestamp(source.waiting_since),
        offer_expires_at=timestamp(source.offer_expires_at),
        required_skills=source.skills if required is None else required,
        contact_name=source.contact_name,
        channel=source.channel,
    )


def queue(source: Queue, now: dt.datetime) -> model_pb2.Queue:
    """A queue as it is now."""
    built_in = source.strategy in BUILT_IN_STRATEGIES
    result = model_pb2.Queue(
        id=source.id,
        name=source.name,
        priority=source.priority,
        strategy=STRATEGIES[source.strategy] if built_in else model_pb2.STRATEGY_PLUGIN,
        strategy_name="" if built_in else source.strategy,
        requires_accept=source.requires_accept,
        offer_timeout_s=source.offer_timeout_s,
        max_wait_s=source.max_wait_s,
        overflow_queue_id=source.overflow_queue_id or "",
        last_agent_s=source.last_agent_s,
        time_zone=source.schedule.time_zone,
        sla=model_pb2.Sla(
            first_response_s=source.sla.first_response_s,
            next_response_s=source.sla.next_response_s,
            warn_before_s=source.sla.warn_before_s,
        ),
        required_skills=source.required_skills,
        open=source.open,
        next_open_at=None if source.open else timestamp(source.schedule.next_open(now)),
        member_ids=source.member_ids,
        created_at=timestamp(source.created_at),
    )
    for weekday, hours in source.schedule.weekly:
        entry = result.hours.add(weekday=weekday)
        _set_hours(entry, hours)
    names = source.schedule.holiday_names
    for index, (day, special) in enumerate(source.schedule.holidays):
        holiday = result.holidays.add(date=day.isoformat(), name=names[index] if index < len(names) else "")
        if special is not None:
            _set_hours(holiday, special)
    for step in source.relaxation:
        result.relaxation.add(
            after_s=step.after_s, lower_levels_by=step.lower_levels_by, drop_skills=step.drop_skills
        )
    return result


def sla_state(clock: Clock) -> events_pb2.SlaState:
    """How a promise stands."""
    return events_pb2.SlaState(
        kind=_SLA_KIND[clock.promise], status=_SLA_STATUS[clock.status], due_at=timestamp(clock.due_at)
    )


def presence_reasons(source: Iterable[PresenceReason]) -> router_pb2.PresenceReasons:
    """The reasons in their order."""
    return router_pb2.PresenceReasons(
        reasons=[
            router_pb2.PresenceReason(name=reason.name, state=PRESENCES[reason.state]) for reason in source
        ]
    )


def _set_hours(entry: model_pb2.OpeningHours | model_pb2.Holiday, hours: Hours) -> None:
    # `from` is a keyword in Python.
    setattr(entry, "from", f"{hours.start // 60:02}:{hours.start % 60:02}")
    entry.to = f"{hours.end // 60:02}:{hours.end % 60:02}"
