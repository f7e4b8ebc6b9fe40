"""The RPCs: proto to domain and back, no rules."""

from yunsong_channel_adapter.grpc_api.deliveries import DeliveryServicer
from yunsong_channel_adapter.grpc_api.inbound import InboundServicer
from yunsong_channel_adapter.grpc_api.inboxes import InboxServicer

__all__ = ["DeliveryServicer", "InboundServicer", "InboxServicer"]
