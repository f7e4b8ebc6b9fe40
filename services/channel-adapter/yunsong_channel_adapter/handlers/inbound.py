"""What comes in: messages and receipts by REST, raw webhooks, and contacts who open a session."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from yunsong.conversation.v1 import internal_pb2
from yunsong_channel_adapter.channels import Catalogue
from yunsong_channel_adapter.domain.delivery import Status
from yunsong_channel_adapter.domain.identity import Claim, Identity, identify, user_external_id
from yunsong_channel_adapter.domain.inbox import Inbox
from yunsong_channel_adapter.inbound import InboundBatcher
from yunsong_channel_adapter.normalise import content_of
from yunsong_channel_adapter.outgoing import death_of
from yunsong_channel_adapter.repository import credentials, deliveries, inboxes, lanes, reports
from yunsong_channel_adapter.transport import view_of
from yunsong_channel_adapter.vault import Vault
from yunsong_channel_adapter.wire import timestamp_of
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
    YunsongError,
)
from yunsong_common.telemetry import Metrics
from yunsong_plugin_api import (
    Channel,
    ChannelError,
    ChannelInbox,
    HttpReply,
    HttpRequest,
    InboundMessage,
    PluginBusy,
    PluginRunner,
    PluginTimeout,
    Receipt,
    SignatureInvalid,
    WebhookResult,
)

LOG = logging.getLogger(__name__)

_WEBHOOK_S = 10.0
# A refusal that repeating the webhook cannot change: the channel must not send it again.
_FINAL = (AlreadyExists, InvalidArgument, PermissionDenied, NotFound, FailedPrecondition)


@dataclass(frozen=True)
class Inbound:
    """What comes in from outside channels."""

    database: Database
    catalogue: Catalogue
    vault: Vault
    batcher: InboundBatcher
    runner: PluginRunner
    metrics: Metrics
    wake_reporter: Callable[[], None]

    async def post_message(self, entry: internal_pb2.InboundEntry) -> internal_pb2.AppendResult:
        """Takes a message in from a business's own system, which answers for who wrote it."""
        inbox = await self._inbox(entry.inbox_id)
        if not self._channel(inbox).rest_inbound:
            raise FailedPrecondition(
                reason="CHANNEL_TAKES_NO_MESSAGES",
                message=f'messages of a "{inbox.channel}" inbox come over the channel itself, not by this operation',
            )
        inbox.must_take_messages()
        kind = entry.content.WhichOneof("kind")
        if kind is None or kind == "system":
            raise InvalidArgument(
                reason="CONTENT_REFUSED",
                message="content must hold one kind of message, and not a line of the product",
            )
        entry.identity = user_external_id(entry.identity)
        entry.verified = True
        return await self._post(inbox, entry)

    async def post_receipt(self, inbox_id: str, message_id: str, *, failed: bool, error: str) -> None:
        """Records what became of an outgoing message."""
        await self._inbox(inbox_id)

        async def work(tx: Transaction) -> bool:
            return await self._take_receipt(
                tx, inbox_id, state="failed" if failed else "delivered", error=error, message_id=message_id
            )

        if not await self.database.run(work):
            raise NotFound(
                reason="MESSAGE_UNKNOWN",
                message="no message with this id went out on this inbox, or it is too long ago",
                message_id=message_id,
            )
        self.wake_reporter()

    async def handle_webhook(self, inbox_key: str, request: HttpRequest) -> HttpReply:
        """Lets the channel read a webhook, stores what it holds, and only then answers."""
        async with self.database.read() as tx:
            inbox = await inboxes.get_by_key(tx, inbox_key)
            sets = await credentials.load(tx, self.vault, inbox.id)
        inbox.must_take_messages()
        try:
            result = await self._read(self._channel(inbox), request, view_of(inbox, sets))
        except SignatureInvalid as error:
            return _reply(401, str(error))
        except ChannelError as error:
            return _reply(400 if error.permanent else 503, str(error))
        for item in result.items:
            await self._take(inbox, item)
        return result.reply

    async def authenticate(self, inbox_key: str, origin: str, claim: Claim) -> tuple[Inbox, Identity]:
        """Checks the key, the page's origin and the proof of identity."""
        async with self.database.read() as tx:
            inbox = await inboxes.get_by_key(tx, inbox_key)
            sets = await credentials.load(tx, self.vault, inbox.id)
        inbox.must_take_messages()
        if not inbox.admits(origin):
            raise PermissionDenied(
                reason="ORIGIN_REFUSED",
                message=f"pages of {origin} may not use this inbox; add the origin to its allowed_origins",
                origin=origin,
            )
        return inbox, identify(claim, sets.values("identity_secret"), required=inbox.identity_required)

    async def _take(self, inbox: Inbox, item: InboundMessage | Receipt) -> None:
        if isinstance(item, Receipt):

            async def work(tx: Transaction) -> bool:
                return await self._take_receipt(
                    tx, inbox.id, state=item.state, error=item.error, external_id=item.external_id
                )

            await self.database.run(work)
            self.wake_reporter()
            return
        try:
            await self._post(inbox, _entry(inbox, item))
        except _FINAL as error:
            LOG.info("a message from outside is refused: %s", error.reason, extra={"inbox_id": inbox.id})

    async def _post(self, inbox: Inbox, entry: internal_pb2.InboundEntry) -> internal_pb2.AppendResult:
        try:
            result = await self.batcher.post(entry)
        except YunsongError as error:
            self.metrics.counter("yunsong_channel_inbound_total", inbox.channel, error.reason.lower()).inc()
            raise
        outcome = "duplicate" if result.duplicate else "stored"
        self.metrics.counter("yunsong_channel_inbound_total", inbox.channel, outcome).inc()

        await self._remember(inbox, result.conversation_id, entry.identity)
        return result

    async def _remember(self, inbox: Inbox, conversation_id: str, identity: str) -> None:
        # Nearly always the same person wrote before, and a read locks nothing.
        async with self.database.read() as tx:
            if await lanes.identity_of(tx, conversation_id) == identity:
                return

        async def work(tx: Transaction) -> None:
            await lanes.remember_identity(tx, conversation_id, inbox.id, identity)

        await self.database.run(work)

    async def _take_receipt(
        self,
        tx: Transaction,
        inbox_id: str,
        *,
        state: str,
        error: str,
        message_id: str = "",
        external_id: str = "",
    ) -> bool:
        delivery = await deliveries.lock_by_message(
            tx, inbox_id, message_id=message_id, external_id=external_id
        )
        if delivery is None:
            return False
        failed = state == "failed"
        if failed and delivery.status in (Status.SENT, Status.UNCERTAIN):
            await deliveries.mark_dead(tx, delivery, error or "the channel reported a failure")
            tx.emit(death_of(delivery, error, await tx.now()))
        await reports.put(
            tx,
            message_id=delivery.message_id,
            conversation_id=delivery.conversation_id,
            state="FAILED" if failed else "DELIVERED",
            error=error,
        )
        return True

    async def _read(self, channel: Channel, request: HttpRequest, inbox: ChannelInbox) -> WebhookResult:
        try:
            return await self.runner.run(_WEBHOOK_S, channel.receive, request, inbox)
        except (PluginBusy, PluginTimeout) as error:
            raise Unavailable(reason="CHANNEL_BUSY", message=str(error), retry_after_s=1.0) from error

    async def _inbox(self, inbox_id: str) -> Inbox:
        async with self.database.read() as tx:
            return await inboxes.get(tx, inbox_id)

    def _channel(self, inbox: Inbox) -> Channel:
        channel = self.catalogue.find(inbox.channel)
        if channel is None:
            raise FailedPrecondition(
                reason="CHANNEL_NOT_INSTALLED",
                message=f'the channel "{inbox.channel}" of this inbox is not installed here',
            )
        return channel


def http_request(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> HttpRequest:
    """A webhook as a channel sees it."""
    return HttpRequest(
        method=method.upper(),
        path=path,
        headers=headers,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        body=body,
        received_at=dt.datetime.now(dt.UTC),
    )


def _entry(inbox: Inbox, item: InboundMessage) -> internal_pb2.InboundEntry:
    return internal_pb2.InboundEntry(
        inbox_id=inbox.id,
        identity=item.identity,
        external_id=item.external_id,
        content=content_of(item),
        contact_name=item.display_name[:100],
        # The channel's signature covers who wrote.
        verified=True,
        sent_at=timestamp_of(item.sent_at),
    )


def _reply(status: int, text: str) -> HttpReply:
    return HttpReply(status=status, headers={"content-type": "text/plain; charset=utf-8"}, body=text.encode())
