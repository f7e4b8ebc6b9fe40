"""Who may read a conversation, write into it, and move it."""

from __future__ import annotations

from dataclasses import dataclass, field

from yunsong_common.errors import FailedPrecondition, NotFound, PermissionDenied
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import Actor
from yunsong_conversation.domain.states import WAITING, State

READ_ALL = "conversation.read_all"
SUPERVISE = "conversation.supervise"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A member of staff, an API key or a service that looks at conversations."""

    actor: Actor
    permissions: frozenset[str] = frozenset()
    queue_ids: frozenset[str] = field(default_factory=frozenset)
    service: bool = False

    @property
    def sees_all(self) -> bool:
        """No conversation is hidden from it."""
        return self.service or READ_ALL in self.permissions or SUPERVISE in self.permissions

    @property
    def supervises(self) -> bool:
        """It may act in conversations of others."""
        return SUPERVISE in self.permissions


def can_read(conversation: Conversation, viewer: Viewer) -> bool:
    """Own, taken part in, mentioned in, or waiting in one of the viewer's queues."""
    user = viewer.actor.id
    return (
        viewer.sees_all
        or conversation.assignee_id == user
        or user in conversation.participant_ids
        or user in conversation.mentioned_ids
        or (conversation.state in WAITING and conversation.queue_id in viewer.queue_ids)
    )


def check_read(conversation: Conversation, viewer: Viewer) -> None:
    """Raises NOT_FOUND / CONVERSATION_UNKNOWN: who may not see it must not learn that it is there."""
    if not can_read(conversation, viewer):
        raise unknown_conversation(conversation.id)


def check_work(conversation: Conversation, viewer: Viewer) -> None:
    """Returns when the viewer may move, label or change the conversation: its assignee, or a supervisor."""
    check_read(conversation, viewer)
    if not viewer.supervises and conversation.assignee_id != viewer.actor.id:
        raise _not_assignee(conversation)


def check_answer(conversation: Conversation, viewer: Viewer) -> None:
    """Returns when the viewer may write to the contact.

    Raises FAILED_PRECONDITION / CONVERSATION_RESOLVED, CONVERSATION_WAITING, CONVERSATION_WITH_BOT, NOT_ASSIGNEE.
    """
    check_read(conversation, viewer)
    if conversation.state == State.RESOLVED:
        raise FailedPrecondition(
            reason="CONVERSATION_RESOLVED",
            message="the conversation is closed; start a new one, or leave a note",
        )
    if conversation.state in WAITING:
        raise FailedPrecondition(
            reason="CONVERSATION_WAITING",
            message="the conversation waits in a queue; pick it before answering, or leave a note",
        )
    if conversation.state == State.BOT:
        raise FailedPrecondition(
            reason="CONVERSATION_WITH_BOT",
            message="the bot answers this conversation; it needs a handoff before an agent can answer",
        )
    if not viewer.supervises and conversation.assignee_id != viewer.actor.id:
        raise _not_assignee(conversation)


def check_whisper(viewer: Viewer) -> None:
    """Raises PERMISSION_DENIED / SUPERVISE_REQUIRED."""
    if not viewer.supervises:
        raise PermissionDenied(
            reason="SUPERVISE_REQUIRED", message=f"whispering needs the permission {SUPERVISE}"
        )


def unknown_conversation(conversation_id: str) -> NotFound:
    """What a caller gets for a conversation that is not there, or not for its eyes."""
    return NotFound(
        reason="CONVERSATION_UNKNOWN", message=f"there is no conversation {conversation_id} that you may see"
    )


def _not_assignee(conversation: Conversation) -> FailedPrecondition:
    holder = conversation.assignee_name or "nobody"
    return FailedPrecondition(
        reason="NOT_ASSIGNEE",
        message=f"only the assignee or a supervisor can do this; the conversation is with {holder}",
    )
