"""The conversation service's messages, as the router's handlers want them."""

from __future__ import annotations

import datetime as dt

from yunsong.conversation.v1 import events_pb2, message_pb2, model_pb2
from yunsong_router.handlers.intake import Fact, Standing
from yunsong_router.handlers.promising import Answer

_STANDINGS = {
    model_pb2.CONVERSATION_STATE_QUEUED: Standing.QUEUED,
    model_pb2.CONVERSATION_STATE_OFF_HOURS: Standing.OFF_HOURS,
    model_pb2.CONVERSATION_STATE_ACTIVE: Standing.ACTIVE,
}


def fact_of(
    conversation: model_pb2.Conversation,
    reason: str,
    *,
    rev: int = 0,
    preferred: str = "",
    required: str = "",
) -> Fact:
    """A conversation as the router sees it."""
    return Fact(
        conversation_id=conversation.id,
        rev=rev or conversation.rev,
        epoch=conversation.epoch,
        standing=_STANDINGS.get(conversation.state, Standing.GONE),
        reason=reason,
        queue_id=conversation.queue_id or None,
        priority=priority_of(conversation),
        skills=dict(conversation.required_skills),
        channel=conversation.channel,
        contact_id=conversation.contact_id,
        contact_name=conversation.contact_name,
        assignee_id=conversation.assignee_id or None,
        last_assignee_id=conversation.last_assignee_id or None,
        preferred_agent_id=preferred or None,
        required_agent_id=required or None,
        queued_at=conversation.queued_at.ToDatetime(dt.UTC) if conversation.HasField("queued_at") else None,
        answered=conversation.HasField("first_reply_at"),
    )


def priority_of(conversation: model_pb2.Conversation) -> int:
    """1 urgent to 4 low; normal when unset."""
    return conversation.priority or model_pb2.PRIORITY_NORMAL


def answer_of(event: events_pb2.MessagePosted) -> Answer | None:
    """A public message of the contact or an agent; None for everything else."""
    message = event.message
    by_agent = message.author.kind == message_pb2.AUTHOR_KIND_AGENT
    by_contact = message.author.kind == message_pb2.AUTHOR_KIND_CONTACT
    if message.visibility != message_pb2.VISIBILITY_PUBLIC or message.whisper or not (by_agent or by_contact):
        return None
    return Answer(event.meta.conversation_id, event.meta.rev, by_agent)
