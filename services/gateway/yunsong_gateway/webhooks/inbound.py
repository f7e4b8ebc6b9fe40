"""Webhooks of outside channels: passed on raw to the channel-adapter, which checks their signatures."""

from __future__ import annotations

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong_common.errors import InvalidArgument, NotFound
from yunsong_common.grpc import Channels
from yunsong_gateway.http import Request, Response

PREFIX = "/api/v1/channel_webhooks/"
_MAX_BODY = 1024 * 1024
_MAX_HEADERS = 200
_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "proxy-authorization",
        "content-length",
        "set-cookie",
    )
)


class ChannelWebhooks:
    """Any method on /api/v1/channel_webhooks/{inbox_key}/…"""

    def __init__(self, channels: Channels) -> None:
        self._inbound = channel_pb2_grpc.InboundServiceStub(channels.channel_adapter)

    async def handle(self, request: Request) -> Response:
        key, _, sub_path = request.path.removeprefix(PREFIX).partition("/")
        if not key or len(key) > 100 or len(sub_path) > 500:
            raise NotFound(reason="INBOX_UNKNOWN", message="There is no inbox with this key.")
        headers = [
            channel_pb2.HttpHeader(name=name.decode("latin-1").lower(), value=value.decode("latin-1"))
            for name, value in request.scope["headers"]
        ]
        if len(headers) > _MAX_HEADERS or len(request.query_string) > 8000:
            raise InvalidArgument(
                reason="INVALID_REQUEST", message="Too many headers, or the query is too long."
            )
        answer = await self._inbound.HandleWebhook(
            channel_pb2.HandleWebhookRequest(
                inbox_key=key,
                method=request.method,
                sub_path=sub_path,
                query=request.query_string,
                headers=headers,
                body=await request.body(_MAX_BODY),
            )
        )
        given = [(header.name.lower(), header.value) for header in answer.headers]
        media_type = next(
            (value for name, value in given if name == "content-type"), "text/plain; charset=utf-8"
        )
        return Response(
            answer.status or 200,
            answer.body,
            media_type,
            [(name, value) for name, value in given if name not in _HOP_BY_HOP and name != "content-type"],
        )
