"""Calling other services: channels that sign, carry the trace, bound the time and raise `YunsongError`.

channels = registries.channels(settings)
stub = queue_pb2_grpc.QueueServiceStub(channels.router)
await stub.Enqueue(request)                                          # as this service
await stub.ListQueues(request, metadata=channels.as_principal(p))    # in the name of who asked
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

import grpc
from opentelemetry.trace import SpanKind

from yunsong.auth.v1 import principal_pb2
from yunsong_common.errors import YunsongError
from yunsong_common.grpc.principal import METADATA_KEY, Signer, service_principal
from yunsong_common.grpc.server import IDEMPOTENCY_KEY, OPTIONS, TRACEPARENT, call_if_any
from yunsong_common.grpc.status import error_from
from yunsong_common.telemetry import Telemetry, current_traceparent

Metadata = tuple[tuple[str, str], ...]

_TIMEOUT_S = 10.0
_OWN_TOKEN_S = 5.0
_CHANNEL_OPTIONS = (
    *OPTIONS,
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # When a server's last pod goes, its successor's address is in the names already: half a minute of waiting to look, which is
    # the library's own limit, would be half a minute of refusals.
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
)


def as_service(service: str) -> principal_pb2.Principal:
    """The principal of a service that calls on its own behalf."""
    return service_principal(service)


def as_principal(principal: principal_pb2.Principal, caller: str) -> principal_pb2.Principal:
    """The same actor, forwarded by a service."""
    forwarded = principal_pb2.Principal()
    forwarded.CopyFrom(principal)
    forwarded.caller = caller
    return forwarded


class Channels:
    """Channels to the services, opened at the first call. A call without metadata is signed as `service`.

    A call without a timeout gets what is left of the call being served, else 10 s. A refusal raises the same `YunsongError`
    that the other side raised; a service that cannot be reached raises `Unavailable`. `addresses` is read at the first call to
    a service, so it may be filled after construction.
    """

    def __init__(
        self,
        *,
        service: str,
        release_key: str,
        addresses: Mapping[str, str],
        telemetry: Telemetry | None = None,
    ) -> None:
        self._service = service
        self._principal = service_principal(service)
        self._signer = Signer(release_key)
        self._own: Metadata = ()
        self._own_until = 0.0
        self._addresses = addresses
        self._telemetry = telemetry if telemetry is not None and telemetry.enabled else None
        self._channels: dict[str, _Channel] = {}

    def to(self, service: str) -> grpc.aio.Channel:
        """The channel to a service by name, such as "channel-adapter"."""
        channel = self._channels.get(service)
        if channel is None:
            channel = self._channels[service] = _Channel(
                lambda: self._addresses[service], self._prepare, self._telemetry
            )
        return channel

    def at(self, address: str) -> grpc.aio.Channel:
        """The channel to a service that is known only by its address, host:port."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = _Channel(lambda: address, self._prepare, self._telemetry)
        return channel

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
        forwarded = principal if principal.caller == self._service else as_principal(principal, self._service)
        return self._metadata(forwarded, idempotency_key)

    def as_service(self, *, idempotency_key: str = "") -> Metadata:
        """Metadata that makes a call in this service's own name."""
        return self._metadata(self._principal, idempotency_key)

    async def close(self) -> None:
        """Closes all channels."""
        for channel in self._channels.values():
            await channel.close()

    def _metadata(self, principal: principal_pb2.Principal, idempotency_key: str) -> Metadata:
        signed = ((METADATA_KEY, self._signer.sign(principal)),)
        return (*signed, (IDEMPOTENCY_KEY, idempotency_key)) if idempotency_key else signed

    def _own_metadata(self) -> Metadata:
        # Most calls between services are in their own names: not even the signer's memory is asked each time.
        now = time.monotonic()
        if now >= self._own_until:
            self._own, self._own_until = self._metadata(self._principal, ""), now + _OWN_TOKEN_S
        return self._own

    def _prepare(self, metadata: Any) -> Metadata:
        """A call's metadata: what the caller gave or this service's own, and the trace."""
        chosen: Metadata = tuple(metadata) if metadata else self._own_metadata()
        traceparent = current_traceparent()
        return (*chosen, (TRACEPARENT, traceparent)) if traceparent else chosen


Prepare = Callable[[Any], Metadata]


class _Channel(grpc.aio.Channel):
    """A channel that opens at the first call, with our habits around every call."""

    def __init__(self, address: Callable[[], str], prepare: Prepare, telemetry: Telemetry | None) -> None:
        self._address = address
        self._prepare = prepare
        self._telemetry = telemetry
        self._opened: grpc.aio.Channel | None = None

    def open(self) -> grpc.aio.Channel:
        """The channel underneath."""
        if self._opened is None:
            self._opened = grpc.aio.insecure_channel(self._address(), options=_CHANNEL_OPTIONS)
        return self._opened

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Closes it; the next call opens it again."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await opened.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Part of gRPC's interface."""
        return self.open().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Part of gRPC's interface."""
        await self.open().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Part of gRPC's interface."""
        await self.open().channel_ready()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, one response."""
        return _UnaryCall(self, "unary_unary", method, args, kwargs, self._prepare, self._telemetry)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Many requests, one response."""
        return _UnaryCall(self, "stream_unary", method, args, kwargs, self._prepare, self._telemetry)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, many responses."""
        return _StreamCall(self, "unary_stream", method, args, kwargs, self._prepare, self._telemetry)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Many requests, many responses."""
        return _StreamCall(self, "stream_stream", method, args, kwargs, self._prepare, self._telemetry)


class _Method:
    """One method of a stub."""

    def __init__(
        self,
        channel: _Channel,
        shape: str,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        prepare: Prepare,
        telemetry: Telemetry | None,
    ) -> None:
        self._channel = channel
        self._shape = shape
        self._method = method
        self._arguments = (args, kwargs)
        self._prepare = prepare
        self._telemetry = telemetry
        self._bound: tuple[grpc.aio.Channel, Any] | None = None

    def _callable(self) -> Any:
        channel = self._channel.open()
        if self._bound is None or self._bound[0] is not channel:
            args, kwargs = self._arguments
            self._bound = (channel, getattr(channel, self._shape)(self._method, *args, **kwargs))
        return self._bound[1]


class _UnaryCall(_Method):
    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        wait_for_ready: bool | None = None,
    ) -> Any:
        limit = timeout if timeout is not None else _time_left()
        if self._telemetry is not None:
            with self._telemetry.span(self._method.lstrip("/"), kind=SpanKind.CLIENT):
                return await self._call(request, limit, metadata, wait_for_ready)
        return await self._call(request, limit, metadata, wait_for_ready)

    async def _call(self, request: Any, timeout: float, metadata: Any, wait_for_ready: bool | None) -> Any:
        try:
            return await self._callable()(
                request, timeout=timeout, metadata=self._prepare(metadata), wait_for_ready=wait_for_ready
            )
        except grpc.aio.AioRpcError as error:
            raise error_from(error, self._method) from None


class _StreamCall(_Method):
    def __call__(
        self,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        wait_for_ready: bool | None = None,
    ) -> Any:
        call = self._callable()(
            request, timeout=timeout, metadata=self._prepare(metadata), wait_for_ready=wait_for_ready
        )
        return _Stream(call, self._method)


class _Stream:
    """A running stream; its errors are ours."""

    def __init__(self, call: Any, method: str) -> None:
        self._call = call
        self._method = method

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for response in self._call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise error_from(error, self._method) from None
        finally:
            self._call.cancel()

    async def read(self) -> Any:
        """The next response, or `grpc.aio.EOF`."""
        return await self._translated(self._call.read())

    async def write(self, request: Any) -> None:
        """Sends a request."""
        await self._translated(self._call.write(request))

    async def done_writing(self) -> None:
        """Says that no request follows."""
        await self._translated(self._call.done_writing())

    def cancel(self) -> bool:
        """Ends the stream."""
        return bool(self._call.cancel())

    async def _translated(self, step: Any) -> Any:
        try:
            return await step
        except grpc.aio.AioRpcError as error:
            raise error_from(error, self._method) from None
        except asyncio.InvalidStateError:
            raise await self._ended() from None

    async def _ended(self) -> YunsongError:
        # Writing to a stream that the other side has ended: its status says why.
        code = await self._call.code()
        error = grpc.aio.AioRpcError(
            code,
            await self._call.initial_metadata(),
            await self._call.trailing_metadata(),
            await self._call.details(),
        )
        return error_from(error, self._method)


def _time_left() -> float:
    call = call_if_any()
    if call is None or call.deadline is None:
        return _TIMEOUT_S
    left = call.deadline - asyncio.get_running_loop().time()
    # Work that outlives the call it began in has a time of its own.
    return left if left > 0 else _TIMEOUT_S
