"""Calls to the services in the name of whoever runs this copy: signed with the release key, which only they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from yunsong.auth.v1 import principal_pb2
from yunsong.bot.v1 import bot_pb2_grpc
from yunsong.channel.v1 import channel_pb2_grpc
from yunsong.conversation.v1 import desk_pb2_grpc
from yunsong.gateway.v1 import gateway_pb2_grpc
from yunsong.qa.v1 import qa_pb2_grpc
from yunsong.router.v1 import router_pb2_grpc
from yunsong_common.grpc import Channels
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.contract import all_permissions

# An actor that is no user: who runs the copy needs no account in it.
_NOBODY = "00000000-0000-0000-0000-000000000000"


class Operator:
    """The services' doors for setting a copy up, and the metadata that every call needs."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._principal = principal_pb2.Principal(
            kind=principal_pb2.ACTOR_KIND_STAFF,
            actor_id=_NOBODY,
            display_name="yunsong command",
            permissions=all_permissions(),
        )
        self.users = gateway_pb2_grpc.UserServiceStub(channels.gateway)
        self.api_keys = gateway_pb2_grpc.ApiKeyServiceStub(channels.gateway)
        self.business = gateway_pb2_grpc.BusinessServiceStub(channels.gateway)
        self.queues = router_pb2_grpc.QueueServiceStub(channels.router)
        self.agents = router_pb2_grpc.AgentServiceStub(channels.router)
        self.inboxes = channel_pb2_grpc.InboxServiceStub(channels.channel_adapter)
        self.quick_replies = desk_pb2_grpc.QuickReplyServiceStub(channels.conversation)
        self.saved_views = desk_pb2_grpc.SavedViewServiceStub(channels.conversation)
        self.knowledge = bot_pb2_grpc.KnowledgeServiceStub(channels.bot)
        self.scorecards = qa_pb2_grpc.ScorecardServiceStub(channels.qa)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Signed anew for each call: a signature lives a minute."""
        return self._channels.as_principal(self._principal)


@asynccontextmanager
async def operator(environment: Mapping[str, str]) -> AsyncIterator[Operator]:
    """Connected to the services at `YUNSONG_<SERVICE>_ADDRESS`, with `YUNSONG_RELEASE_KEY`."""
    addresses = {
        service.name: environment.get(service.variable("ADDRESS"), f"127.0.0.1:{service.grpc_port}")
        for service in SERVICES
    }
    channels = Channels(
        service="gateway", release_key=environment["YUNSONG_RELEASE_KEY"], addresses=addresses
    )
    try:
        yield Operator(channels)
    finally:
        await channels.close()
