"""InboundService."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong.conversation.v1 import internal_pb2
from yunsong_channel_adapter.domain.identity import Claim
from yunsong_channel_adapter.handlers.inbound import Inbound, http_request
from yunsong_channel_adapter.repository import inboxes
from yunsong_channel_adapter.wire import public_inbox_to


@dataclass
class InboundServicer(channel_pb2_grpc.InboundServiceServicer):
    """What comes in for the `api` channel, and raw webhooks of any channel."""

    handlers: Inbound

    async def PostMessage(
        self, request: channel_pb2.PostMessageRequest, context: Any
    ) -> channel_pb2.PostMessageResponse:
        """Takes a message in from a business's own app or server."""
        del context
        entry = internal_pb2.InboundEntry(
            inbox_id=request.inbox_id,
            identity=request.identity,
            external_id=request.external_id,
            content=request.content,
            contact_name=request.contact_name,
            locale=request.locale,
            sent_at=request.sent_at if request.HasField("sent_at") else None,
        )
        result = await self.handlers.post_message(entry)
        return channel_pb2.PostMessageResponse(
            message_id=result.message_id,
            conversation_id=result.conversation_id,
            rev=result.rev,
            duplicate=result.duplicate,
        )

    async def PostReceipt(
        self, request: channel_pb2.PostReceiptRequest, context: Any
    ) -> channel_pb2.PostReceiptResponse:
        """Takes a receipt for an outgoing message."""
        del context
        await self.handlers.post_receipt(
            request.inbox_id,
            request.message_id,
            failed=request.kind == channel_pb2.RECEIPT_KIND_FAILED,
            error=request.error,
        )
        return channel_pb2.PostReceiptResponse()

    async def HandleWebhook(
        self, request: channel_pb2.HandleWebhookRequest, context: Any
    ) -> channel_pb2.HandleWebhookResponse:
        """Hands a channel's raw webhook on."""
        del context
        headers = {header.name.lower(): header.value for header in request.headers}
        reply = await self.handlers.handle_webhook(
            request.inbox_key,
            http_request(request.method, request.sub_path, request.query, headers, request.body),
        )
        return channel_pb2.HandleWebhookResponse(
            status=reply.status,
            headers=[channel_pb2.HttpHeader(name=name, value=value) for name, value in reply.headers.items()],
            body=reply.body,
        )

    async def AuthenticateContact(
        self, request: channel_pb2.AuthenticateContactRequest, context: Any
    ) -> channel_pb2.AuthenticateContactResponse:
        """Opens a contact's session on a web or app inbox."""
        del context
        claim = Claim(
            visitor_id=request.visitor_id,
            user_id=request.user_id,
            user_hash=request.user_hash,
            user_token=request.user_token,
        )
        inbox, identity = await self.handlers.authenticate(request.inbox_key, request.origin, claim)
        return channel_pb2.AuthenticateContactResponse(
            inbox=public_inbox_to(inbox),
            external_id=identity.external_id,
            verified=identity.verified,
            claims=identity.claims,
            previous_external_id=identity.previous_external_id,
        )

    async def GetInboxByKey(
        self, request: channel_pb2.GetInboxByKeyRequest, context: Any
    ) -> channel_pb2.PublicInbox:
        """Finds the public part of an inbox by its key."""
        del context
        async with self.handlers.database.read() as tx:
            return public_inbox_to(await inboxes.get_by_key(tx, request.key))
