"""Inspection rules: what quality assurance looks for in a conversation. Group `yunsong.inspection_rules.v1`."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable


class Severity(enum.Enum):
    """How bad a hit is."""

    INFO = "info"
    WARNING = "warning"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class InspectedMessage:
    """One message as a rule sees it."""

    id: str
    rev: int
    author: Literal["contact", "agent", "bot", "system", "api"]
    author_id: str
    internal: bool  # a note
    kind: str
    text: str
    sent_at: dt.datetime


@dataclass(frozen=True, slots=True)
class InspectedConversation:
    """A conversation, whole on closing, or up to its newest message while it is live."""

    id: str
    channel: str
    queue_id: str
    agent_ids: Sequence[str]
    messages: Sequence[InspectedMessage]  # by rev
    opened_at: dt.datetime
    closed_at: dt.datetime | None
    csat: int | None  # 1 to 5
    # Figures the product has computed, in seconds where they are times: "frt_s", "wait_s", "aht_s", …
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something the rule found."""

    message_id: str  # empty when it is about the whole conversation
    reason: str  # stable, lower_snake
    details: Mapping[str, Any] = field(default_factory=dict)  # such as {"phrase": "…", "start": 3, "end": 7}
    severity: Severity = Severity.WARNING


@runtime_checkable
class InspectionRule(Protocol):
    """One kind of rule; scorecards configure instances of it. Pure. A whole conversation has two seconds."""

    api_version: str
    kind: str  # lower_snake, such as "phrase"
    live: bool  # also called for each new message, for alerts

    def check(self, settings: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """What is wrong with an instance's settings, as (field, sentence); empty when it can work."""

    def inspect(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """Finds hits in the whole conversation."""

    def inspect_message(self, message: InspectedMessage, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """Finds hits in one new message; only called when `live`."""
