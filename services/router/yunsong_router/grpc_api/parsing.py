"""Contract to domain."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Iterable

from yunsong.router.v1 import model_pb2, router_pb2
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_router.domain.hours import Hours, Schedule
from yunsong_router.domain.model import Presence, PresenceReason, Queue
from yunsong_router.domain.promises import Sla
from yunsong_router.domain.skills import RelaxationStep

DEFAULT_PAGE = 50
_STRATEGIES = {
    model_pb2.STRATEGY_UNSPECIFIED: "least_loaded",
    model_pb2.STRATEGY_LEAST_LOADED: "least_loaded",
    model_pb2.STRATEGY_LONGEST_IDLE: "longest_idle",
    model_pb2.STRATEGY_ROUND_ROBIN: "round_robin",
}
_PRESENCES = {
    model_pb2.PRESENCE_STATE_OFFLINE: Presence.OFFLINE,
    model_pb2.PRESENCE_STATE_ONLINE: Presence.ONLINE,
    model_pb2.PRESENCE_STATE_AWAY: Presence.AWAY,
    model_pb2.PRESENCE_STATE_BUSY: Presence.BUSY,
}


def queue(source: model_pb2.Queue, queue_id: str = "") -> Queue:
    """A queue as a caller describes it, with defaults for what is unset."""
    return Queue(
        id=queue_id,
        name=source.name.strip(),
        priority=source.priority or 50,
        strategy=_STRATEGIES.get(source.strategy, source.strategy_name),
        requires_accept=source.requires_accept,
        offer_timeout_s=source.offer_timeout_s or 20,
        max_wait_s=source.max_wait_s,
        overflow_queue_id=source.overflow_queue_id or None,
        last_agent_s=source.last_agent_s,
        schedule=_schedule(source),
        relaxation=tuple(
            sorted(
                (RelaxationStep(s.after_s, s.lower_levels_by, s.drop_skills) for s in source.relaxation),
                key=lambda step: step.after_s,
            )
        ),
        sla=Sla(source.sla.first_response_s, source.sla.next_response_s, source.sla.warn_before_s),
        required_skills=dict(source.required_skills),
    )


def presence(state: model_pb2.PresenceState.ValueType) -> Presence:
    """What an agent says."""
    return _PRESENCES[state]


def presence_reasons(source: Iterable[router_pb2.PresenceReason]) -> list[PresenceReason]:
    """Reasons in their order. Raises INVALID_ARGUMENT with every wrong one: REASON_TWICE when that is all that is wrong."""
    found: list[PresenceReason] = []
    seen: set[tuple[str, Presence]] = set()
    wrong: list[Violation] = []
    for index, entry in enumerate(source):
        reason = PresenceReason(entry.name.strip(), _PRESENCES[entry.state])
        if not reason.name:
            wrong.append(Violation(f"reasons[{index}].name", "must say something", "REQUIRED"))
        if reason.state not in (Presence.AWAY, Presence.BUSY):
            wrong.append(Violation(f"reasons[{index}].state", "must be AWAY or BUSY", "UNKNOWN_VALUE"))
        if (key := (reason.name.casefold(), reason.state)) in seen:
            wrong.append(Violation(f"reasons[{index}].name", "comes twice for its state", "REASON_TWICE"))
        seen.add(key)
        found.append(reason)
    if wrong:
        twice = all(violation.reason == "REASON_TWICE" for violation in wrong)
        raise InvalidArgument(
            reason="REASON_TWICE" if twice else "INVALID_REQUEST",
            message="; ".join(f"{violation.field} {violation.description}" for violation in wrong[:3]),
            violations=wrong,
        )
    return found


def page_token(*key: str) -> str:
    """A token that continues after `key`."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def page_key(token: str, length: int) -> tuple[str, ...] | None:
    """The key in a token; None for the first page. Raises INVALID_ARGUMENT / PAGE_TOKEN_INVALID."""
    if not token:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(token))
        if isinstance(key, list) and len(key) == length and all(isinstance(part, str) for part in key):
            return tuple(key)
    except (ValueError, binascii.Error):
        pass
    raise InvalidArgument(
        reason="PAGE_TOKEN_INVALID",
        message="page_token is not one that this list gave",
        violations=[Violation("page_token", "use the last answer's next_page_token", "PAGE_TOKEN_INVALID")],
    )


def _schedule(source: model_pb2.Queue) -> Schedule:
    half = [
        Violation(f"queue.holidays[{index}]", "needs both `from` and `to`, or neither", "INCOMPLETE")
        for index, entry in enumerate(source.holidays)
        if bool(getattr(entry, "from")) != bool(entry.to)
    ]
    if half:
        raise InvalidArgument(
            reason="HOLIDAY_INCOMPLETE",
            message="a holiday has both ends of its hours, or neither",
            violations=half,
        )
    weekly = tuple((entry.weekday, _hours(entry)) for entry in source.hours)
    holidays = tuple(
        (dt.date.fromisoformat(entry.date), _hours(entry) if entry.to else None) for entry in source.holidays
    )
    return Schedule(
        source.time_zone or "Asia/Shanghai", weekly, holidays, tuple(entry.name for entry in source.holidays)
    )


def _hours(entry: model_pb2.OpeningHours | model_pb2.Holiday) -> Hours:
    # `from` is a keyword in Python.
    return Hours(_minutes(getattr(entry, "from")), _minutes(entry.to))


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
