"""A small OpenTelemetry collector: takes traces by OTLP over gRPC and keeps their spans."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Seen:
    """One span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Listens on a free port of 127.0.0.1 while it is open."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.endpoint = ""

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(1)

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the contract names it
        """Part of OTLP."""
        for resource in request.resource_spans:
            service = next(
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            )
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Seen(
                            service,
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            {a.key: a.value.string_value for a in span.attributes},
                        )
                    )
        return trace_service_pb2.ExportTraceServiceResponse()

    def trace_of(self, name: str) -> list[list[Seen]]:
        """Every trace with a span of this name, each with all its spans."""
        ids = dict.fromkeys(span.trace_id for span in self.spans if span.name == name)
        return [[span for span in self.spans if span.trace_id == trace_id] for trace_id in ids]
