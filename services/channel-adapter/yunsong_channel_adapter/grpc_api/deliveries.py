"""DeliveryService."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong_channel_adapter.domain.delivery import Status
from yunsong_channel_adapter.grpc_api.paging import DEFAULT_SIZE, position_of, token_of
from yunsong_channel_adapter.handlers.deliveries import Deliveries
from yunsong_channel_adapter.repository import deliveries
from yunsong_channel_adapter.wire import delivery_to
from yunsong_common.errors import InvalidArgument
from yunsong_common.ids import is_uuid


@dataclass
class DeliveryServicer(channel_pb2_grpc.DeliveryServiceServicer):
    """Outgoing messages on their way to outside channels."""

    handlers: Deliveries

    async def ListDeliveries(
        self, request: channel_pb2.ListDeliveriesRequest, context: Any
    ) -> channel_pb2.ListDeliveriesResponse:
        """Lists deliveries, newest first."""
        del context
        size = request.page_size or DEFAULT_SIZE
        before = position_of(request.page_token)
        if before and not is_uuid(before):
            raise InvalidArgument(
                reason="PAGE_TOKEN_INVALID", message="page_token is not one of this operation"
            )
        async with self.handlers.database.read() as tx:
            found = await deliveries.list_newest(
                tx,
                limit=size + 1,
                before=before,
                inbox_id=request.inbox_id,
                conversation_id=request.conversation_id,
                statuses=[_status(each) for each in request.statuses if each],
            )
        page = found[:size]
        return channel_pb2.ListDeliveriesResponse(
            deliveries=[delivery_to(each) for each in page],
            next_page_token=token_of(page[-1].id) if len(found) > size else "",
        )

    async def ReplayDelivery(
        self, request: channel_pb2.ReplayDeliveryRequest, context: Any
    ) -> channel_pb2.Delivery:
        """Sends a dead or uncertain delivery again."""
        del context
        return delivery_to(await self.handlers.replay(request.delivery_id))

    async def SkipDelivery(
        self, request: channel_pb2.SkipDeliveryRequest, context: Any
    ) -> channel_pb2.Delivery:
        """Gives up a delivery."""
        del context
        return delivery_to(await self.handlers.skip(request.delivery_id))


def _status(value: int) -> Status:
    try:
        name = channel_pb2.DeliveryStatus.Name(channel_pb2.DeliveryStatus.ValueType(value))
    except ValueError as error:
        raise InvalidArgument(reason="INVALID_REQUEST", message=f"{value} is no delivery status") from error
    return Status(name.removeprefix("DELIVERY_STATUS_"))
