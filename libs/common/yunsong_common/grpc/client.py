"""Calling other services: channels that sign, carry the trace, bound the time and raise `YunsongError`.

    channels = registries.channels(settings)
    stub = queue_pb2_grpc.QueueServiceStub(channels.router)
    await stub.Enqueue(request)                                          # as this service
    await stub.ListQueues(request, metadata=channels.as_principal(p))    # forwards who asked
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from yunsong.auth.v1 import principal_pb2

Metadata = tuple[tuple[str, str], ...]


def as_service(service: str) -> principal_pb2.Principal:
    """The principal of a service that calls on its own behalf."""
    raise NotImplementedError


def as_principal(principal: principal_pb2.Principal, caller: str) -> principal_pb2.Principal:
    """The same actor, forwarded by a service."""
    raise NotImplementedError


class Channels:
    """Channels to the services, opened at the first call. A call without metadata is signed as `service`.

    A call without a timeout gets what is left of the call being served, else 10 s. A refusal raises the same `YunsongError` that the other side
    raised; a service that cannot be reached raises `Unavailable`.
    """

    def __init__(self, *, service: str, release_key: str, addresses: Mapping[str, str]) -> None:
        raise NotImplementedError

    def to(self, service: str) -> grpc.aio.Channel:
        """The channel to a service by name, such as "channel-adapter"."""
        raise NotImplementedError

    @property
    def gateway(self) -> grpc.aio.Channel:
        """The channel to the gateway."""
        return self.to("gateway")

    @property
    def channel_adapter(self) -> grpc.aio.Channel:
        """The channel to the channel-adapter."""
        return self.to("channel-adapter")

    @property
    def conversation(self) -> grpc.aio.Channel:
        """The channel to the conversation service."""
        return self.to("conversation")

    @property
    def router(self) -> grpc.aio.Channel:
        """The channel to the router."""
        return self.to("router")

    @property
    def bot(self) -> grpc.aio.Channel:
        """The channel to the bot."""
        return self.to("bot")

    @property
    def qa(self) -> grpc.aio.Channel:
        """The channel to the qa service."""
        return self.to("qa")

    def as_principal(self, principal: principal_pb2.Principal, *, idempotency_key: str = "") -> Metadata:
        """Metadata that makes a call in someone's name; `caller` is set to this service."""
        raise NotImplementedError

    def as_service(self, *, idempotency_key: str = "") -> Metadata:
        """Metadata that makes a call in this service's own name."""
        raise NotImplementedError

    async def close(self) -> None:
        """Closes all channels."""
        raise NotImplementedError
