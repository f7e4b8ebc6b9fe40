"""What its author does with a message after it was written."""

from __future__ import annotations

from yunsong.conversation.v1 import message_pb2
from yunsong_common.db import Database
from yunsong_conversation import contents
from yunsong_conversation.domain.access import Viewer, check_read, unknown_conversation
from yunsong_conversation.domain.messages import Actor, AuthorKind, Message, check_edit, check_recall
from yunsong_conversation.handlers.contacts import own_contact
from yunsong_conversation.handlers.unit import Unit, changing
from yunsong_conversation.handlers.work import viewing
from yunsong_conversation.repository import changelog, messages
from yunsong_conversation.segmentation import index_terms


async def edit(db: Database, conversation_id: str, message_id: str, viewer: Viewer, text: str) -> Message:
    """Replaces the text of one's own message.

    Raises FAILED_PRECONDITION / EDIT_TOO_LATE, NOT_TEXT, MESSAGE_RECALLED, PERMISSION_DENIED / NOT_AUTHOR, NOT_FOUND / MESSAGE_UNKNOWN.
    """
    async with changing(db, conversation_id) as unit:
        check_read(unit.conversation, await viewing(unit.tx, viewer))
        message = await messages.get(unit.tx, conversation_id, message_id)
        check_edit(message, viewer.actor, unit.now)
        content = contents.text_content(text)
        contents.checked_kind(content)
        change = unit.conversation.edit(
            message, contents.serialised(content), contents.preview_of("text", content), unit.now
        )
        unit.record(change, viewer.actor)
        await messages.save(unit.tx, message, index_terms(text))
    return message


async def recall(db: Database, conversation_id: str, message_id: str, viewer: Viewer) -> Message:
    """Takes back one's own message.

    Raises FAILED_PRECONDITION / RECALL_TOO_LATE, MESSAGE_RECALLED, PERMISSION_DENIED / NOT_AUTHOR, NOT_FOUND / MESSAGE_UNKNOWN.
    """
    async with changing(db, conversation_id) as unit:
        check_read(unit.conversation, await viewing(unit.tx, viewer))
        return await _recall(unit, message_id, viewer.actor)


async def recall_own(
    db: Database, conversation_id: str, message_id: str, contact_id: str, inbox_id: str, *, verified: bool
) -> Message:
    """The same by a contact."""
    async with changing(db, conversation_id) as unit:
        contact_id = await own_contact(unit.tx, contact_id, inbox_id, verified=verified)
        if (unit.conversation.contact_id, unit.conversation.inbox_id) != (contact_id, inbox_id):
            raise unknown_conversation(conversation_id)
        message = await messages.get(unit.tx, conversation_id, message_id)
        if not message.public:
            raise messages.unknown_message(message_id)
        # A message from before a merge names the contact that its author was then.
        author = (
            message.author
            if message.author.kind == AuthorKind.CONTACT
            else Actor(AuthorKind.CONTACT, contact_id)
        )
        return await _recall(unit, message_id, author)


async def _recall(unit: Unit, message_id: str, actor: Actor) -> Message:
    message = await messages.get(unit.tx, unit.conversation.id, message_id)
    check_recall(message, actor, unit.now)
    preview = _preview(message)
    unit.record(unit.conversation.recall(message, unit.now), actor)
    await messages.save(unit.tx, message, [])
    await changelog.take_out(unit.tx, unit.conversation.id, message.id, message.rev, preview)
    return message


def _preview(message: Message) -> str:
    if message.content is None:
        return ""
    return contents.preview_of(message.kind, message_pb2.Content.FromString(message.content))
