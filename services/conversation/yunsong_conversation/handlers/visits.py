"""What a contact does with its own conversations."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from yunsong_common.db import Database, Transaction
from yunsong_common.errors import FailedPrecondition
from yunsong_conversation.domain.access import unknown_conversation
from yunsong_conversation.domain.contacts import Contact
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import Actor, AuthorKind
from yunsong_conversation.domain.states import WAITING, Asker, CloseReason, State
from yunsong_conversation.handlers import contacts as contact_handlers
from yunsong_conversation.handlers.moves import Handoff, hand_off
from yunsong_conversation.handlers.unit import Unit, changing
from yunsong_conversation.repository import contacts, conversations, messages


@dataclass(frozen=True, slots=True)
class Visitor:
    """A contact with a session on an inbox."""

    contact_id: str
    inbox_id: str
    verified: bool

    async def own_id(self, tx: Transaction) -> str:
        """The contact it acts as. Raises NOT_FOUND / CONTACT_UNKNOWN, PERMISSION_DENIED / IDENTITY_VERIFIED."""
        return await contact_handlers.own_contact(tx, self.contact_id, self.inbox_id, verified=self.verified)


async def own_conversation(tx: Transaction, visitor: Visitor, conversation_id: str) -> Conversation:
    """One of the visitor's conversations. Raises NOT_FOUND / CONVERSATION_UNKNOWN."""
    conversation = await conversations.get(tx, conversation_id)
    await _check_own(tx, visitor, conversation)
    return conversation


@contextlib.asynccontextmanager
async def _changing_own(
    db: Database, visitor: Visitor, conversation_id: str
) -> AsyncIterator[tuple[Unit, Actor]]:
    async with changing(db, conversation_id) as unit:
        await _check_own(unit.tx, visitor, unit.conversation)
        yield unit, Actor(AuthorKind.CONTACT, unit.conversation.contact_id, unit.conversation.contact_name)


async def _check_own(tx: Transaction, visitor: Visitor, conversation: Conversation) -> None:
    own_id = await visitor.own_id(tx)
    if (conversation.contact_id, conversation.inbox_id) != (own_id, visitor.inbox_id):
        raise unknown_conversation(conversation.id)


async def request_agent(db: Database, visitor: Visitor, conversation_id: str) -> Conversation:
    """Asks for a person; one that people have already stays as it is. Raises FAILED_PRECONDITION / TRANSITION_REFUSED."""
    async with _changing_own(db, visitor, conversation_id) as (unit, actor):
        if unit.conversation.state == State.RESOLVED:
            raise FailedPrecondition(
                reason="TRANSITION_REFUSED",
                message="the conversation is closed; write a message to begin again",
            )
        if unit.conversation.state == State.BOT:
            await hand_off(unit, Handoff(reason="contact_asked"), Asker.CONTACT, actor)
    return unit.conversation


async def end(db: Database, visitor: Visitor, conversation_id: str) -> Conversation:
    """Ends the conversation; one that is closed stays as it is."""
    async with _changing_own(db, visitor, conversation_id) as (unit, actor):
        conversation = unit.conversation
        if conversation.open:
            left = conversation.state in WAITING
            reason = CloseReason.ABANDONED if left else CloseReason.CONTACT
            change = conversation.resolve(
                reason, Asker.CONTACT, unit.now, "abandoned" if left else "ended_by_contact"
            )
            unit.record(change, actor)
            unit.say("conversation.closed", reason="contact")
    return conversation


async def rate(
    db: Database, visitor: Visitor, conversation_id: str, score: int, comment: str
) -> Conversation:
    """Rates a conversation. Raises FAILED_PRECONDITION / RATING_NOT_OPEN."""
    async with _changing_own(db, visitor, conversation_id) as (unit, actor):
        if (unit.conversation.csat_score, unit.conversation.csat_comment) != (score, comment):
            unit.record(unit.conversation.rate(score, comment, unit.now), actor)
    return unit.conversation


async def mark_read(db: Database, visitor: Visitor, conversation_id: str, through_public_rev: int) -> int:
    """Marks what the contact has read; answers where the mark stands."""
    async with _changing_own(db, visitor, conversation_id) as (unit, actor):
        conversation = unit.conversation
        through = min(through_public_rev, conversation.public_rev)
        rev = await messages.rev_at(unit.tx, conversation.id, through)
        unread = await messages.unread_by_contact(unit.tx, conversation.id, through)
        unit.record(conversation.read_by_contact(rev, through, unread, unit.now), actor)
    return conversation.contact_read_public_rev


async def profile(tx: Transaction, visitor: Visitor) -> tuple[Contact, bool]:
    """The visitor's contact, and whether its addresses are hidden: somebody proved to be it, but not this visitor."""
    contact = await contacts.get(tx, await visitor.own_id(tx))
    return contact, not visitor.verified and any(identity.verified for identity in contact.identities)


async def update_profile(
    tx: Transaction, visitor: Visitor, values: dict[str, str], attributes: str
) -> tuple[Contact, bool]:
    """Changes one's own name, addresses and attributes.

    Where somebody proved to be the contact, a visitor without proof only adds attributes.
    """
    contact, private = await profile(tx, visitor)
    changed = {} if private else dict(values)
    if visitor.verified and contact.name:
        changed.pop("name", None)
    if attributes not in ("", "{}"):
        changed["attributes"] = contact_handlers.merge_attributes(contact.attributes, attributes)
    if not changed:
        return contact, private
    return await contact_handlers.update(tx, contact.id, changed), private
