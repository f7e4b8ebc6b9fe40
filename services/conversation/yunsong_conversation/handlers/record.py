"""Turns changes into what is stored and published: event rows, live copies for the contact, message rows."""

from __future__ import annotations

import datetime as dt

from yunsong.conversation.v1 import message_pb2
from yunsong_common.db import Transaction
from yunsong_common.ids import new_id
from yunsong_conversation import contents
from yunsong_conversation.contact_view import contact_change_of
from yunsong_conversation.domain.changes import Change, MessagePosted
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import SYSTEM, Actor, AuthorKind, Message, Visibility
from yunsong_conversation.protocol import event_of
from yunsong_conversation.repository import conversations, messages
from yunsong_conversation.segmentation import index_terms


class Recorder:
    """The changes of one transaction. Record each right after it happened, then `write`."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self._changed: dict[str, Conversation] = {}
        self._posted: list[Message] = []
        self._inbox_ids: list[str] = []
        self._terms: list[list[str]] = []

    def record(
        self,
        conversation: Conversation,
        change: Change,
        actor: Actor,
        content: message_pb2.Content | None = None,
        terms: list[str] | None = None,
    ) -> None:
        """Emits the change's event, and its live copy when the contact may see it."""
        event = event_of(conversation, change, actor, content)
        self.tx.emit(
            event, rev=change.rev, public_rev=change.public_rev or None, live_copy=contact_change_of(event)
        )
        self._changed[conversation.id] = conversation
        if isinstance(change, MessagePosted):
            self._posted.append(change.message)
            self._inbox_ids.append(conversation.inbox_id)
            self._terms.append(terms or [])

    def say(
        self, conversation: Conversation, now: dt.datetime, code: str, *, public: bool = True, **params: str
    ) -> None:
        """Adds a line of the product."""
        content = contents.system_content(code, **params)
        message = Message(
            id=new_id(),
            conversation_id=conversation.id,
            author=SYSTEM,
            visibility=Visibility.PUBLIC if public else Visibility.INTERNAL,
            content=contents.serialised(content),
            created_at=now,
            kind="system",
        )
        self.record(conversation, conversation.post(message), SYSTEM, content)

    def note(self, conversation: Conversation, now: dt.datetime, text: str, author: Actor) -> None:
        """Adds a note that another service or a member of staff gave with a command."""
        content = contents.text_content(text)
        stored = contents.serialised(content)
        message = Message(
            id=new_id(),
            conversation_id=conversation.id,
            author=author,
            visibility=Visibility.INTERNAL,
            content=stored,
            created_at=now,
            preview=contents.preview_of("text", content),
        )
        self.record(conversation, conversation.post(message), author, content, index_terms(text))

    async def write(self) -> None:
        """Stores messages and conversations."""
        if self._posted:
            await messages.insert(self.tx, self._posted, self._inbox_ids, self._terms)
        await conversations.save(self.tx, self._changed.values())


def staff_actor(user_id: str, name: str = "") -> Actor:
    """A member of staff whom another service names, or the product itself when it names nobody."""
    return Actor(AuthorKind.AGENT, user_id, name) if user_id else SYSTEM
