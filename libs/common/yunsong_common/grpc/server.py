"""The gRPC server of a service: who calls, may it, is the request right; errors with details; time and bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from yunsong.auth.v1 import principal_pb2
from yunsong_common.telemetry import Metrics, Telemetry

AddServicer = Callable[[Any, Any], None]
GrpcService = tuple[AddServicer, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """The call being served."""

    principal: principal_pb2.Principal
    method: str  # "/yunsong.router.v1.QueueService/Enqueue"
    idempotency_key: str  # empty when there is none
    deadline: float  # of the event loop's clock


def current_principal() -> principal_pb2.Principal:
    """Who makes the call being served. Shared between calls: do not change it. Raises LookupError outside of a call."""
    return current_call().principal


def current_call() -> Call:
    """The call being served. Raises LookupError outside of one."""
    raise NotImplementedError


class GrpcServer:
    """Serves `services`, plus health and reflection.

    Construction checks that every method says in the contract who may call it and raises `ValueError` that names those which do not.
    `port` 0 takes a free one; `address` is known at once, before `start`.
    """

    def __init__(
        self,
        services: Sequence[GrpcService],
        *,
        release_key: str,
        metrics: Metrics,
        telemetry: Telemetry,
        host: str = "127.0.0.1",
        port: int = 0,
        max_calls: int = 1000,
    ) -> None:
        raise NotImplementedError

    @property
    def address(self) -> str:
        """host:port that callers on this machine can use."""
        raise NotImplementedError

    def set_ready(self, ready: bool) -> None:
        """What the health service answers."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begins to serve."""
        raise NotImplementedError

    async def stop(self, grace_s: float) -> None:
        """Refuses new calls and returns when the running ones are done, after `grace_s` seconds at most."""
        raise NotImplementedError
