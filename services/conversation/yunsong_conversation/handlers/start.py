"""A conversation that staff starts."""

from __future__ import annotations

import datetime as dt

from yunsong_common.db import Transaction
from yunsong_common.errors import FailedPrecondition, NotFound
from yunsong_common.ids import new_id
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.inboxes import Inbox
from yunsong_conversation.domain.messages import AuthorKind, Message
from yunsong_conversation.domain.states import Asker, State
from yunsong_conversation.handlers.entry import Entry
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.repository import contacts, conversations, projections


async def start(tx: Transaction, entry: Entry, contact_id: str, inbox_id: str) -> Conversation:
    """Begins a conversation with its first message; it waits for the agent who starts it, whom the router gives it to.

    Raises NOT_FOUND / CONTACT_UNKNOWN, INBOX_UNKNOWN, FAILED_PRECONDITION / CONVERSATION_OPEN, IDENTITY_MISSING, INBOX_DISABLED.
    """
    now = await tx.now()
    contact = await contacts.get(tx, contact_id)
    inbox = (await projections.inboxes(tx, [inbox_id])).get(inbox_id)
    if inbox is None:
        raise NotFound(reason="INBOX_UNKNOWN", message=f"there is no inbox {inbox_id}")
    if inbox.deleted or not inbox.enabled:
        raise FailedPrecondition(reason="INBOX_DISABLED", message="this inbox takes no messages")
    if all(identity.inbox_id != inbox_id for identity in contact.identities):
        raise FailedPrecondition(
            reason="IDENTITY_MISSING",
            message="the contact is not known on this inbox, so a message cannot reach it",
        )
    conversation = _conversation(inbox, contact_id, contact.name, contact.locale, now)
    if not await conversations.insert_new(tx, [conversation]):
        raise FailedPrecondition(
            reason="CONVERSATION_OPEN",
            message="the contact has an open conversation on this inbox; go on there",
        )
    actor = entry.sender.actor
    recorder = Recorder(tx)
    conversation.state = State.NEW
    recorder.record(conversation, conversation.begin(State.QUEUED, Asker.STAFF, now), actor)
    message = Message(
        id=new_id(),
        conversation_id=conversation.id,
        author=actor,
        visibility=entry.visibility,
        content=entry.stored,
        created_at=now,
        kind=entry.kind,
        preview=entry.preview,
        client_id=entry.client_id,
        digest=entry.digest,
    )
    recorder.record(conversation, conversation.post(message), actor, entry.content, entry.terms)
    agent_id = actor.id if actor.kind == AuthorKind.AGENT else ""
    recorder.record(conversation, conversation.announce(now, "started", required_agent_id=agent_id), actor)
    await recorder.write()
    return conversation


def _conversation(inbox: Inbox, contact_id: str, name: str, locale: str, now: dt.datetime) -> Conversation:
    return Conversation(
        id=new_id(),
        inbox_id=inbox.id,
        channel=inbox.channel,
        contact_id=contact_id,
        contact_name=name,
        created_at=now,
        last_message_at=now,
        state=State.QUEUED,
        queue_id=inbox.queue_id,
        required_skills=dict(inbox.required_skills),
        locale=locale,
    )
