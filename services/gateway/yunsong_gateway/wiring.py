"""The only place that constructs the gateway's parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version as distribution_version

from yunsong.conversation.v1 import internal_pb2_grpc
from yunsong.gateway.v1 import events_pb2, gateway_pb2_grpc
from yunsong.options.v1 import options_pb2
from yunsong_common.errors import Unavailable
from yunsong_common.grpc import Signer
from yunsong_common.service import Registries, Service
from yunsong_common.settings import SERVICES
from yunsong_gateway.app import App, Parts
from yunsong_gateway.bootstrap import ensure_admin
from yunsong_gateway.cors import Origins
from yunsong_gateway.files.http import FileApi
from yunsong_gateway.files.rights import FileRights
from yunsong_gateway.files.store import Files, open_store
from yunsong_gateway.grpc_api.business import BusinessApi
from yunsong_gateway.grpc_api.keys import ApiKeyApi, ContactSessionApi
from yunsong_gateway.grpc_api.sessions import SessionApi
from yunsong_gateway.grpc_api.system import SystemApi
from yunsong_gateway.grpc_api.users import UserApi
from yunsong_gateway.grpc_api.webhooks import WebhookApi
from yunsong_gateway.identity.audit import AuditLog
from yunsong_gateway.identity.authenticator import Authenticator
from yunsong_gateway.identity.contact_sessions import ContactSessions
from yunsong_gateway.identity.oidc import Oidc
from yunsong_gateway.identity.opening import Openings
from yunsong_gateway.identity.passwords import Passwords
from yunsong_gateway.identity.roles import Permissions
from yunsong_gateway.identity.tokens import Tokens
from yunsong_gateway.identity.vault import Vault
from yunsong_gateway.openapi.document import OpenApi
from yunsong_gateway.pages import Pages
from yunsong_gateway.realtime.appender import Appender
from yunsong_gateway.realtime.commands import Commands
from yunsong_gateway.realtime.endpoint import Endpoint
from yunsong_gateway.realtime.events import CONTRACT
from yunsong_gateway.realtime.hub import Hub
from yunsong_gateway.realtime.presence import PresenceLease
from yunsong_gateway.realtime.wheel import Wheel
from yunsong_gateway.references import References
from yunsong_gateway.settings import GatewaySettings
from yunsong_gateway.subscriptions import agents_of_users, files_of_erased
from yunsong_gateway.tables import SCHEMA
from yunsong_gateway.transcoding.catalogue import Catalogue
from yunsong_gateway.transcoding.transcoder import Transcoder
from yunsong_gateway.upkeep import SessionWatch, Upkeep
from yunsong_gateway.webhooks.inbound import ChannelWebhooks
from yunsong_gateway.webhooks.known import KnownWebhooks
from yunsong_gateway.webhooks.sender import WebhookSender

VERSION = distribution_version("yunsong-gateway")
_LEARN_WITHIN_S = 15.0


def build(settings: GatewaySettings, registries: Registries) -> Service:
    """The gateway as a value."""
    key = settings.release_key.get_secret_value()
    telemetry = registries.telemetry(settings, VERSION)
    database = registries.database(settings, SCHEMA)
    bus = registries.bus(settings)
    channels = registries.channels(settings, telemetry)

    catalogue = Catalogue(
        lambda: {
            **{name: registries.addresses.get(name) or settings.address_of(name) for name in SERVICES},
            **settings.upstreams,
        },
        file=settings.upstreams_file,
        recheck_s=settings.upstreams_recheck_s,
    )
    permissions = Permissions(lambda: _permissions_named(catalogue))
    tokens = Tokens(key, staff_s=settings.access_token_s, contact_s=settings.contact_token_s)
    vault = Vault(key)
    hasher = Passwords(memory_kib=settings.password_memory_kib)
    authenticator = Authenticator(database, tokens, permissions)
    files = Files(
        database,
        open_store(
            settings.files_url,
            settings.files_options,
            settings.files_access_key_id.get_secret_value(),
            settings.files_secret_access_key.get_secret_value(),
        ),
        key,
    )
    known_webhooks = KnownWebhooks(database, registries.clock)
    sender = WebhookSender(
        database,
        vault,
        known_webhooks,
        allow_private=settings.webhooks_allow_private,
        attempts=settings.webhook_attempts,
    )

    rights = FileRights(files, channels)
    references = References(rights, database)
    hub = Hub(bus, channels, telemetry)
    lease = PresenceLease(hub, channels)
    wheel = Wheel(hub, period_s=settings.heartbeat_s)
    appender = Appender(
        internal_pb2_grpc.ConversationInternalServiceStub(channels.conversation), lanes=settings.append_lanes
    )
    commands = Commands(hub, appender, bus, channels, Signer(key), references, telemetry)
    endpoint = Endpoint(hub, wheel, lease, commands, max_sockets=settings.max_sockets)
    origins = Origins(channels, settings.allowed_origins, settings.public_url)

    app = App(
        Parts(
            settings=settings,
            authenticator=authenticator,
            catalogue=catalogue,
            transcoder=Transcoder(
                catalogue,
                channels.as_principal,
                AuditLog(database).audited,
                references.check,
                timeout_s=settings.request_timeout_s,
                max_body=settings.max_body_bytes,
            ),
            openapi=OpenApi(VERSION),
            endpoint=endpoint,
            files=FileApi(files, settings.max_file_bytes),
            channel_webhooks=ChannelWebhooks(channels),
            origins=origins,
            oidc=Oidc(settings, database, vault),
            pages=Pages(settings.pages, origins, demo=settings.demo_shop, public_url=settings.public_url),
            telemetry=telemetry,
            version=VERSION,
        )
    )

    async def follow_revocations() -> None:
        await bus.subscribe_live(events_pb2.AccessRevoked, authenticator.on_revoked)
        bus.on_reconnect(authenticator.forget_all)

    async def first_administrator() -> None:
        if settings.first_administrator and settings.first_password.get_secret_value():
            await ensure_admin(
                database, settings.first_administrator, settings.first_password.get_secret_value()
            )

    registries.metrics(settings).gauge("yunsong_gateway_sockets").set_function(lambda: len(hub.connections))
    started = registries.clock.monotonic()

    async def services_are_learned() -> None:
        missing = catalogue.unlearned()
        # At a common start all come within seconds; later one that is away must not close the door to the others.
        if "gateway" in missing or (missing and registries.clock.monotonic() - started < _LEARN_WITHIN_S):
            raise Unavailable(
                reason="NOT_LEARNED", message=f"operations are not learned yet of: {', '.join(missing)}"
            )

    async def close() -> None:
        hasher.close()

    return Service(
        name="gateway",
        version=VERSION,
        settings=settings,
        database=database,
        bus=bus,
        channels=channels,
        migrations="yunsong_gateway.migrations",
        grpc=[
            (
                gateway_pb2_grpc.add_SessionServiceServicer_to_server,
                SessionApi(database, hasher, tokens, vault, permissions, session_s=settings.session_s),
            ),
            (
                gateway_pb2_grpc.add_UserServiceServicer_to_server,
                UserApi(database, channels, permissions, hasher),
            ),
            (gateway_pb2_grpc.add_ApiKeyServiceServicer_to_server, ApiKeyApi(database, permissions)),
            (
                gateway_pb2_grpc.add_ContactSessionServiceServicer_to_server,
                ContactSessionApi(ContactSessions(channels, tokens, Openings(channels, registries.clock))),
            ),
            (gateway_pb2_grpc.add_BusinessServiceServicer_to_server, BusinessApi(database, settings)),
            (
                gateway_pb2_grpc.add_WebhookServiceServicer_to_server,
                WebhookApi(database, vault, sender, allow_private=settings.webhooks_allow_private),
            ),
            (
                gateway_pb2_grpc.add_SystemServiceServicer_to_server,
                SystemApi(database, channels, files, rights, public_url=settings.public_url, version=VERSION),
            ),
        ],
        subscriptions=[
            agents_of_users(database, channels, permissions),
            files_of_erased(files),
            *sender.subscriptions(),
        ],
        tasks=[
            catalogue.run,
            hub.run,
            appender.run,
            wheel.run,
            lease.run,
            sender.run,
            known_webhooks.run,
            SessionWatch(database, hub).run,
            Upkeep(database, audit_days=settings.audit_days).run,
        ],
        http=app,
        startup=[follow_revocations, first_administrator],
        shutdown=[close],
        ready=[services_are_learned],
    )


def _permissions_named(catalogue: Catalogue) -> dict[str, set[str]]:
    """Every permission that a learned or built-in contract names, and the operations that it opens."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, access in _accesses(catalogue):
        if access.permission:
            found[access.permission].add(name)
    return found


def _accesses(catalogue: Catalogue) -> Iterable[tuple[str, options_pb2.Access]]:
    yield from CONTRACT.access.items()
    for binding in catalogue.routes.bindings:
        yield binding.method.full_name, binding.access
