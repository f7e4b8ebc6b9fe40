"""A contact's own door: the principal says whose conversations these are."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from yunsong.conversation.v1 import contact_door_pb2, contact_door_pb2_grpc
from yunsong_common.db import Database
from yunsong_common.errors import InvalidArgument, YunsongError
from yunsong_common.grpc import current_principal
from yunsong_conversation.contact_protocol import profile_of
from yunsong_conversation.contact_view import contact_change_of, contact_conversation_of, contact_message_of
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.entries import Entries
from yunsong_conversation.grpc_api.context import Context
from yunsong_conversation.handlers import messages as message_handlers
from yunsong_conversation.handlers import visits
from yunsong_conversation.handlers.visits import Visitor
from yunsong_conversation.handlers.writer import Writer
from yunsong_conversation.paging import key_of, page_size, token_of
from yunsong_conversation.protocol import conversation_of, event_from, json_of, message_of
from yunsong_conversation.repository import changelog, lists, messages

_MAX_ATTRIBUTES = 4 * 1024


class ContactConversationServicer(contact_door_pb2_grpc.ContactConversationServiceServicer):
    """See the contract."""

    def __init__(self, db: Database, writer: Writer, entries: Entries) -> None:
        self._db = db
        self._writer = writer
        self._entries = entries

    async def ListMyConversations(
        self, request: contact_door_pb2.ListMyConversationsRequest, context: Context
    ) -> contact_door_pb2.ListMyConversationsResponse:
        """See the contract."""
        visitor, limit = _visitor(), page_size(request.page_size, 20, 50)
        after = key_of("mine", request.page_token, [dt.datetime, UUID])
        async with self._db.read() as tx:
            found = await lists.of_contact(tx, await visitor.own_id(tx), visitor.inbox_id, after, limit + 1)
            now = await tx.now()
        shown = found[:limit]
        return contact_door_pb2.ListMyConversationsResponse(
            conversations=[_seen(one, now) for one in shown],
            next_page_token=token_of("mine", [shown[-1].created_at, shown[-1].id])
            if len(found) > limit
            else "",
        )

    async def GetMyConversation(
        self, request: contact_door_pb2.GetMyConversationRequest, context: Context
    ) -> contact_door_pb2.ContactConversation:
        """See the contract."""
        async with self._db.read() as tx:
            return _seen(
                await visits.own_conversation(tx, _visitor(), request.conversation_id), await tx.now()
            )

    async def ListMyMessages(
        self, request: contact_door_pb2.ListMyMessagesRequest, context: Context
    ) -> contact_door_pb2.ListMyMessagesResponse:
        """See the contract."""
        async with self._db.read(snapshot=True) as tx:
            conversation = await visits.own_conversation(tx, _visitor(), request.conversation_id)
            found, more = await messages.public_page(
                tx,
                conversation.id,
                before_public_rev=min(request.before_public_rev, 2**62),
                limit=page_size(request.page_size, 50, 200),
            )
        return contact_door_pb2.ListMyMessagesResponse(
            messages=[contact_message_of(message_of(message)) for message in found],
            has_more=more,
            head_public_rev=conversation.public_rev,
        )

    async def SendMyMessage(
        self, request: contact_door_pb2.SendMyMessageRequest, context: Context
    ) -> contact_door_pb2.ContactMessage:
        """See the contract."""
        entry = self._entries.sent_by_contact(request, current_principal())
        outcome = (await self._writer.write([entry]))[0]
        if isinstance(outcome, YunsongError):
            raise outcome
        message = outcome.message
        if message is None:
            async with self._db.read() as tx:
                message = await messages.get(tx, outcome.conversation_id, outcome.message_id)
        return contact_message_of(message_of(message))

    async def RecallMyMessage(
        self, request: contact_door_pb2.RecallMyMessageRequest, context: Context
    ) -> contact_door_pb2.ContactMessage:
        """See the contract."""
        visitor = _visitor()
        message = await message_handlers.recall_own(
            self._db,
            request.conversation_id,
            request.message_id,
            visitor.contact_id,
            visitor.inbox_id,
            verified=visitor.verified,
        )
        return contact_message_of(message_of(message))

    async def RequestAgent(
        self, request: contact_door_pb2.RequestAgentRequest, context: Context
    ) -> contact_door_pb2.ContactConversation:
        """See the contract."""
        return await self._shown(await visits.request_agent(self._db, _visitor(), request.conversation_id))

    async def MarkMyRead(
        self, request: contact_door_pb2.MarkMyReadRequest, context: Context
    ) -> contact_door_pb2.MarkMyReadResponse:
        """See the contract."""
        through = min(request.through_public_rev, 2**62)
        mark = await visits.mark_read(self._db, _visitor(), request.conversation_id, through)
        return contact_door_pb2.MarkMyReadResponse(read_public_rev=mark)

    async def EndMyConversation(
        self, request: contact_door_pb2.EndMyConversationRequest, context: Context
    ) -> contact_door_pb2.ContactConversation:
        """See the contract."""
        return await self._shown(await visits.end(self._db, _visitor(), request.conversation_id))

    async def RateMyConversation(
        self, request: contact_door_pb2.RateMyConversationRequest, context: Context
    ) -> contact_door_pb2.ContactConversation:
        """See the contract."""
        comment = request.comment.replace("\0", "")
        return await self._shown(
            await visits.rate(self._db, _visitor(), request.conversation_id, request.score, comment)
        )

    async def ReadMyChanges(
        self, request: contact_door_pb2.ReadMyChangesRequest, context: Context
    ) -> contact_door_pb2.ReadMyChangesResponse:
        """See the contract."""
        async with self._db.read(snapshot=True) as tx:
            conversation = await visits.own_conversation(tx, _visitor(), request.conversation_id)
            found = await changelog.after(
                tx,
                conversation.id,
                min(request.after_public_rev, 2**62),
                conversation.public_rev,
                page_size(request.page_size, 200, 500),
                public=True,
            )
        changes = [contact_change_of(event_from(change.type, change.payload)) for change in found or ()]
        return contact_door_pb2.ReadMyChangesResponse(
            changes=[change for change in changes if change is not None],
            head_public_rev=conversation.public_rev,
            snapshot_required=found is None,
        )

    async def GetMyProfile(
        self, request: contact_door_pb2.GetMyProfileRequest, context: Context
    ) -> contact_door_pb2.ContactProfile:
        """See the contract."""
        visitor = _visitor()
        async with self._db.read() as tx:
            contact, private = await visits.profile(tx, visitor)
        return profile_of(contact, verified=visitor.verified, private=private)

    async def UpdateMyProfile(
        self, request: contact_door_pb2.UpdateMyProfileRequest, context: Context
    ) -> contact_door_pb2.ContactProfile:
        """See the contract."""
        visitor = _visitor()
        values = {
            name: getattr(request, name).replace("\0", "")
            for name in ("name", "email", "phone", "locale")
            if request.HasField(name)
        }
        attributes = json_of(request.attributes) if request.HasField("attributes") else "{}"
        if len(attributes.encode()) > _MAX_ATTRIBUTES:
            raise InvalidArgument(
                reason="ATTRIBUTES_TOO_LARGE",
                message=f"attributes can have {_MAX_ATTRIBUTES} bytes as JSON at most",
            )
        async with self._db.transaction() as tx:
            contact, private = await visits.update_profile(tx, visitor, values, attributes)
        return profile_of(contact, verified=visitor.verified, private=private)

    async def _shown(self, conversation: Conversation) -> contact_door_pb2.ContactConversation:
        async with self._db.read() as tx:
            return _seen(conversation, await tx.now())


def _visitor() -> Visitor:
    principal = current_principal()
    return Visitor(principal.actor_id, principal.inbox_id, principal.verified)


def _seen(conversation: Conversation, now: dt.datetime) -> contact_door_pb2.ContactConversation:
    return contact_conversation_of(conversation_of(conversation), now)
