"""What inspecting and watching leave behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from yunsong_qa.domain.rules import RuleHit
from yunsong_qa.domain.scoring import ItemScore, ScoredHit


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One conversation measured by one scorecard."""

    id: str
    conversation_id: str
    scorecard_id: str
    scorecard_name: str
    scorecard_version: int
    agent_id: str | None
    queue_id: str | None
    score: int
    passed: bool
    fatal: bool
    items: Sequence[ItemScore]
    hits: Sequence[ScoredHit]
    source_rev: int  # the conversation's revision that was inspected
    revision: int
    created_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A rule hit while the conversation runs."""

    id: str
    conversation_id: str
    hit: RuleHit
    agent_id: str | None
    queue_id: str | None
    created_at: dt.datetime
    acknowledged_by: str | None = None
    acknowledged_at: dt.datetime | None = None
