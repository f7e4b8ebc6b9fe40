"""Puts the channel adapter together; the only place that constructs adapters."""

from __future__ import annotations

from yunsong.channel.v1 import channel_pb2_grpc
from yunsong_channel_adapter.channels import Catalogue
from yunsong_channel_adapter.domain.delivery import RetryPolicy
from yunsong_channel_adapter.egress import Egress
from yunsong_channel_adapter.files import FileLinks
from yunsong_channel_adapter.grpc_api import DeliveryServicer, InboundServicer, InboxServicer
from yunsong_channel_adapter.handlers.deliveries import Deliveries
from yunsong_channel_adapter.handlers.inbound import Inbound
from yunsong_channel_adapter.handlers.inboxes import Inboxes
from yunsong_channel_adapter.housekeeping import Housekeeping
from yunsong_channel_adapter.inbound import InboundBatcher
from yunsong_channel_adapter.owner import Owner
from yunsong_channel_adapter.queues import Queues
from yunsong_channel_adapter.reporter import Reporter
from yunsong_channel_adapter.sender import Bounds, Sender
from yunsong_channel_adapter.settings import ChannelAdapterSettings
from yunsong_channel_adapter.subscriptions import subscriptions
from yunsong_channel_adapter.transport import Transport
from yunsong_channel_adapter.vault import Vault
from yunsong_common.service import Registries, Service
from yunsong_plugin_api import PluginRunner

VERSION = "0.1.0"


def build(
    settings: ChannelAdapterSettings, registries: Registries, catalogue: Catalogue | None = None
) -> Service:
    """The service. `catalogue` replaces the installed channels, for tests."""
    catalogue = catalogue or Catalogue()
    database = registries.database(settings, "channel_adapter")
    channels = registries.channels(settings, registries.telemetry(settings, VERSION))
    metrics = registries.metrics(settings)
    vault = Vault(settings.encryption_key.get_secret_value(), settings.previous_keys)
    owner = Owner(channels.conversation, catalogue)
    egress = Egress(
        timeout_s=settings.send_timeout_s,
        max_answer_bytes=settings.max_answer_bytes,
        allow_private=settings.allow_private_addresses,
        max_connections=settings.max_sending * 2,
    )
    runner = PluginRunner(threads=settings.max_sending + 4, max_stuck=settings.max_sending, name="channel")
    transport = Transport(
        database=database,
        catalogue=catalogue,
        vault=vault,
        egress=egress,
        files=FileLinks(channels.gateway),
        runner=runner,
        timeout_s=settings.send_timeout_s,
    )
    sender = Sender(
        database=database,
        owner=owner,
        transport=transport,
        policy=RetryPolicy(settings.max_attempts, settings.retry_base_s, settings.retry_max_s),
        bounds=Bounds(
            sending=settings.max_sending,
            sending_per_inbox=settings.max_sending_per_inbox,
            lease_s=settings.lease_s,
            attempt_s=settings.send_timeout_s,
        ),
        metrics=metrics,
        clock=registries.clock,
    )
    reporter = Reporter(database, channels.conversation)
    sender.on_settled(reporter.wake)
    batcher = InboundBatcher(channels.conversation, max_waiting=settings.max_waiting_inbound)
    housekeeping = Housekeeping(database, vault, registries.clock, delivery_days=settings.delivery_days)

    async def close_runner() -> None:
        runner.close()

    return Service(
        name="channel-adapter",
        version=VERSION,
        settings=settings,
        database=database,
        bus=registries.bus(settings),
        migrations="yunsong_channel_adapter.migrations",
        channels=channels,
        package="channel",
        grpc=(
            (
                channel_pb2_grpc.add_InboxServiceServicer_to_server,
                InboxServicer(Inboxes(database, catalogue, vault, owner, Queues(channels.router), egress)),
            ),
            (
                channel_pb2_grpc.add_DeliveryServiceServicer_to_server,
                DeliveryServicer(Deliveries(database, sender.wake)),
            ),
            (
                channel_pb2_grpc.add_InboundServiceServicer_to_server,
                InboundServicer(Inbound(database, catalogue, vault, batcher, runner, metrics, reporter.wake)),
            ),
        ),
        subscriptions=subscriptions(catalogue, sender.wake),
        tasks=(sender.run, reporter.run, batcher.run, housekeeping.prune),
        startup=(egress.start, housekeeping.reseal),
        shutdown=(egress.close, close_runner),
    )
