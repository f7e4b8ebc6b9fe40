"""The door itself: every HTTP request and socket comes in here."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from yunsong.auth.v1 import principal_pb2
from yunsong_common.errors import Internal, NotFound, PermissionDenied, YunsongError
from yunsong_common.telemetry import Telemetry, current_traceparent, is_traceparent
from yunsong_gateway import cors
from yunsong_gateway.addresses import ClientAddress
from yunsong_gateway.cors import Origins
from yunsong_gateway.files.http import PATH as FILES_PATH
from yunsong_gateway.files.http import FileApi
from yunsong_gateway.http import Receive, Request, Response, Scope, Send
from yunsong_gateway.identity.authenticator import Authenticator, Identity, anonymous
from yunsong_gateway.identity.oidc import PREFIX as OIDC_PREFIX
from yunsong_gateway.identity.oidc import Oidc
from yunsong_gateway.limits import Limits
from yunsong_gateway.openapi.document import OpenApi
from yunsong_gateway.pages import Pages
from yunsong_gateway.problems import problem
from yunsong_gateway.realtime.asyncapi import asyncapi
from yunsong_gateway.realtime.endpoint import Admission, Endpoint
from yunsong_gateway.realtime.socket import Socket
from yunsong_gateway.settings import GatewaySettings
from yunsong_gateway.transcoding.catalogue import Catalogue
from yunsong_gateway.transcoding.transcoder import Transcoder
from yunsong_gateway.webhooks.inbound import PREFIX as WEBHOOKS_PREFIX
from yunsong_gateway.webhooks.inbound import ChannelWebhooks

log = logging.getLogger(__name__)

WS_PATH = "/api/v1/ws"
_SIGN_IN_PATHS = frozenset(("/api/v1/sessions", "/api/v1/sessions:refresh"))
# What a session may do before its user has replaced a password that somebody else knows.
_BEFORE_PASSWORD_CHANGE = frozenset(
    f"yunsong.gateway.v1.SessionService.{name}"
    for name in ("SignIn", "RefreshSession", "SignOut", "GetMe", "ChangeMyPassword")
)
_SECURITY = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-permitted-cross-domain-policies", "none"),
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the door is made of."""

    settings: GatewaySettings
    authenticator: Authenticator
    catalogue: Catalogue
    transcoder: Transcoder
    openapi: OpenApi
    endpoint: Endpoint
    files: FileApi
    channel_webhooks: ChannelWebhooks
    origins: Origins
    oidc: Oidc
    pages: Pages
    telemetry: Telemetry
    version: str


class App:
    """An ASGI application; its sockets speak through `websocket_protocol`."""

    websocket_protocol = Socket

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._limits = Limits()
        self._address = ClientAddress(parts.settings.trusted_proxies)
        self._security = list(_SECURITY)
        if parts.settings.is_https:
            self._security.append(("strict-transport-security", "max-age=31536000"))
        self._asyncapi = asyncapi(parts.version)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(Request(scope, receive, self._address.of(scope)), send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != WS_PATH:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._parts.endpoint.serve(scope, receive, send, self._admit)

    async def _admit(self, token: str, scope: Scope) -> Admission:
        """Signs a socket in. Raises Unauthenticated."""
        identity = await self._parts.authenticator.identify(token)
        if identity.password_change_required:
            raise _change_password_first()
        await self._check_origin(identity, _origin_of(scope))
        principal = principal_pb2.Principal()
        principal.CopyFrom(identity.principal)
        principal.client_address = self._address.of(scope)
        return Admission(principal, identity.expires_at)

    async def _http(self, request: Request, send: Send) -> None:
        parent = request.headers.get("traceparent", "")
        with self._parts.telemetry.span(
            "http", parent=parent if is_traceparent(parent) else "", method=request.method
        ):
            trace_id = current_traceparent().split("-")[1]
            extra = [*self._security, ("x-trace-id", trace_id)]
            response = await self._answer(request, trace_id)
            origin = request.headers.get("origin", "")
            if origin and await self._parts.origins.allows(origin, request.path):
                extra += cors.headers(origin, preflight=request.method == "OPTIONS")
            if request.path.startswith("/api/") and not any(
                name == "cache-control" for name, _ in response.headers
            ):
                extra.append(("cache-control", "no-store"))
            await response.send(send, extra, head=request.method == "HEAD")

    async def _answer(self, request: Request, trace_id: str) -> Response:
        try:
            return await self._route(request, trace_id)
        except YunsongError as error:
            return problem(error, trace_id)
        except Exception:
            log.exception("a request failed")
            return problem(
                Internal(reason="INTERNAL", message="The request failed; the fault is logged."), trace_id
            )

    async def _route(self, request: Request, trace_id: str) -> Response:
        path = request.path
        if not path.startswith("/api/"):
            return await self._document(request)
        if request.method == "OPTIONS":
            return Response(204)
        if path.startswith(WEBHOOKS_PREFIX):
            self._limits.take(f"webhook {request.client_address}", per_minute=6000)
            return await self._parts.channel_webhooks.handle(request)
        if path.startswith(OIDC_PREFIX):
            self._limit_sign_in(request)
            return await self._parts.oidc.handle(request)
        file_id = _content_of(path)
        if file_id and request.method in ("GET", "HEAD"):
            return await self._parts.files.download(request, file_id)
        principal = await self._principal(request)
        if path == FILES_PATH and request.method == "POST":
            return await self._parts.files.upload(request, principal)
        return await self._parts.transcoder.handle(request, principal, trace_id)

    async def _document(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise NotFound(reason="ROUTE_UNKNOWN", message=f"There is no operation at {request.path[:200]}.")
        if request.path == "/openapi.json":
            return Response(
                200, self._parts.openapi.document(self._parts.catalogue.routes), headers=_ANY_ORIGIN
            )
        if request.path == "/asyncapi.json":
            return Response(200, self._asyncapi, headers=_ANY_ORIGIN)
        return await self._parts.pages.serve(request)

    async def _principal(self, request: Request) -> principal_pb2.Principal:
        token = _bearer(request)
        if token:
            identity = await self._parts.authenticator.identify(token)
            self._limit(identity)
            if identity.password_change_required and not self._is_open_before_change(request):
                raise _change_password_first()
            await self._check_origin(identity, request.headers.get("origin", ""))
            principal = principal_pb2.Principal()
            principal.CopyFrom(identity.principal)
        else:
            self._limit_anonymous(request)
            principal = anonymous()
        principal.client_address = request.client_address
        return principal

    async def _check_origin(self, identity: Identity, origin: str) -> None:
        """A contact's token works on the pages of its inbox alone, not on any page that got hold of it."""
        principal = identity.principal
        if principal.kind == principal_pb2.ACTOR_KIND_CONTACT and await self._parts.origins.refuses(
            origin, principal.inbox_id
        ):
            raise PermissionDenied(
                reason="ORIGIN_REFUSED",
                message=f"Pages of {origin[:200]} may not use this inbox; add it to the inbox's allowed origins.",
            )

    def _is_open_before_change(self, request: Request) -> bool:
        binding = self._parts.transcoder.find(request).get(request.method)
        return binding is not None and binding.method.full_name in _BEFORE_PASSWORD_CHANGE

    def _limit(self, identity: Identity) -> None:
        settings, principal = self._parts.settings, identity.principal
        per_minute = {
            principal_pb2.ACTOR_KIND_API_KEY: identity.rate_per_minute or settings.api_key_per_minute,
            principal_pb2.ACTOR_KIND_CONTACT: settings.contact_per_minute,
        }.get(principal.kind, settings.staff_per_minute)
        self._limits.take(f"actor {principal.actor_id}", per_minute=per_minute)

    def _limit_anonymous(self, request: Request) -> None:
        if request.path in _SIGN_IN_PATHS:
            self._limit_sign_in(request)
        self._limits.take(
            f"address {request.client_address}", per_minute=self._parts.settings.anonymous_per_minute
        )

    def _limit_sign_in(self, request: Request) -> None:
        self._limits.take(
            f"sign-in {request.client_address}", per_minute=self._parts.settings.sign_ins_per_minute
        )


_ANY_ORIGIN = [("access-control-allow-origin", "*"), ("cache-control", "no-cache")]


def _origin_of(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")


def _change_password_first() -> PermissionDenied:
    return PermissionDenied(
        reason="PASSWORD_CHANGE_REQUIRED",
        message="Replace the first password by one of your own (POST /api/v1/me:change_password); then everything else opens.",
    )


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _content_of(path: str) -> str:
    """The file's id in /api/v1/files/{id}/content."""
    if path.startswith(f"{FILES_PATH}/") and path.endswith("/content"):
        return path.removeprefix(f"{FILES_PATH}/").removesuffix("/content")
    return ""
