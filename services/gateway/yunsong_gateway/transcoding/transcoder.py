"""Serves a REST request: finds the operation, checks who asks, builds the message, calls, answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl

import grpc
import orjson
from google.protobuf.message import Message

from yunsong.auth.v1 import principal_pb2
from yunsong.options.v1 import options_pb2
from yunsong_common.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    Violation,
)
from yunsong_common.telemetry import current_traceparent
from yunsong_gateway.grpc_api.client_facts import facts
from yunsong_gateway.http import Request, Response, UnsupportedMediaType
from yunsong_gateway.problems import problem
from yunsong_gateway.references import RulesOf
from yunsong_gateway.transcoding.binding import HTTP_BODY, Binding
from yunsong_gateway.transcoding.catalogue import Catalogue
from yunsong_gateway.transcoding.status import error_from

log = logging.getLogger(__name__)

_STAFF = (principal_pb2.ACTOR_KIND_STAFF, principal_pb2.ACTOR_KIND_API_KEY)
_MAX_QUERY_FIELDS = 200

Metadata = tuple[tuple[str, str], ...]


class Sign(Protocol):
    """Makes the metadata of a call in somebody's name."""

    def __call__(self, principal: principal_pb2.Principal, *, idempotency_key: str) -> Metadata: ...


Audited = Callable[
    [principal_pb2.Principal, Binding, Message, Callable[[], Awaitable[Message]]], Awaitable[Message]
]


CheckReferences = Callable[[principal_pb2.Principal, Message, RulesOf], Awaitable[None]]


class Transcoder:
    """REST to gRPC over what the catalogue has learned.

    `sign` makes the metadata of a call. `audited` runs a call that belongs in the audit
    log and writes it there. `check_references` refuses a message that names a file that is not the caller's
    to pass on, or a user who is not there.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        sign: Sign,
        audited: Audited,
        check_references: CheckReferences,
        *,
        timeout_s: float,
        max_body: int,
    ) -> None:
        self._catalogue = catalogue
        self._sign = sign
        self._audited = audited
        self._check_references = check_references
        self._timeout_s = timeout_s
        self._max_body = max_body

    def find(self, request: Request) -> dict[str, Binding]:
        """HTTP method -> operation at the request's path. Who may GET may HEAD (RFC 9110, 9.3.2)."""
        found = self._catalogue.routes.table.find(request.raw_path[1:].split("/"))
        return {"HEAD": found["GET"], **found} if "GET" in found else found

    async def handle(self, request: Request, principal: principal_pb2.Principal, trace_id: str) -> Response:
        """Answers a request; errors of the callee and of the request are raised."""
        bindings = self.find(request)
        if not bindings:
            if missing := self._catalogue.unlearned():
                raise Unavailable(
                    reason="SERVICE_NOT_LEARNED",
                    message=f"The operations of {', '.join(missing)} are not known yet; try again soon.",
                    retry_after_s=2.0,
                )
            raise NotFound(
                reason="ROUTE_UNKNOWN",
                message=f"There is no operation at {request.path[:200]}; see /openapi.json.",
            )
        binding = bindings.get(request.method)
        if binding is None:
            allowed = ", ".join(sorted(bindings))
            error = InvalidArgument(
                reason="METHOD_NOT_ALLOWED",
                message=f"{request.method} is not possible here; possible: {allowed}.",
            )
            response = problem(error, trace_id, 405)
            response.headers.append(("allow", allowed))
            return response
        check_access(binding.access, principal)
        message = await self._message(binding, request)
        await self._check_references(principal, message, binding.decoders.rules_of)
        answer = await self._call(binding, message, request, principal)
        return _response(binding, answer)

    async def _message(self, binding: Binding, request: Request) -> Message:
        body: Any = None
        given = False
        raw: tuple[str, bytes] | None = None
        if binding.body:
            data = await request.body(self._max_body)
            if binding.is_raw_request:
                raw = (request.headers.get("content-type", ""), data)
            elif data:
                body, given = _json(request, data), True
        elif int(request.headers.get("content-length", "0") or 0) > 0:
            await request.body(self._max_body)
        try:
            parts = request.raw_path[1:].split("/")
            query = parse_qsl(
                request.query_string,
                keep_blank_values=True,
                max_num_fields=_MAX_QUERY_FIELDS,
                errors="strict",
            )
            message: Any = binding.request(parts, query, body, given)
        except (UnicodeDecodeError, ValueError) as error:
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message="The path or the query is not percent-encoded UTF-8, or has too many parameters.",
                violations=[
                    Violation(field="", reason="ENCODING", description="is not percent-encoded UTF-8")
                ],
            ) from error
        if raw is not None:
            target = getattr(message, binding.body)
            target.content_type, target.data = raw
        built: Message = message
        return built

    async def _call(
        self, binding: Binding, message: Message, request: Request, principal: principal_pb2.Principal
    ) -> Message:
        key = request.headers.get("idempotency-key", "") if binding.access.idempotency_key else ""
        if not all(" " <= character <= "~" for character in key):  # all that gRPC's metadata can hold
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message="The Idempotency-Key is printable ASCII.",
                violations=[
                    Violation(
                        field="Idempotency-Key",
                        reason="INVALID_CHARACTER",
                        description="is not printable ASCII",
                    )
                ],
            )
        if len(key) > 128:
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message="The Idempotency-Key is longer than 128 characters.",
                violations=[
                    Violation(
                        field="Idempotency-Key", reason="TOO_LONG", description="at most 128 characters"
                    )
                ],
            )
        traceparent = current_traceparent()
        metadata = (
            *self._sign(principal, idempotency_key=key),
            *((("traceparent", traceparent),) if traceparent else ()),
            *facts(request.headers),
        )

        async def invoke() -> Message:
            return await self._invoke(binding, message, metadata)

        if binding.access.audited:
            return await self._audited(principal, binding, message, invoke)
        return await invoke()

    async def _invoke(self, binding: Binding, message: Message, metadata: Metadata) -> Message:
        channel = self._catalogue.channel(binding.upstream)
        if channel is None:
            raise Unavailable(
                reason="SERVICE_UNAVAILABLE", message=f"The service {binding.upstream} left.", retry_after_s=1
            )
        call = channel.unary_unary(
            binding.rpc,
            request_serializer=binding.request_type.SerializeToString,
            response_deserializer=binding.response_type.FromString,
        )
        try:
            answer: Message = await call(message, metadata=metadata, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                self._catalogue.suspect(binding.upstream)
            made = error_from(error, binding.upstream)
            if made.reason == "INTERNAL":
                log.exception("a call failed", extra={"rpc": binding.rpc, "status": error.code().name})
            raise made from error
        return answer


def check_access(access: options_pb2.Access, principal: principal_pb2.Principal) -> None:
    """Raises Unauthenticated or PermissionDenied unless the contract opens the operation to this caller.

    The callee checks again; here it spares the call and gives the better message.
    """
    if access.anonymous:
        return
    kind = principal.kind
    if kind in _STAFF:
        if access.staff and kind == principal_pb2.ACTOR_KIND_STAFF:
            return
        if access.permission and access.permission in principal.permissions:
            return
    if access.contact and kind == principal_pb2.ACTOR_KIND_CONTACT:
        return
    if kind == principal_pb2.ACTOR_KIND_ANONYMOUS:
        raise Unauthenticated(
            reason="TOKEN_NEEDED", message="Sign in and send the token as Authorization: Bearer."
        )
    if access.permission and kind in _STAFF:
        raise PermissionDenied(
            reason="PERMISSION_MISSING",
            message=f"This needs the permission {access.permission}.",
            permission=access.permission,
        )
    raise PermissionDenied(reason="ACCESS_DENIED", message="This operation is not for this kind of caller.")


def _json(request: Request, data: bytes) -> Any:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(
            reason="MEDIA_TYPE_UNSUPPORTED",
            message="Send the body as Content-Type: application/json.",
        )
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(
            reason="JSON_INVALID",
            message=f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
        ) from error


def _response(binding: Binding, answer: Any) -> Response:
    if binding.method.output_type.full_name == HTTP_BODY:
        return Response(200, answer.data, answer.content_type or "application/octet-stream")
    if binding.method.output_type.full_name == "google.protobuf.Empty":
        return Response(204)
    return Response.json(binding.answer(answer))
