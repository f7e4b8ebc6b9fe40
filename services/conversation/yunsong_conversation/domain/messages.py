"""A message, its author, and what may be done to it after it was written."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass, field

from yunsong_common.errors import FailedPrecondition, PermissionDenied

EDIT_WINDOW = dt.timedelta(minutes=15)
RECALL_WINDOW = dt.timedelta(minutes=2)
PREVIEW_LENGTH = 200


class AuthorKind(enum.IntEnum):
    """Who wrote a message. The numbers are the contract's."""

    NONE = 0
    CONTACT = 1
    AGENT = 2
    BOT = 3
    SYSTEM = 4
    API = 5


class Visibility(enum.IntEnum):
    """Who may see a message. The numbers are the contract's."""

    NONE = 0
    PUBLIC = 1
    INTERNAL = 2


class Delivery(enum.IntEnum):
    """How far an outgoing message has come. The numbers are the contract's."""

    NONE = 0
    PENDING = 1
    SENT = 2
    DELIVERED = 3
    FAILED = 4
    UNCERTAIN = 5


@dataclass(frozen=True, slots=True)
class Actor:
    """Who wrote or did something. `id` is empty for the bot and the product."""

    kind: AuthorKind
    id: str = ""
    name: str = ""


SYSTEM = Actor(AuthorKind.SYSTEM)


@dataclass(slots=True)
class Message:
    """One entry of a conversation. `content` and `metadata` are serialised; the domain does not look inside."""

    id: str
    conversation_id: str
    author: Actor
    visibility: Visibility
    content: bytes | None  # None after a recall
    created_at: dt.datetime
    kind: str = "text"
    preview: str = ""
    client_id: str = ""
    reply_to_message_id: str = ""
    mention_user_ids: list[str] = field(default_factory=list)
    external_id: str = ""
    metadata: bytes | None = None
    whisper: bool = False
    digest: bytes = b""  # of everything the sender gave; tells a repetition from a reuse of the client_id
    delivery: Delivery = Delivery.NONE
    delivery_error: str = ""
    rev: int = 0
    public_rev: int = 0
    edited_at: dt.datetime | None = None
    recalled_at: dt.datetime | None = None

    @property
    def public(self) -> bool:
        """The contact may see it."""
        return self.visibility == Visibility.PUBLIC

    @property
    def outgoing(self) -> bool:
        """It goes to the contact through a channel."""
        return self.public and self.author.kind != AuthorKind.CONTACT and self.kind != "system"


def check_edit(message: Message, actor: Actor, now: dt.datetime) -> None:
    """Returns when `actor` may edit the message now.

    Raises PERMISSION_DENIED / NOT_AUTHOR, FAILED_PRECONDITION / MESSAGE_RECALLED, NOT_TEXT, EDIT_TOO_LATE.
    """
    _check_own(message, actor, "edit")
    if message.kind != "text":
        raise FailedPrecondition(
            reason="NOT_TEXT", message=f"only a text can be edited; this message is of kind {message.kind!r}"
        )
    if now > message.created_at + EDIT_WINDOW:
        raise FailedPrecondition(
            reason="EDIT_TOO_LATE", message="a message can be edited for 15 minutes; write a new one instead"
        )


def check_recall(message: Message, actor: Actor, now: dt.datetime) -> None:
    """Returns when `actor` may take the message back now.

    Raises PERMISSION_DENIED / NOT_AUTHOR, FAILED_PRECONDITION / MESSAGE_RECALLED, RECALL_TOO_LATE.
    """
    _check_own(message, actor, "recall")
    if now > message.created_at + RECALL_WINDOW:
        raise FailedPrecondition(
            reason="RECALL_TOO_LATE", message="a message can be recalled for two minutes; that time is over"
        )


def _check_own(message: Message, actor: Actor, verb: str) -> None:
    if (message.author.kind, message.author.id) != (actor.kind, actor.id):
        raise PermissionDenied(reason="NOT_AUTHOR", message=f"only its author can {verb} a message")
    if message.recalled_at is not None:
        raise FailedPrecondition(reason="MESSAGE_RECALLED", message="the message has been recalled")


# What a delivery can become. A state never goes back; a late success settles a doubt or a failure.
_FURTHER: dict[Delivery, frozenset[Delivery]] = {
    Delivery.NONE: frozenset(),
    Delivery.PENDING: frozenset({Delivery.SENT, Delivery.DELIVERED, Delivery.FAILED, Delivery.UNCERTAIN}),
    Delivery.SENT: frozenset({Delivery.DELIVERED, Delivery.FAILED}),
    Delivery.DELIVERED: frozenset(),
    Delivery.UNCERTAIN: frozenset({Delivery.SENT, Delivery.DELIVERED, Delivery.FAILED}),
    Delivery.FAILED: frozenset({Delivery.SENT, Delivery.DELIVERED}),
}


def delivery_advances(now: Delivery, to: Delivery) -> bool:
    """Whether a delivery report says something new."""
    return to in _FURTHER[now]
