"""Sessions of contacts: proof of identity by the channel, the contact from the conversation service, a short token."""

from __future__ import annotations

import secrets

from yunsong.auth.v1 import principal_pb2
from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong.conversation.v1 import contact_door_pb2, contact_door_pb2_grpc, internal_pb2, internal_pb2_grpc
from yunsong.gateway.v1 import gateway_pb2
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_common.grpc import Channels
from yunsong_common.ids import new_id
from yunsong_gateway.identity.opening import Openings
from yunsong_gateway.identity.tokens import Tokens

_MIN_VISITOR_ID = 16
_MAX_ATTRIBUTES = 4096


class ContactSessions:
    """Opens and renews contacts' sessions."""

    def __init__(self, channels: Channels, tokens: Tokens, openings: Openings) -> None:
        self._channels = channels
        self._openings = openings
        self._tokens = tokens
        self._inbound = channel_pb2_grpc.InboundServiceStub(channels.channel_adapter)
        self._internal = internal_pb2_grpc.ConversationInternalServiceStub(channels.conversation)
        self._door = contact_door_pb2_grpc.ContactConversationServiceStub(channels.conversation)

    async def open(
        self, request: gateway_pb2.OpenContactSessionRequest, origin: str
    ) -> gateway_pb2.ContactSession:
        """Raises what the channel and the conversation service refuse: see the contract."""
        _check(request)
        visitor_id = request.visitor_id or secrets.token_urlsafe(24)
        proved = await self._inbound.AuthenticateContact(
            channel_pb2.AuthenticateContactRequest(
                inbox_key=request.inbox_key,
                origin=origin[:300],
                visitor_id=visitor_id,
                user_id=request.user_id,
                user_hash=request.user_hash,
                user_token=request.user_token,
            )
        )
        answer = await self._internal.EnsureContact(
            internal_pb2.EnsureContactRequest(
                inbox_id=proved.inbox.id,
                external_id=proved.external_id,
                verified=proved.verified,
                name=(proved.claims.get("name") or request.name)[:100],
                email=proved.claims.get("email", "")[:254],
                phone=proved.claims.get("phone", "")[:32],
                locale=request.locale,
                attributes=request.attributes if request.HasField("attributes") else None,
                # Only a visitor id that the client kept has conversations to bring along.
                previous_external_id=proved.previous_external_id if request.visitor_id else "",
            )
        )
        contact = answer.contact
        session = gateway_pb2.ContactSession(
            access_token=self._tokens.contact(
                contact.id,
                proved.inbox.id,
                proved.external_id,
                new_id(),
                contact.name,
                verified=proved.verified,
            ),
            expires_in=self._tokens.contact_s,
            contact_id=contact.id,
            visitor_id=visitor_id,
            verified=proved.verified,
            inbox=proved.inbox,
        )
        if answer.HasField("open_conversation"):
            session.open_conversation.CopyFrom(answer.open_conversation)
        await self._tell_opening(session)
        return session

    async def renew(self, principal: principal_pb2.Principal) -> gateway_pb2.ContactSession:
        """A fresh token for the same session; the contact must still be there."""
        metadata = self._channels.as_principal(principal)
        profile = await self._door.GetMyProfile(contact_door_pb2.GetMyProfileRequest(), metadata=metadata)
        inboxes = channel_pb2_grpc.InboxServiceStub(self._channels.channel_adapter)
        inbox = await inboxes.GetInbox(channel_pb2.GetInboxRequest(inbox_id=principal.inbox_id))
        conversations = await self._door.ListMyConversations(
            contact_door_pb2.ListMyConversationsRequest(page_size=1), metadata=metadata
        )
        session = gateway_pb2.ContactSession(
            access_token=self._tokens.contact(
                principal.actor_id,
                principal.inbox_id,
                "",
                principal.session_id,
                profile.name,
                verified=principal.verified,
            ),
            expires_in=self._tokens.contact_s,
            contact_id=principal.actor_id,
            verified=principal.verified,
            inbox=channel_pb2.PublicInbox(
                id=inbox.id,
                key=inbox.key,
                name=inbox.name,
                channel=inbox.channel,
                allowed_origins=inbox.allowed_origins,
                widget=inbox.widget if inbox.HasField("widget") else None,
                greeting=inbox.greeting,
                identity_required=inbox.identity_required,
            ),
        )
        for conversation in conversations.conversations:
            if not conversation.HasField("resolved_at"):
                session.open_conversation.CopyFrom(conversation)
        await self._tell_opening(session)
        return session

    async def _tell_opening(self, session: gateway_pb2.ContactSession) -> None:
        opening = await self._openings.of(session.inbox.id)
        session.open = opening.open
        if opening.next_open_at is not None:
            session.next_open_at.CopyFrom(opening.next_open_at)


def _check(request: gateway_pb2.OpenContactSessionRequest) -> None:
    """A visitor's id is its secret: a short one could be guessed."""
    problem = ""
    field = ""
    if request.visitor_id and len(request.visitor_id) < _MIN_VISITOR_ID:
        field, problem = (
            "visitor_id",
            f"must have at least {_MIN_VISITOR_ID} characters; leave it out to get one",
        )
    elif request.user_id and not (request.user_hash or request.user_token):
        field, problem = "user_id", "needs a proof: user_hash or user_token"
    elif request.attributes.ByteSize() > _MAX_ATTRIBUTES:
        field, problem = "attributes", f"is larger than {_MAX_ATTRIBUTES} bytes"
    if problem:
        raise InvalidArgument(
            reason="INVALID_REQUEST",
            message=f"The field {field} {problem}.",
            violations=[Violation(field=field, reason="INVALID", description=problem)],
        )
