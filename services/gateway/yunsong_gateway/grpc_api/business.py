"""BusinessService: the business, and what a sign-in page needs."""

from __future__ import annotations

from typing import Any, Literal

from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from yunsong_common.db import Database
from yunsong_gateway import business
from yunsong_gateway.identity.oidc import START_PATH
from yunsong_gateway.settings import GatewaySettings
from yunsong_gateway.times import stamp

_TEXTS: tuple[Literal["name", "locale", "time_zone"], ...] = ("name", "locale", "time_zone")


class BusinessApi(gateway_pb2_grpc.BusinessServiceServicer):
    """See gateway.proto."""

    def __init__(self, database: Database, settings: GatewaySettings) -> None:
        self._database = database
        self._settings = settings

    async def GetSignInOptions(
        self, request: gateway_pb2.GetSignInOptionsRequest, context: Any
    ) -> gateway_pb2.SignInOptions:
        async with self._database.read() as tx:
            found = await business.get(tx)
        options = gateway_pb2.SignInOptions(business_name=found.name, locale=found.locale)
        if self._settings.oidc_issuer:
            options.oidc_name = self._settings.oidc_name
            options.oidc_path = START_PATH
        return options

    async def GetBusiness(
        self, request: gateway_pb2.GetBusinessRequest, context: Any
    ) -> gateway_pb2.Business:
        async with self._database.read() as tx:
            return _message(await business.get(tx))

    async def UpdateBusiness(
        self, request: gateway_pb2.UpdateBusinessRequest, context: Any
    ) -> gateway_pb2.Business:
        changes: dict[str, str] = {
            name: getattr(request, name).strip() for name in _TEXTS if request.HasField(name)
        }
        async with self._database.transaction() as tx:
            return _message(await business.update(tx, changes, setup_done=request.setup_done))


def _message(found: business.Business) -> gateway_pb2.Business:
    return gateway_pb2.Business(
        name=found.name,
        locale=found.locale,
        time_zone=found.time_zone,
        setup_done_at=stamp(found.setup_done_at),
    )
