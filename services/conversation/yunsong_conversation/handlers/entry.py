"""One message on its way into the record: who sends it, what it holds, what became of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from yunsong.conversation.v1 import message_pb2
from yunsong_common.errors import YunsongError
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.domain.messages import Actor, Message, Visibility
from yunsong_conversation.domain.states import State


@dataclass(slots=True, eq=False)
class Sender:
    """Who writes. Exactly one of `contact_id`, `identity`, `viewer` is set, or none for a service."""

    actor: Actor
    contact_id: str = ""
    inbox_id: str = ""
    verified: bool = False
    identity: str = ""  # of a message from an outside channel
    contact_name: str = ""
    locale: str = ""
    viewer: Viewer | None = None

    @property
    def is_contact(self) -> bool:
        """The contact writes, so the message finds its conversation by itself."""
        return bool(self.inbox_id)


@dataclass(slots=True, eq=False)
class Entry:
    """One message to append, checked and serialised."""

    sender: Sender
    content: message_pb2.Content
    stored: bytes
    kind: str
    preview: str
    terms: list[str]
    digest: bytes
    conversation_id: str = ""
    client_id: str = ""
    external_id: str = ""
    visibility: Visibility = Visibility.PUBLIC
    reply_to: str = ""
    mentions: list[str] = field(default_factory=list)
    whisper: bool = False
    expected_state: State | None = None
    metadata: bytes | None = None
    traceparent: str = ""
    # What became of it.
    outcome: Appended | YunsongError | None = None

    @property
    def order_key(self) -> tuple[str, str, str]:
        """Entries with the same key keep their order."""
        sender = self.sender
        if sender.is_contact:
            return sender.inbox_id, sender.contact_id, sender.identity
        return self.conversation_id, sender.actor.id, ""


@dataclass(frozen=True, slots=True)
class Appended:
    """A message that is committed once its batch is."""

    message_id: str
    conversation_id: str
    rev: int
    public_rev: int
    created_at: dt.datetime
    duplicate: bool = False
    message: Message | None = None  # unset for a repetition


@dataclass(frozen=True, slots=True)
class Left:
    """Entries that this batch could not decide."""

    skipped: list[Entry]  # somebody holds their conversation
    unknown_inbox: list[Entry]  # their inbox has not been heard of yet


# An entry that its batch left for another one.
PENDING = Appended("", "", 0, 0, dt.datetime.min.replace(tzinfo=dt.UTC))
