"""What can happen to a conversation. Each change has its revision; `public_rev` is 0 when the contact may not see it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from yunsong_conversation.domain.messages import AuthorKind, Delivery, Message, Visibility
from yunsong_conversation.domain.states import State


@dataclass(frozen=True, slots=True)
class Change:
    """What every change has."""

    rev: int
    public_rev: int
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class ConversationCreated(Change):
    """It began."""


@dataclass(frozen=True, slots=True)
class MessagePosted(Change):
    """A message was written."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageEdited(Change):
    """A message was edited."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageRecalled(Change):
    """A message was taken back."""

    message_id: str
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class MessagesRead(Change):
    """The contact or the assignee has read."""

    reader: AuthorKind
    read_rev: int
    read_public_rev: int


@dataclass(frozen=True, slots=True)
class DeliveryChanged(Change):
    """A delivery came further."""

    message_id: str
    delivery: Delivery
    error: str


@dataclass(frozen=True, slots=True)
class StateChanged(Change):
    """It moved."""

    start: State
    end: State
    reason: str
    preferred_agent_id: str
    required_agent_id: str


@dataclass(frozen=True, slots=True)
class ConversationUpdated(Change):
    """Fields changed."""

    fields: list[str]


@dataclass(frozen=True, slots=True)
class ConversationRated(Change):
    """The contact rated it."""

    score: int
    comment: str
