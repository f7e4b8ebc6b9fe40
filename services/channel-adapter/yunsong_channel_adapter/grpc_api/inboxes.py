"""InboxService."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc, model_pb2
from yunsong_channel_adapter.grpc_api.paging import DEFAULT_SIZE, position_of, token_of
from yunsong_channel_adapter.handlers.inboxes import Inboxes
from yunsong_channel_adapter.repository import inboxes
from yunsong_channel_adapter.wire import inbox_from, inbox_to, json_of, struct_of
from yunsong_common.db import Transaction, once
from yunsong_common.grpc import current_call


@dataclass
class InboxServicer(channel_pb2_grpc.InboxServiceServicer):
    """Manages inboxes and their credentials."""

    handlers: Inboxes

    async def ListInboxes(
        self, request: channel_pb2.ListInboxesRequest, context: Any
    ) -> channel_pb2.ListInboxesResponse:
        """Lists inboxes by name."""
        del context
        size = request.page_size or DEFAULT_SIZE
        async with self.handlers.database.read() as tx:
            found = await inboxes.list_by_name(tx, position_of(request.page_token), size + 1)
        more = len(found) > size
        page = found[:size]
        return channel_pb2.ListInboxesResponse(
            inboxes=[inbox_to(each) for each in page],
            next_page_token=token_of(page[-1].name) if more else "",
        )

    async def GetInbox(self, request: channel_pb2.GetInboxRequest, context: Any) -> model_pb2.Inbox:
        """Gets one inbox."""
        del context
        async with self.handlers.database.read() as tx:
            return inbox_to(await inboxes.get(tx, request.inbox_id))

    async def CreateInbox(
        self, request: channel_pb2.CreateInboxRequest, context: Any
    ) -> channel_pb2.CreateInboxResponse:
        """Creates an inbox."""
        del context
        call = current_call()
        given = json_of(request.credentials)
        draft = inbox_from(request.inbox)
        await self.handlers.check_outside(draft, {"queue_id", "config"})

        async def work(tx: Transaction) -> model_pb2.Inbox:
            async def effect() -> model_pb2.Inbox:
                return inbox_to(await self.handlers.create(tx, draft, given))

            # What is stored under the key is the inbox alone: secrets lie nowhere in the clear.
            return await once(
                tx,
                key=call.idempotency_key,
                principal=call.principal.actor_id,
                method=call.method,
                request=request,
                response=model_pb2.Inbox,
                effect=effect,
            )

        inbox = await self.handlers.database.run(work)
        secrets = await self.handlers.made_secrets(inbox.id, given)
        return channel_pb2.CreateInboxResponse(inbox=inbox, secrets=secrets)

    async def UpdateInbox(self, request: channel_pb2.UpdateInboxRequest, context: Any) -> model_pb2.Inbox:
        """Changes an inbox."""
        del context
        inbox = await self.handlers.update(
            request.inbox_id,
            inbox_from(request.inbox),
            set(request.update_mask.paths),
            json_of(request.credentials),
        )
        return inbox_to(inbox)

    async def RotateInboxSecrets(
        self, request: channel_pb2.RotateInboxSecretsRequest, context: Any
    ) -> channel_pb2.RotateInboxSecretsResponse:
        """Makes new secrets for an inbox."""
        del context
        made = await self.handlers.rotate_secrets(request.inbox_id, dt.timedelta(seconds=request.overlap_s))
        return channel_pb2.RotateInboxSecretsResponse(secrets=made)

    async def DeleteInbox(
        self, request: channel_pb2.DeleteInboxRequest, context: Any
    ) -> channel_pb2.DeleteInboxResponse:
        """Deletes an inbox."""
        del context
        await self.handlers.delete(request.inbox_id)
        return channel_pb2.DeleteInboxResponse()

    async def ListChannels(
        self, request: channel_pb2.ListChannelsRequest, context: Any
    ) -> channel_pb2.ListChannelsResponse:
        """Lists the channels that are installed."""
        del request, context
        return channel_pb2.ListChannelsResponse(
            channels=[
                channel_pb2.ChannelType(
                    name=channel.kind,
                    source=source,
                    config_schema=struct_of(channel.config_schema),
                    credentials_schema=struct_of(channel.credentials_schema),
                )
                for channel, source in self.handlers.catalogue.all()
            ]
        )
