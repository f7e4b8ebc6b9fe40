"""A gateway for tests: it gives the addresses of some files, or does not answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from prometheus_client import CollectorRegistry

from yunsong.gateway.v1 import gateway_pb2_grpc, model_pb2
from yunsong_common.errors import NotFound, Unavailable
from yunsong_common.grpc import GrpcServer
from yunsong_common.telemetry import Metrics, Telemetry


class GatewayDouble(gateway_pb2_grpc.SystemServiceServicer):
    """What the channel adapter needs of the gateway."""

    def __init__(self) -> None:
        self.files: dict[str, model_pb2.File] = {}
        self.away = False
        self.asked = 0

    async def GetFile(self, request: Any, context: Any) -> model_pb2.File:  # noqa: N802
        self.asked += 1
        if self.away:
            raise Unavailable(reason="AWAY", message="away")
        if request.file_id not in self.files:
            raise NotFound(reason="FILE_UNKNOWN", message="no such file")
        return self.files[request.file_id]


@contextlib.asynccontextmanager
async def gateway_double(release_key: str) -> AsyncIterator[tuple[GatewayDouble, str]]:
    """The double and its address."""
    double = GatewayDouble()  # type: ignore[abstract]
    server = GrpcServer(
        [(gateway_pb2_grpc.add_SystemServiceServicer_to_server, double)],
        release_key=release_key,
        metrics=Metrics(CollectorRegistry(), "gateway"),
        telemetry=Telemetry("gateway", "0"),
    )
    await server.start()
    try:
        yield double, server.address
    finally:
        await server.stop(1)
