"""One attempt to deliver: finds the inbox and its channel, and runs the channel's code off the event loop."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import Any

from yunsong_channel_adapter.channels import Catalogue
from yunsong_channel_adapter.domain.content import file_id_of, fit, kind_of
from yunsong_channel_adapter.domain.delivery import Delivery, Outcome, Status
from yunsong_channel_adapter.domain.identity import identity_of_user
from yunsong_channel_adapter.domain.inbox import Inbox
from yunsong_channel_adapter.egress import Egress
from yunsong_channel_adapter.files import FileLinks
from yunsong_channel_adapter.repository import credentials, inboxes
from yunsong_channel_adapter.repository.credentials import CredentialSets
from yunsong_channel_adapter.vault import Vault
from yunsong_common.db import Database
from yunsong_common.errors import Internal, ResourceExhausted, Unavailable
from yunsong_plugin_api import (
    Attachment,
    Channel,
    ChannelError,
    ChannelInbox,
    Outbound,
    PluginBusy,
    PluginRunner,
    PluginTimeout,
)

LOG = logging.getLogger(__name__)

# The channel's own HTTP call ends first, with a sentence that says more.
_MARGIN_S = 2.0


class Transport:
    """Between a delivery and its channel."""

    def __init__(
        self,
        *,
        database: Database,
        catalogue: Catalogue,
        vault: Vault,
        egress: Egress,
        files: FileLinks,
        runner: PluginRunner,
        timeout_s: float,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._vault = vault
        self._egress = egress
        self._files = files
        self._runner = runner
        self._timeout_s = timeout_s

    def is_idempotent(self, channel_name: str) -> bool:
        """Whether the channel takes a message once however often it is sent; not, when it is not installed."""
        channel = self._catalogue.find(channel_name)
        return channel is not None and channel.idempotent

    async def send(self, delivery: Delivery, identity: str) -> Outcome:
        """Hands a delivery to its channel. Whatever goes wrong becomes an outcome."""
        if not identity:
            return Outcome(Status.DEAD, "the contact has no identity on this inbox, or is gone")
        try:
            async with self._database.read() as tx:
                inbox = await inboxes.find(tx, delivery.inbox_id)
                if inbox is None:
                    return Outcome(Status.DEAD, "the inbox was deleted")
                secrets = await credentials.load(tx, self._vault, inbox.id)
            file_id = file_id_of(delivery.message["content"])
            attachment = await self._files.attachment(file_id) if file_id else None
        except (Unavailable, ResourceExhausted, Internal) as error:
            return Outcome(Status.RETRYING, error.message)
        channel = self._catalogue.find(inbox.channel)
        if channel is None:
            return Outcome(Status.DEAD, f'the channel "{inbox.channel}" is not installed')
        message = _outbound(delivery, identity, channel, attachment)
        if message is None:
            return Outcome(Status.SKIPPED, "the channel cannot show this message")
        return await self._run(channel, message, view_of(inbox, secrets))

    async def _run(self, channel: Channel, message: Outbound, inbox: ChannelInbox) -> Outcome:
        try:
            sent = await self._runner.run(
                self._timeout_s + _MARGIN_S, channel.send, message, inbox, self._egress.call
            )
        except ChannelError as error:
            return _outcome(error, channel)
        except PluginBusy as error:
            return Outcome(Status.RETRYING, str(error))
        except PluginTimeout as error:
            return _outcome(ChannelError(str(error), uncertain=True), channel)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # A plugin's mistake: nobody knows how far it came.
            LOG.exception("the channel %r failed", channel.kind)
            return _outcome(
                ChannelError(f"the channel failed: {type(error).__name__}", uncertain=True), channel
            )
        return Outcome(Status.SENT, external_id=sent.external_id[:200])


def view_of(inbox: Inbox, secrets: CredentialSets) -> ChannelInbox:
    """An inbox as channels see it."""
    return ChannelInbox(
        id=inbox.id,
        key=inbox.key,
        config=inbox.config,
        credentials=secrets.current,
        previous_credentials=secrets.previous,
    )


def _outcome(error: ChannelError, channel: Channel) -> Outcome:
    text = str(error)[:500]
    if error.permanent:
        return Outcome(Status.DEAD, text)
    if error.uncertain and not channel.idempotent:
        return Outcome(Status.UNCERTAIN, text)
    return Outcome(Status.RETRYING, text, retry_after_s=error.retry_after_s)


def _outbound(
    delivery: Delivery, identity: str, channel: Channel, attachment: Attachment | None
) -> Outbound | None:
    stored: dict[str, Any] = delivery.message["content"]
    if attachment is not None:
        stored = {kind: {**fields, "url": attachment.url} for kind, fields in stored.items()}
    content = fit(stored, channel.sends)
    if content is None:
        return None
    kind = kind_of(content)
    return Outbound(
        message_id=delivery.message_id,
        conversation_id=delivery.conversation_id,
        rev=delivery.rev,
        identity=identity_of_user(identity),
        kind=kind,  # type: ignore[arg-type]  # the kinds of Content are those of the plugin API
        text=str(content[kind].get("text", "")),
        attachment=attachment,
        details=content[kind],
        author_kind=delivery.message["author_kind"],
        author_name=delivery.message["author_name"],
        attempt=delivery.attempts,
        sent_at=dt.datetime.fromisoformat(delivery.message["created_at"]),
    )
