"""The channel adapter on a real PostgreSQL and a real NATS, beside a double of the conversation service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.channel_adapter.channels import Hook, SmsChannel, webhook_receiver
from tests.integration.channel_adapter.conversation_double import ConversationDouble, conversation_double
from tests.integration.channel_adapter.gateway_double import GatewayDouble, gateway_double
from tests.integration.channel_adapter.router_double import RouterDouble, router_double
from tests.support.polling import eventually
from yunsong.auth.v1 import principal_pb2
from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc, model_pb2
from yunsong_channel_adapter.channels import ApiChannel, Catalogue, WebChannel
from yunsong_channel_adapter.settings import ChannelAdapterSettings
from yunsong_channel_adapter.wire import struct_of
from yunsong_channel_adapter.wiring import build
from yunsong_common.bus import declare_streams
from yunsong_common.db import Database, run_migrations
from yunsong_common.grpc import Channels
from yunsong_common.ids import new_id
from yunsong_common.service import Registries, Service, serve
from yunsong_plugin_api import Channel, LoadedPlugin

RELEASE_KEY = "a-release-key-that-is-long-enough-for-tests"
ENCRYPTION_KEY = "an-encryption-key-that-is-long-enough"
ADMIN = principal_pb2.Principal(
    kind=principal_pb2.ACTOR_KIND_STAFF,
    actor_id="01890000-0000-7000-8000-0000000000aa",
    permissions=["inbox.read", "inbox.write", "delivery.read", "delivery.write", "inbound.write"],
)


@dataclass
class Replica:
    """One running channel adapter, its RPCs as an administrator and as the gateway."""

    channels: Channels
    task: asyncio.Task[None]
    registries: Registries

    @property
    def inboxes(self) -> channel_pb2_grpc.InboxServiceStub:
        return channel_pb2_grpc.InboxServiceStub(self.channels.channel_adapter)

    @property
    def deliveries(self) -> channel_pb2_grpc.DeliveryServiceStub:
        return channel_pb2_grpc.DeliveryServiceStub(self.channels.channel_adapter)

    @property
    def inbound(self) -> channel_pb2_grpc.InboundServiceStub:
        return channel_pb2_grpc.InboundServiceStub(self.channels.channel_adapter)

    def admin(self, *, idempotency_key: str = "") -> Any:
        return self.channels.as_principal(ADMIN, idempotency_key=idempotency_key)

    async def create(
        self,
        channel: str = "api",
        *,
        config: dict[str, Any] | None = None,
        credentials: Any = None,
        **fields: Any,
    ) -> channel_pb2.CreateInboxResponse:
        inbox = model_pb2.Inbox(
            name=f"Inbox {new_id()}", channel=channel, enabled=True, config=struct_of(config or {})
        )
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(inbox, name).extend(value)
            else:
                setattr(inbox, name, value)
        request = channel_pb2.CreateInboxRequest(inbox=inbox, credentials=struct_of(credentials or {}))
        created: channel_pb2.CreateInboxResponse = await self.inboxes.CreateInbox(
            request, metadata=self.admin()
        )
        return created

    async def list_deliveries(self, **filters: Any) -> list[channel_pb2.Delivery]:
        request = channel_pb2.ListDeliveriesRequest(page_size=200, **filters)
        return list((await self.deliveries.ListDeliveries(request, metadata=self.admin())).deliveries)

    async def statuses(self, **filters: Any) -> list[str]:
        """Statuses of deliveries, oldest first."""
        found = await self.list_deliveries(**filters)
        names = [channel_pb2.DeliveryStatus.Name(each.status) for each in reversed(found)]
        return [name.removeprefix("DELIVERY_STATUS_") for name in names]


@dataclass
class Field:
    """The double, the receiver, the plugin, and the replicas that run beside them."""

    conversation: ConversationDouble
    conversation_address: str
    hook: Hook
    router: RouterDouble
    gateway: GatewayDouble
    database: Database
    sms: SmsChannel = field(default_factory=SmsChannel)
    settings: dict[str, Any] = field(default_factory=dict)
    replicas: list[Replica] = field(default_factory=list)

    async def start(self, **settings: Any) -> Replica:
        """A replica that serves."""
        registries = Registries()

        def build_with_sms(settings: ChannelAdapterSettings, registries: Registries) -> Service:
            plugins: list[Channel] = [WebChannel(), ApiChannel(), self.sms]
            return build(
                settings,
                registries,
                Catalogue({each.kind: LoadedPlugin(each.kind, "", each) for each in plugins}),
            )

        task = asyncio.create_task(serve([build_with_sms], registries, **{**self.settings, **settings}))
        await eventually(
            lambda: task.done() or registries.addresses.get("channel-adapter"), what="an address"
        )
        if task.done():
            await task
        channels = Channels(
            service="gateway",
            release_key=RELEASE_KEY,
            addresses={"channel-adapter": registries.addresses["channel-adapter"]},
        )
        replica = Replica(channels, task, registries)
        await eventually(lambda: _serves(replica), what="a channel adapter that serves")
        self.replicas.append(replica)
        return replica

    async def stop(self, replica: Replica) -> None:
        """Stops it as SIGTERM does."""
        self.replicas.remove(replica)
        await replica.channels.close()
        replica.task.cancel()
        await asyncio.gather(replica.task, return_exceptions=True)

    async def sms_inbox(self, replica: Replica) -> model_pb2.Inbox:
        return (await replica.create("sms", credentials={"token": "t0ken"})).inbox

    async def api_inbox(self, replica: Replica) -> model_pb2.Inbox:
        return (await replica.create("api", config={"url": self.hook.url})).inbox


@pytest.fixture
async def adapters(postgres_url: str, nats_url: str) -> AsyncIterator[Field]:
    """`await adapters.start()` gives a replica; all stop with the test."""
    async with adapters_on(postgres_url, nats_url) as made:
        yield made


@contextlib.asynccontextmanager
async def adapters_on(postgres_url: str, nats_url: str) -> AsyncIterator[Field]:
    """The same on servers of one's own."""
    await run_migrations("yunsong_channel_adapter.migrations", postgres_url, "channel_adapter")
    await declare_streams(nats_url, ["conversation", "channel"])
    async with contextlib.AsyncExitStack() as stack:
        double, address = await stack.enter_async_context(
            conversation_double(postgres_url, nats_url, RELEASE_KEY)
        )
        router, router_address = await stack.enter_async_context(router_double(RELEASE_KEY))
        gateway, gateway_address = await stack.enter_async_context(gateway_double(RELEASE_KEY))
        hook = await stack.enter_async_context(webhook_receiver())
        database = Database(postgres_url, schema="channel_adapter")
        stack.push_async_callback(database.close)
        made = Field(double, address, hook, router, gateway, database)
        made.settings = {
            "database_url": postgres_url,
            "nats_url": nats_url,
            "release_key": RELEASE_KEY,
            "encryption_key": ENCRYPTION_KEY,
            "conversation_address": address,
            "router_address": router_address,
            "gateway_address": gateway_address,
            "grpc_host": "127.0.0.1",
            "grpc_port": 0,
            "ops_host": "127.0.0.1",
            "ops_port": 0,
            "grace_s": 5.0,
            "retry_base_s": 0.02,
            "retry_max_s": 0.1,
            "max_attempts": 4,
            "send_timeout_s": 2.0,
            "lease_s": 7.0,
            "allow_private_addresses": True,
        }
        yield made
        made.sms.gate.set()
        hook.gate.set()
        for replica in list(made.replicas):
            await made.stop(replica)


@pytest.fixture
async def adapter(adapters: Field) -> Replica:
    """One running replica."""
    return await adapters.start()


async def _serves(replica: Replica) -> bool:
    try:
        await replica.inboxes.ListInboxes(channel_pb2.ListInboxesRequest(), metadata=replica.admin())
    except Exception as error:  # whatever it is, the service does not serve yet
        raise AssertionError(repr(error)) from error
    return True
