"""Facts: what an event left behind, without any words that people wrote."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum


class FactKind(IntEnum):
    """What happened. The numbers are stored."""

    CREATED = 1
    MESSAGE = 2
    STATE = 3
    RATED = 4
    SLA = 5
    BOT = 6
    PRESENCE = 7


class Author(IntEnum):
    """Who wrote a message; the contract's numbers."""

    NONE = 0
    CONTACT = 1
    AGENT = 2
    BOT = 3
    SYSTEM = 4
    API = 5


class State(IntEnum):
    """Where a conversation stands; the contract's numbers."""

    NONE = 0
    BOT = 1
    QUEUED = 2
    OFF_HOURS = 3
    ACTIVE = 4
    SNOOZED = 5
    RESOLVED = 6


class CloseReason(IntEnum):
    """Why a conversation was resolved; the contract's numbers."""

    NONE = 0
    AGENT = 1
    IDLE = 2
    ABANDONED = 3
    BOT = 4
    SPAM = 5
    CONTACT = 6
    MERGED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact about an entity: a conversation, or an agent for PRESENCE.

    A conversation's own facts carry the revision they took; what others tell about it has revision 0 and changes no figures.
    """

    entity_id: str
    rev: int
    event_id: str
    kind: FactKind
    occurred_at: dt.datetime
    state: int = 0
    from_state: int = 0
    author: int = 0
    author_id: str | None = None
    internal: bool = False
    message_id: str | None = None
    content_kind: int = 0  # the number of the content's field in the contract
    text_length: int = 0
    queue_id: str | None = None
    agent_id: str | None = None
    inbox_id: str | None = None
    contact_id: str | None = None
    reason: str = ""
    category: str = ""
    close_reason: int = 0
    value: float | None = None  # a rating, or a score of the bot
