"""Which events go out, and their CloudEvents 1.0 form."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import orjson
from google.protobuf.message import Message

from yunsong_common.errors import InvalidArgument, Violation
from yunsong_gateway.realtime.events import ENCODERS, EVENT_TYPES

# Of the router only what people configure or promise: its work items are the business of agents.
_PACKAGES = ("yunsong.conversation.v1.", "yunsong.qa.v1.", "yunsong.channel.v1.", "yunsong.gateway.v1.")
_FURTHER = (
    "yunsong.router.v1.queue_changed",
    "yunsong.router.v1.agent_changed",
    "yunsong.router.v1.sla_changed",
)

TYPES: dict[str, type[Message]] = {
    name: message
    for name, message in sorted(EVENT_TYPES.items())
    if name.startswith(_PACKAGES) or name in _FURTHER
}


def check_types(names: Iterable[str]) -> None:
    """Raises InvalidArgument / EVENT_TYPE_UNKNOWN."""
    unknown = [name for name in names if name not in TYPES]
    if unknown:
        raise InvalidArgument(
            reason="EVENT_TYPE_UNKNOWN",
            message=f"There is no event {unknown[0]!r}; events are {', '.join(TYPES)}.",
            violations=[
                Violation(
                    field="webhook.event_types", reason="EVENT_TYPE_UNKNOWN", description=f"{name} is unknown"
                )
                for name in unknown
            ],
        )


def type_of(subject: str) -> str:
    return subject.rpartition(".")[0]


def cloud_event(event_id: str, subject: str, occurred_at: dt.datetime, event: Message) -> bytes:
    """The structured JSON form (CloudEvents 1.0, JSON format)."""
    name, _, entity_id = subject.rpartition(".")
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/yunsong/{name.split('.')[1]}",
            "type": name,
            "subject": entity_id,
            "time": occurred_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": ENCODERS.encode(event),
        }
    )
