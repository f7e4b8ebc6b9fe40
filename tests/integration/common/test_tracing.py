"""With an OTLP endpoint, one trace goes from the caller through gRPC and the outbox to the consumer."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from prometheus_client import CollectorRegistry

from tests.integration.common.conftest import Node, has_seen_one, message_posted, running
from tests.integration.common.test_outbox_and_consumers import subscription
from tests.support.polling import eventually
from yunsong.ops.v1 import ops_pb2, ops_pb2_grpc
from yunsong_common.grpc import Channels, GrpcServer
from yunsong_common.grpc.ops import OpsServicer
from yunsong_common.ids import new_id
from yunsong_common.telemetry import Metrics, Telemetry

KEY = "k" * 32


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans it gets, by name."""

    def __init__(self) -> None:
        self.spans: dict[str, Any] = {}

    async def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the contract's name
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans |= {span.name: span for span in scope.spans}
        return trace_service_pb2.ExportTraceServiceResponse()


async def test_a_trace_goes_through_grpc_and_nats(migrated: str, nats_url: str) -> None:
    collector, exporting = Collector(), grpc.aio.server()
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(collector, exporting)
    port = exporting.add_insecure_port("127.0.0.1:0")
    await exporting.start()
    telemetry = Telemetry("sample", "1", f"http://127.0.0.1:{port}")
    node, entity = Node(migrated, nats_url), new_id()
    node.telemetry = telemetry

    class Ops(OpsServicer):
        async def GetHeads(  # noqa: N802 - the name in the contract
            self, _request: ops_pb2.GetHeadsRequest, _context: Any
        ) -> ops_pb2.GetHeadsResponse:
            async with node.database.transaction() as tx:
                tx.emit(message_posted(entity, 1), 1)
            return ops_pb2.GetHeadsResponse()

    server = GrpcServer(
        [(ops_pb2_grpc.add_OpsServiceServicer_to_server, Ops(node.database, [], node.bus, "1"))],
        release_key=KEY,
        metrics=Metrics(CollectorRegistry(), "sample"),
        telemetry=telemetry,
    )
    await server.start()
    channels = Channels(
        service="gateway", release_key=KEY, addresses={"conversation": server.address}, telemetry=telemetry
    )
    async with running(node.bus.run, node.publisher.run, node.consumer(subscription(new_id())).run):
        await node.direct()
        with telemetry.span("press of a button"):
            await ops_pb2_grpc.OpsServiceStub(channels.conversation).GetHeads(ops_pb2.GetHeadsRequest())
        await eventually(lambda: has_seen_one(node, entity))
    await channels.close()
    await server.stop(1)
    await asyncio.to_thread(telemetry.shutdown)
    handled = collector.spans["yunsong.conversation.v1.message_posted"]
    root = collector.spans["press of a button"]
    assert handled.trace_id == root.trace_id
    assert collector.spans["yunsong.ops.v1.OpsService/GetHeads"].trace_id == root.trace_id
    assert handled.parent_span_id != b""
    await exporting.stop(0)
    await node.database.close()
