"""What the router asks other services before it changes its configuration: which inboxes name a queue, and who is a user."""

from __future__ import annotations

from dataclasses import dataclass

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from yunsong_common.errors import NotFound, Unavailable, YunsongError
from yunsong_common.grpc import Channels

_TIMEOUT_S = 5.0
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The owners of inboxes and of users."""

    channels: Channels

    async def inboxes_of(self, queue_id: str) -> list[str]:
        """The names of the inboxes whose handoffs go to a queue. Raises `Unavailable` when nobody can say."""
        stub = channel_pb2_grpc.InboxServiceStub(self.channels.channel_adapter)
        names: list[str] = []
        request = channel_pb2.ListInboxesRequest(page_size=_PAGE)
        while True:
            try:
                page = await stub.ListInboxes(request, timeout=_TIMEOUT_S)
            except YunsongError as error:
                raise Unavailable(
                    reason="CHANNEL_ADAPTER_UNAVAILABLE",
                    message="the channel adapter does not answer which inboxes use the queue; try again",
                ) from error
            names += [inbox.name for inbox in page.inboxes if inbox.queue_id == queue_id]
            if not page.next_page_token:
                return names
            request.page_token = page.next_page_token

    async def user_name(self, user_id: str) -> str:
        """The display name of a user. Raises NOT_FOUND / AGENT_UNKNOWN, `Unavailable` when nobody can say."""
        stub = gateway_pb2_grpc.UserServiceStub(self.channels.gateway)
        try:
            user = await stub.GetUser(gateway_pb2.GetUserRequest(user_id=user_id), timeout=_TIMEOUT_S)
        except NotFound:
            raise NotFound(
                reason="AGENT_UNKNOWN",
                message=f"there is no user {user_id} who could be an agent",
                agent_id=user_id,
            ) from None
        except YunsongError as error:
            raise Unavailable(
                reason="GATEWAY_UNAVAILABLE",
                message="the gateway does not answer whether there is such a user; try again",
            ) from error
        return str(user.display_name)
