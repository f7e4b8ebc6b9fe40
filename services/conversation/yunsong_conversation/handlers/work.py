"""What staff does with a conversation: snooze, close, spam, fields, labels, read marks."""

from __future__ import annotations

import datetime as dt

from yunsong_common.db import Database, Transaction
from yunsong_common.errors import FailedPrecondition, InvalidArgument, NotFound
from yunsong_conversation.domain.access import Viewer, check_read, check_work
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.states import Asker, CloseReason, State
from yunsong_conversation.handlers.contacts import block_in
from yunsong_conversation.handlers.unit import changing
from yunsong_conversation.repository import messages, projections, reads, taxonomy

LONGEST_SNOOZE = dt.timedelta(days=90)


async def viewing(tx: Transaction, viewer: Viewer) -> Viewer:
    """The viewer with the queues it serves, as the router last told."""
    if viewer.sees_all:
        return viewer
    queues = await projections.queues_of(tx, [viewer.actor.id])
    return Viewer(viewer.actor, viewer.permissions, queues.get(viewer.actor.id, frozenset()))


async def snooze(db: Database, conversation_id: str, viewer: Viewer, until: dt.datetime) -> Conversation:
    """Puts an active conversation aside. Raises FAILED_PRECONDITION / TRANSITION_REFUSED, INVALID_ARGUMENT / SNOOZE_OUT_OF_RANGE."""
    async with changing(db, conversation_id) as unit:
        check_work(unit.conversation, await viewing(unit.tx, viewer))
        if not unit.now < until <= unit.now + LONGEST_SNOOZE:
            raise InvalidArgument(
                reason="SNOOZE_OUT_OF_RANGE",
                message="a conversation can be put aside until a time in the next 90 days",
            )
        unit.record(unit.conversation.snooze(until, Asker.STAFF, unit.now), viewer.actor)
        unit.say("conversation.snoozed", public=False, until=until.isoformat(timespec="seconds"))
    return unit.conversation


async def close(
    db: Database, conversation_id: str, viewer: Viewer, category_id: str, summary: str
) -> Conversation:
    """Closes a conversation with its wrap-up.

    Raises FAILED_PRECONDITION / TRANSITION_REFUSED, WRAP_UP_REQUIRED, NOT_FOUND / CATEGORY_UNKNOWN.
    """
    async with changing(db, conversation_id) as unit:
        conversation = unit.conversation
        check_work(conversation, await viewing(unit.tx, viewer))
        change = conversation.resolve(CloseReason.AGENT, Asker.STAFF, unit.now, "closed")
        if category_id:
            conversation.wrap_up_category_name = await taxonomy.category_name(unit.tx, category_id)
            conversation.wrap_up_category_id = category_id
        elif await taxonomy.has_categories(unit.tx):
            raise FailedPrecondition(
                reason="WRAP_UP_REQUIRED", message="choose a wrap-up category to close the conversation"
            )
        conversation.summary = summary
        unit.record(change, viewer.actor)
        unit.say("conversation.closed", reason="agent")
    return conversation


async def mark_spam(
    db: Database, conversation_id: str, viewer: Viewer, *, block_contact: bool
) -> Conversation:
    """Marks as spam, closes, and blocks the contact if asked."""
    async with changing(db, conversation_id) as unit:
        conversation = unit.conversation
        check_work(conversation, await viewing(unit.tx, viewer))
        conversation.spam = True
        if conversation.open:
            unit.record(conversation.resolve(CloseReason.SPAM, Asker.STAFF, unit.now, "spam"), viewer.actor)
        else:
            unit.record(conversation.update(["spam"], unit.now), viewer.actor)
        if block_contact:
            await block_in(unit.tx, conversation.contact_id, blocked=True)
            conversation.contact_blocked = True
    return conversation


async def update(
    db: Database,
    conversation_id: str,
    viewer: Viewer,
    *,
    priority: int | None = None,
    subject: str | None = None,
    attributes: str | None = None,
) -> Conversation:
    """Changes what is not None; nothing is recorded when nothing differs."""
    async with changing(db, conversation_id) as unit:
        conversation = unit.conversation
        check_work(conversation, await viewing(unit.tx, viewer))
        fields: list[str] = []
        for name, value in (("priority", priority), ("subject", subject), ("attributes", attributes)):
            if value is not None and value != getattr(conversation, name):
                setattr(conversation, name, value)
                fields.append(name)
        if fields:
            unit.record(conversation.update(fields, unit.now), viewer.actor)
    return conversation


async def set_labels(
    db: Database, conversation_id: str, viewer: Viewer, label_ids: list[str]
) -> Conversation:
    """Replaces the labels. Raises NOT_FOUND / LABEL_UNKNOWN."""
    async with changing(db, conversation_id) as unit:
        conversation = unit.conversation
        check_work(conversation, await viewing(unit.tx, viewer))
        wanted = list(dict.fromkeys(label_ids))
        if missing := await taxonomy.unknown_labels(unit.tx, wanted):
            raise NotFound(reason="LABEL_UNKNOWN", message=f"there is no label {', '.join(sorted(missing))}")
        if wanted != conversation.label_ids:
            conversation.label_ids = wanted
            unit.record(conversation.update(["label_ids"], unit.now), viewer.actor)
    return conversation


async def mark_read(db: Database, conversation_id: str, viewer: Viewer, through_rev: int) -> int:
    """Marks what staff has read; the assignee's mark is the conversation's, everybody else has one of their own."""
    async with changing(db, conversation_id) as unit:
        conversation = unit.conversation
        check_read(conversation, await viewing(unit.tx, viewer))
        through_rev = min(through_rev, conversation.rev)
        if conversation.assignee_id != viewer.actor.id or conversation.state == State.RESOLVED:
            return await reads.mark(unit.tx, conversation.id, viewer.actor.id, through_rev)
        public = await messages.public_rev_at(unit.tx, conversation.id, through_rev)
        unread = await messages.unread_by_agent(unit.tx, conversation.id, through_rev)
        unit.record(conversation.read_by_agent(through_rev, public, unread, unit.now), viewer.actor)
    return conversation.agent_read_rev
