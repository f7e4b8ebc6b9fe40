"""One trace from the sender's frame to the receiver's: begun at the send, ended at the push."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from yunsong.auth.v1 import principal_pb2
from yunsong.conversation.v1 import events_pb2, internal_pb2
from yunsong_common.bus import Bus, LiveMessage
from yunsong_common.grpc import Channels, Signer
from yunsong_common.ids import new_id
from yunsong_common.telemetry import Telemetry
from yunsong_gateway.limits import Bucket
from yunsong_gateway.realtime.commands import Commands
from yunsong_gateway.realtime.connection import Connection
from yunsong_gateway.realtime.hub import Hub
from yunsong_gateway.realtime.topics import Page, Topic

KEY = "a release key that only tests know, long enough"


class Socket:
    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def push(self, frame: bytes) -> bool:
        self.frames.append(frame)
        return True


class Appender:
    def __init__(self) -> None:
        self.entries: list[internal_pb2.AppendEntry] = []

    def append(self, sender: str, entry: internal_pb2.AppendEntry, done: Any) -> None:
        self.entries.append(entry)
        done(internal_pb2.AppendResult(message_id=new_id(), rev=1))


class AnyFile:
    async def check(self, *_: object) -> None:
        pass


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(exported: InMemorySpanExporter) -> Telemetry:
    telemetry = Telemetry("gateway", "0")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    telemetry._tracer = provider.get_tracer("test")
    telemetry.enabled = True
    return telemetry


def contact() -> Connection:
    principal = principal_pb2.Principal(kind=principal_pb2.ACTOR_KIND_CONTACT, actor_id=new_id())
    return Connection(new_id(), Socket(), principal, 0.0, Bucket(50, 200))  # type: ignore[arg-type]


async def send(telemetry: Telemetry, hub: Hub) -> internal_pb2.AppendEntry:
    appender = Appender()
    commands = Commands(
        hub,
        appender,  # type: ignore[arg-type]
        Bus("nats://127.0.0.1:1", name="test"),
        Channels(service="gateway", release_key=KEY, addresses={}),
        Signer(KEY),
        AnyFile(),  # type: ignore[arg-type]
        telemetry,
    )
    frame = {"type": "send", "ref": "1", "client_id": "1", "content": {"text": {"text": "hi"}}}
    await commands.handlers["send"](contact(), "1", frame)
    return appender.entries[0]


def hub_of(telemetry: Telemetry) -> Hub:
    channels = Channels(service="gateway", release_key=KEY, addresses={})
    return Hub(Bus("nats://127.0.0.1:1", name="test"), channels, telemetry)


async def push(hub: Hub, traceparent: str) -> Connection:
    conversation_id = new_id()
    key = ("conversation", conversation_id)

    async def read(_principal: object, _after: int) -> Page:
        return Page([], 0)

    topic = hub._topics[key] = Topic(key, read, lambda _work: None)
    reader = contact()
    await topic.join(reader, 0, lambda _head, _anew: b"")
    event = events_pb2.MessagePosted()
    event.meta.conversation_id, event.meta.rev = conversation_id, 1
    subject = f"yunsong.conversation.v1.message_posted.{conversation_id}"
    headers = {"traceparent": traceparent} if traceparent else {}
    hub._on_message(LiveMessage(subject, event.SerializeToString(), headers))
    return reader


async def test_a_send_begins_the_trace_that_a_push_ends(exported: InMemorySpanExporter) -> None:
    telemetry = traced(exported)
    hub = hub_of(telemetry)
    entry = await send(telemetry, hub)
    reader = await push(hub, entry.traceparent)

    begun, ended = exported.get_finished_spans()
    assert (begun.name, ended.name) == ("socket send", "socket push")
    assert begun.parent is None
    assert ended.parent is not None
    assert ended.parent.span_id == begun.context.span_id
    assert ended.context.trace_id == begun.context.trace_id
    assert len(reader.socket.frames) == 1


async def test_without_an_endpoint_nothing_is_traced() -> None:
    telemetry = Telemetry("gateway", "0")
    hub = hub_of(telemetry)
    assert (await send(telemetry, hub)).traceparent == ""
    reader = await push(hub, "")
    assert len(reader.socket.frames) == 1
