"""A router for tests: it knows some queues, or does not answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from prometheus_client import CollectorRegistry

from yunsong.router.v1 import model_pb2, router_pb2_grpc
from yunsong_common.errors import NotFound, Unavailable
from yunsong_common.grpc import GrpcServer
from yunsong_common.telemetry import Metrics, Telemetry


class RouterDouble(router_pb2_grpc.QueueServiceServicer):
    """What the channel adapter needs of the router."""

    def __init__(self) -> None:
        self.queues: set[str] = set()
        self.away = False

    async def GetQueue(self, request: Any, context: Any) -> model_pb2.Queue:  # noqa: N802
        if self.away:
            raise Unavailable(reason="AWAY", message="away")
        if request.queue_id not in self.queues:
            raise NotFound(reason="QUEUE_UNKNOWN", message="no such queue")
        return model_pb2.Queue(id=request.queue_id)


@contextlib.asynccontextmanager
async def router_double(release_key: str) -> AsyncIterator[tuple[RouterDouble, str]]:
    """The double and its address."""
    double = RouterDouble()  # type: ignore[abstract]
    server = GrpcServer(
        [(router_pb2_grpc.add_QueueServiceServicer_to_server, double)],
        release_key=release_key,
        metrics=Metrics(CollectorRegistry(), "router"),
        telemetry=Telemetry("router", "0"),
    )
    await server.start()
    try:
        yield double, server.address
    finally:
        await server.stop(1)
