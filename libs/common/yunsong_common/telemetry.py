"""Traces and metrics. Without an OTLP endpoint nothing is recorded, but the trace id still travels, for the logs."""

from __future__ import annotations

import contextlib
import contextvars
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_traceparent: contextvars.ContextVar[str] = contextvars.ContextVar("yunsong_traceparent", default="")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric: its name, kind, meaning and labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = field(
        default=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
    )


# Every metric of the product; a name that is not here cannot be used. Each gets the label `service` first.
METRICS: dict[str, MetricSpec] = {
    spec.name: spec
    for spec in (
        MetricSpec("yunsong_grpc_call_seconds", "histogram", "Time in a gRPC method.", ("method", "code")),
        MetricSpec("yunsong_grpc_calls_running", "gauge", "gRPC calls in work."),
        MetricSpec("yunsong_db_connections", "gauge", "Open PostgreSQL connections.", ("state",)),
        MetricSpec(
            "yunsong_outbox_published_total", "counter", "Events published from the outbox.", ("path",)
        ),
        MetricSpec("yunsong_outbox_pending", "gauge", "Events sent to NATS and not yet confirmed."),
        MetricSpec(
            "yunsong_outbox_direct",
            "gauge",
            "1 while events go out right after commit, 0 while the relay catches up.",
        ),
        MetricSpec(
            "yunsong_outbox_oldest_seconds",
            "gauge",
            "Age of the oldest event that is committed and not yet marked as published.",
        ),
        MetricSpec("yunsong_nats_connected", "gauge", "1 while NATS is connected."),
        MetricSpec("yunsong_nats_reconnects_total", "counter", "Connections to NATS after the first."),
        MetricSpec(
            "yunsong_consumer_lag", "gauge", "Events that a consumer has not handled.", ("consumer", "stream")
        ),
        MetricSpec("yunsong_consumer_events_total", "counter", "Events handled.", ("consumer", "outcome")),
        MetricSpec(
            "yunsong_consumer_batch_seconds", "histogram", "Time for one batch of events.", ("consumer",)
        ),
        MetricSpec(
            "yunsong_consumer_redeliveries_total",
            "counter",
            "Events that NATS handed out once more, as after a crash.",
            ("consumer",),
        ),
        MetricSpec("yunsong_consumer_dead_letters_total", "counter", "Events given up.", ("consumer",)),
        MetricSpec(
            "yunsong_bot_decisions_total", "counter", "Contacts' messages the bot has decided on.", ("kind",)
        ),
        MetricSpec("yunsong_bot_entries", "gauge", "Entries the bot answers from."),
        MetricSpec(
            "yunsong_task_restarts_total",
            "counter",
            "Background tasks started again after a failure.",
            ("task",),
        ),
        MetricSpec(
            "yunsong_append_batch_size",
            "histogram",
            "Messages written in one transaction.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
        ),
        MetricSpec("yunsong_append_seconds", "histogram", "Time for one batch of messages."),
        MetricSpec("yunsong_conversations", "gauge", "Conversations that are not closed.", ("state",)),
        MetricSpec(
            "yunsong_channel_deliveries_total", "counter", "Attempts to deliver.", ("channel", "status")
        ),
        MetricSpec(
            "yunsong_channel_delivery_seconds",
            "histogram",
            "From a message's delivery being stored to the channel taking it.",
            ("channel",),
            (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600),
        ),
        MetricSpec("yunsong_channel_dead_letters_total", "counter", "Deliveries given up.", ("channel",)),
        MetricSpec("yunsong_channel_sending", "gauge", "Conversations whose messages are being delivered."),
        MetricSpec(
            "yunsong_channel_inbound_total", "counter", "Messages from outside.", ("channel", "outcome")
        ),
        MetricSpec("yunsong_gateway_sockets", "gauge", "Open sockets of agents and contacts."),
        MetricSpec("yunsong_router_waiting", "gauge", "Conversations that wait or are offered.", ("queue",)),
        MetricSpec(
            "yunsong_router_without_queue", "gauge", "Conversations that wait because there is no queue."
        ),
        MetricSpec("yunsong_router_load", "gauge", "Weights that online agents hold."),
        MetricSpec("yunsong_router_capacity", "gauge", "Weights that online agents can hold."),
        MetricSpec("yunsong_router_assignments_total", "counter", "Conversations that agents got."),
        MetricSpec(
            "yunsong_router_wait_seconds",
            "histogram",
            "Time that a conversation waited for its agent.",
            buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400),
        ),
        MetricSpec(
            "yunsong_router_sla_breaches_total",
            "counter",
            "Promises that fell due before they were kept.",
            ("promise",),
        ),
        MetricSpec(
            "yunsong_qa_inspection_score",
            "histogram",
            "Scores of inspections, out of 100.",
            buckets=(0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100),
        ),
        MetricSpec("yunsong_qa_inspections_total", "counter", "Inspections by their outcome.", ("outcome",)),
        MetricSpec("yunsong_router_plan_seconds", "histogram", "Time to plan a routing group and write it."),
        MetricSpec("yunsong_router_placements_total", "counter", "Items that plans gave to agents."),
        MetricSpec(
            "yunsong_router_command_failures_total",
            "counter",
            "Intents that the conversation service did not answer.",
        ),
        MetricSpec(
            "yunsong_router_strategy_failures_total",
            "counter",
            "Plans that a plugin's strategy failed.",
            ("strategy",),
        ),
    )
}


class Metrics:
    """The metrics of one service in a registry that services of one process may share."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self.registry = registry
        self.service = service
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}

    def counter(self, name: str, *labels: str) -> Counter:
        """The counter with these label values, in the order of its spec."""
        child: Counter = self._child(name, labels, "counter")
        return child

    def gauge(self, name: str, *labels: str) -> Gauge:
        """The gauge with these label values."""
        child: Gauge = self._child(name, labels, "gauge")
        return child

    def histogram(self, name: str, *labels: str) -> Histogram:
        """The histogram with these label values."""
        child: Histogram = self._child(name, labels, "histogram")
        return child

    def _child(self, name: str, labels: tuple[str, ...], kind: str) -> Any:
        key = (name, labels)
        child = self._children.get(key)
        if child is None:
            spec = METRICS[name]
            if spec.kind != kind:
                raise TypeError(f"{name} is a {spec.kind}")
            child = self._children[key] = _parent(self.registry, spec).labels(self.service, *labels)
        return child


def _parent(registry: CollectorRegistry, spec: MetricSpec) -> Any:
    # The registry is the only place that all services of a process share, so it also remembers what was made.
    made: dict[str, Any] = registry.__dict__.setdefault("yunsong_metrics", {})
    if spec.name not in made:
        labels = ("service", *spec.labels)
        if spec.kind == "counter":
            made[spec.name] = Counter(spec.name, spec.help, labels, registry=registry)
        elif spec.kind == "gauge":
            made[spec.name] = Gauge(spec.name, spec.help, labels, registry=registry)
        else:
            made[spec.name] = Histogram(spec.name, spec.help, labels, buckets=spec.buckets, registry=registry)
    return made[spec.name]


class Telemetry:
    """One service's tracing. `span` costs well under a microsecond while there is no endpoint."""

    def __init__(self, service: str, version: str, endpoint: str = "") -> None:
        self.enabled = bool(endpoint)
        self._provider: Any = None
        self._tracer: trace.Tracer = trace.NoOpTracer()
        if endpoint:
            self._start(service, version, endpoint)

    def _start(self, service: str, version: str, endpoint: str) -> None:
        # Imported only when used: the exporter alone costs 15 MB at rest.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource.create({"service.name": f"yunsong-{service}", "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
        self._tracer = self._provider.get_tracer("yunsong")

    @contextlib.contextmanager
    def span(
        self,
        name: str,
        *,
        parent: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        **attributes: str | float | bool,
    ) -> Iterator[None]:
        """Work in a trace. `parent` is a traceparent from outside; without it the span continues the current trace or begins one.

        Attributes never hold a message's text or a secret.
        """
        header = parent if parent is not None else _traceparent.get()
        if not self.enabled:
            token = _traceparent.set(header or new_traceparent())
            try:
                yield
            finally:
                _traceparent.reset(token)
            return
        context = trace.set_span_in_context(NonRecordingSpan(_span_context(header))) if header else None
        with self._tracer.start_as_current_span(
            name, context=context, kind=kind, attributes=attributes
        ) as span:
            token = _traceparent.set(_header(span.get_span_context()))
            try:
                yield
            finally:
                _traceparent.reset(token)

    def begin(self, name: str, *, parent: str = "", kind: SpanKind = SpanKind.INTERNAL) -> LongSpan:
        """Work that ends in another place than it began, such as at an acknowledgement; `end` it there."""
        if not self.enabled:
            return LongSpan(None, parent)
        context = trace.set_span_in_context(NonRecordingSpan(_span_context(parent))) if parent else Context()
        span = self._tracer.start_span(name, context=context, kind=kind)
        return LongSpan(span, _header(span.get_span_context()))

    def join(self, traceparent: str) -> None:
        """Makes the rest of this task part of a trace, without a span."""
        _traceparent.set(traceparent or new_traceparent())

    @contextlib.contextmanager
    def event_span(self, subject: str, traceparent: str) -> Iterator[None]:
        """The handling of one event, in the trace of what caused it."""
        with self.span(subject.rpartition(".")[0], parent=traceparent, kind=SpanKind.CONSUMER):
            yield

    def shutdown(self) -> None:
        """Sends what is recorded and stops; waits a few seconds at most."""
        if self._provider is not None:
            self._provider.shutdown()


class LongSpan:
    """A span that is not bound to a block; costs nothing without tracing."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span | None, traceparent: str) -> None:
        self._span = span
        self.traceparent = traceparent

    def end(self, error: str = "") -> None:
        """Ends it; `error` is the stable reason of what went wrong."""
        if self._span is None:
            return
        if error:
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, error))
        self._span.end()


def is_recorded(traceparent: str) -> bool:
    """Whether somebody records this trace, so that it is worth carrying on."""
    # The last bit of the flags says so; other bits may stand beside it.
    return traceparent[-1:] in set("13579bdf")


def current_traceparent() -> str:
    """The W3C traceparent of the running work; empty outside of any."""
    return _traceparent.get()


def set_traceparent(traceparent: str) -> contextvars.Token[str]:
    """Makes what follows part of a trace; `reset_traceparent` ends it."""
    return _traceparent.set(traceparent)


def reset_traceparent(token: contextvars.Token[str]) -> None:
    """Undoes `set_traceparent`."""
    _traceparent.reset(token)


def new_traceparent() -> str:
    """A new trace that is not recorded."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"


def is_traceparent(text: str) -> bool:
    """Whether the text has the form of a version 00 traceparent."""
    parts = text.split("-")
    return (
        len(text) == 55
        and [len(part) for part in parts] == [2, 32, 16, 2]
        and text.replace("-", "").isalnum()
    )


def _span_context(header: str) -> SpanContext:
    try:
        _, trace_id, span_id, flags = header.split("-")
        return SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
        )
    except ValueError:
        return trace.INVALID_SPAN_CONTEXT


def _header(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
