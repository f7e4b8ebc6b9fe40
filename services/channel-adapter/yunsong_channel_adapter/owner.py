"""What the channel adapter asks the conversation service: who the contact is, and which messages it has missed."""

from __future__ import annotations

import grpc

from yunsong.conversation.v1 import (
    contact_pb2,
    contact_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    model_pb2,
)
from yunsong_channel_adapter.channels import Catalogue
from yunsong_channel_adapter.outgoing import delivery_for
from yunsong_channel_adapter.repository.deliveries import NewDelivery
from yunsong_common.errors import NotFound

_PAGE = 500
_OPEN_STATES = (
    model_pb2.CONVERSATION_STATE_BOT,
    model_pb2.CONVERSATION_STATE_QUEUED,
    model_pb2.CONVERSATION_STATE_OFF_HOURS,
    model_pb2.CONVERSATION_STATE_ACTIVE,
    model_pb2.CONVERSATION_STATE_SNOOZED,
)


class Owner:
    """The conversation service, which owns contacts and conversations."""

    def __init__(self, channel: grpc.aio.Channel, catalogue: Catalogue) -> None:
        self._contacts = contact_pb2_grpc.ContactServiceStub(channel)
        self._conversations = conversation_pb2_grpc.ConversationServiceStub(channel)
        self._catalogue = catalogue

    async def identity(self, contact_id: str, inbox_id: str) -> str:
        """The contact's external id on an inbox, the newest where there are several; empty when there is none."""
        try:
            contact = await self._contacts.GetContact(contact_pb2.GetContactRequest(contact_id=contact_id))
        except NotFound:
            return ""
        known = [each for each in contact.identities if each.inbox_id == inbox_id]
        known.sort(key=lambda each: (each.created_at.seconds, each.created_at.nanos))
        return known[-1].external_id if known else ""

    async def missed(self, conversation_id: str, *, after_rev: int, before_rev: int) -> list[NewDelivery]:
        """Messages to deliver between two revisions, both exclusive; what the change log no longer holds is left out."""
        found: dict[str, NewDelivery] = {}
        while after_rev + 1 < before_rev:
            request = conversation_pb2.ReadChangesRequest(
                conversation_id=conversation_id,
                after_rev=after_rev,
                page_size=min(_PAGE, before_rev - after_rev - 1),
            )
            try:
                page = await self._conversations.ReadChanges(request)
            except NotFound:
                break
            for change in page.changes:
                if change.rev < before_rev and change.HasField("message_posted"):
                    delivery = delivery_for(change.message_posted, self._catalogue)
                    if delivery is not None:
                        found[delivery.message_id] = delivery
                elif change.HasField("message_recalled"):
                    found.pop(change.message_recalled.message_id, None)
            if page.snapshot_required or not page.changes:
                break
            after_rev = page.changes[-1].rev
        return list(found.values())

    async def has_open_conversation(self, inbox_id: str) -> bool:
        """Whether a conversation on the inbox is not resolved."""
        request = conversation_pb2.ListConversationsRequest(
            inbox_id=inbox_id, states=_OPEN_STATES, page_size=1, include_spam=True
        )
        return bool((await self._conversations.ListConversations(request)).conversations)
