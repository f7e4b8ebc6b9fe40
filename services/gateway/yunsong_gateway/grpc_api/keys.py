"""ApiKeyService and ContactSessionService."""

from __future__ import annotations

from typing import Any

from yunsong.auth.v1 import principal_pb2
from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc, model_pb2
from yunsong_common.db import Database
from yunsong_common.grpc import current_principal
from yunsong_gateway.grpc_api.client_facts import origin
from yunsong_gateway.identity import api_keys
from yunsong_gateway.identity.contact_sessions import ContactSessions
from yunsong_gateway.identity.roles import Permissions
from yunsong_gateway.times import moment, stamp


def _key_message(key: api_keys.ApiKey) -> model_pb2.ApiKey:
    return model_pb2.ApiKey(
        id=key.id,
        name=key.name,
        permissions=key.permissions,
        prefix=f"{api_keys.MARK}{key.prefix}",
        expires_at=stamp(key.expires_at),
        created_at=stamp(key.created_at),
        last_used_at=stamp(key.last_used_at),
        rate_per_minute=key.rate_per_minute,
    )


class ApiKeyApi(gateway_pb2_grpc.ApiKeyServiceServicer):
    """See gateway.proto."""

    def __init__(self, database: Database, permissions: Permissions) -> None:
        self._database = database
        self._permissions = permissions

    async def ListApiKeys(
        self, request: gateway_pb2.ListApiKeysRequest, context: Any
    ) -> gateway_pb2.ListApiKeysResponse:
        async with self._database.read() as tx:
            keys = await api_keys.all_keys(tx)
        return gateway_pb2.ListApiKeysResponse(api_keys=[_key_message(key) for key in keys])

    async def CreateApiKey(
        self, request: gateway_pb2.CreateApiKeyRequest, context: Any
    ) -> gateway_pb2.CreateApiKeyResponse:
        principal = current_principal()
        wanted = request.api_key
        is_staff = principal.kind == principal_pb2.ACTOR_KIND_STAFF
        async with self._database.transaction() as tx:
            key, token = await api_keys.create(
                tx,
                name=wanted.name,
                permissions=wanted.permissions,
                granter=principal.permissions,
                known=self._permissions.operations(),
                created_by=principal.actor_id if is_staff else "",
                expires_at=moment(wanted.expires_at) if wanted.HasField("expires_at") else None,
                rate_per_minute=wanted.rate_per_minute,
            )
        return gateway_pb2.CreateApiKeyResponse(api_key=_key_message(key), key=token)

    async def DeleteApiKey(
        self, request: gateway_pb2.DeleteApiKeyRequest, context: Any
    ) -> gateway_pb2.DeleteApiKeyResponse:
        async with self._database.transaction() as tx:
            await api_keys.delete(tx, request.api_key_id)
        return gateway_pb2.DeleteApiKeyResponse()


class ContactSessionApi(gateway_pb2_grpc.ContactSessionServiceServicer):
    """See gateway.proto."""

    def __init__(self, contact_sessions: ContactSessions) -> None:
        self._contact_sessions = contact_sessions

    async def OpenContactSession(
        self, request: gateway_pb2.OpenContactSessionRequest, context: Any
    ) -> gateway_pb2.ContactSession:
        return await self._contact_sessions.open(request, origin(context))

    async def RenewContactSession(
        self, request: gateway_pb2.RenewContactSessionRequest, context: Any
    ) -> gateway_pb2.ContactSession:
        return await self._contact_sessions.renew(current_principal())
