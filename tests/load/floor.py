"""The floor: what the primitives of one delivered message cost, in the same run as the product.

Each primitive is measured with its client on the same cores, as the product is. `floor` adds up the ones that
a delivered message cannot do without, every consumer included, and gives messages per second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import grpc
import nats
import uvicorn
from google.protobuf import json_format
from google.protobuf.message import Message
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig
from websockets.asyncio.client import connect

from tests.support.polling import eventually
from yunsong.conversation.v1 import internal_pb2, message_pb2
from yunsong_common.ids import new_id
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, NatsUser, free_port

SECONDS = 2.0
BATCH = 100
CONSUMERS = 4  # bot, channel-adapter, router, qa


async def floor() -> dict[str, float]:
    """Every primitive in operations per second, and `floor_per_s`, the messages per second they add up to.

    On servers of its own, started as the product's are.
    """
    with TemporaryDirectory(prefix="yunsong-floor-") as name:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder / "postgres", password="bench")
        nats_server = EmbeddedNats(folder / "nats", users=[NatsUser("bench", "bench")])
        try:
            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(nats_server.start)
            return await _measure(postgres.url(), nats_server.url())
        finally:
            postgres.stop()
            nats_server.stop()


async def _measure(postgres_url: str, nats_url: str) -> dict[str, float]:
    rates = {
        "floor_websocket_echo_per_s": await _websocket_echo(),
        "floor_grpc_unary_per_s": await _grpc_unary(),
        "floor_committed_row_per_s": await _committed_rows(postgres_url),
        "floor_jetstream_publish_per_s": await _jetstream(nats_url, publish=True),
        "floor_jetstream_pull_ack_per_s": await _jetstream(nats_url, publish=False),
        "floor_json_protobuf_per_s": _json_protobuf(),
    }
    # The sender's frame with its acknowledgement is an echo, the delivery to the other side half of one. Calls
    # and commits go in batches: of a call's price a tenth, of rows three (message, change, conversation).
    seconds = (
        1.5 / rates["floor_websocket_echo_per_s"]
        + 0.1 / rates["floor_grpc_unary_per_s"]
        + 3 / rates["floor_committed_row_per_s"]
        + 1 / rates["floor_jetstream_publish_per_s"]
        + CONSUMERS / rates["floor_jetstream_pull_ack_per_s"]
        + 2 / rates["floor_json_protobuf_per_s"]
    )
    return {**rates, "floor_per_s": 1 / seconds}


async def _rate(operation: Callable[[], Awaitable[int]], *, workers: int) -> float:
    """Operations per second over all workers; `operation` tells how many it did."""
    done = 0
    end = time.perf_counter() + SECONDS

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            count = await operation()
            done += count

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return done / (time.perf_counter() - started)


async def _websocket_echo() -> float:
    async def app(
        scope: dict[str, object],
        receive: Callable[..., Awaitable[dict[str, str]]],
        send: Callable[..., Awaitable[None]],
    ) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})

    port = free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, ws="websockets-sansio", log_level="critical", lifespan="off"
    )
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started, what="the echo server")
    payload = json.dumps({"type": "send", "ref": 1, "content": {"text": {"text": "x" * 60}}})
    sockets = [await connect(f"ws://127.0.0.1:{port}", compression=None) for _ in range(16)]
    free = list(sockets)

    async def echo() -> int:
        socket = free.pop()
        for _ in range(20):
            await socket.send(payload)
            await socket.recv()
        free.append(socket)
        return 20

    try:
        return await _rate(echo, workers=len(sockets))
    finally:
        for socket in sockets:
            await socket.close()
        server.should_exit = True
        await task


def _no_signals() -> object:
    return contextlib.nullcontext()


async def _grpc_unary() -> float:
    request = internal_pb2.AppendMessagesRequest(entries=[_entry()])

    async def handle(_: Message, __: object) -> Message:
        return internal_pb2.AppendMessagesResponse(results=[internal_pb2.AppendResult(message_id="x", rev=1)])

    handler = grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=internal_pb2.AppendMessagesRequest.FromString,
        response_serializer=internal_pb2.AppendMessagesResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench.Floor", {"Append": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            "/bench.Floor/Append",
            request_serializer=internal_pb2.AppendMessagesRequest.SerializeToString,
            response_deserializer=internal_pb2.AppendMessagesResponse.FromString,
        )

        async def unary() -> int:
            await call(request)
            return 1

        rate = await _rate(unary, workers=16)
    await server.stop(None)
    return rate


async def _committed_rows(url: str) -> float:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "CREATE TEMP TABLE bench_floor (id uuid PRIMARY KEY, body bytea, at timestamptz)"
        )

        async def commit() -> int:
            ids = [new_id() for _ in range(BATCH)]
            await connection.execute(
                "INSERT INTO bench_floor SELECT *, now() FROM unnest($1::uuid[], $2::bytea[])",
                ids,
                [b"x" * 300] * BATCH,
            )
            return BATCH

        return await _rate(commit, workers=1)
    finally:
        await connection.close()


async def _jetstream(url: str, *, publish: bool) -> float:
    client = await nats.connect(url, pending_size=64 * 1024 * 1024)
    jetstream = client.jetstream(publish_async_max_pending=2000)
    name = f"BENCH{new_id()[:8]}"
    await jetstream.add_stream(StreamConfig(name=name, subjects=[f"bench.{name}"]))
    payload = b"x" * 400

    async def publish_batch() -> int:
        futures = [await jetstream.publish_async(f"bench.{name}", payload) for _ in range(BATCH)]
        await asyncio.gather(*futures)
        return BATCH

    try:
        if publish:
            return await _rate(publish_batch, workers=1)
        for _ in range(200):
            await publish_batch()
        subscription = await jetstream.pull_subscribe(
            f"bench.{name}",
            durable="bench",
            config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=20_000),
        )
        started, done = time.perf_counter(), 0
        while done < 200 * BATCH:
            messages = await subscription.fetch(BATCH, timeout=5)
            for message in messages:
                await message.ack()
            done += len(messages)
        return done / (time.perf_counter() - started)
    finally:
        await jetstream.delete_stream(name)
        await client.close()


def _json_protobuf() -> float:
    """The library's own conversion, both ways, of a message as a socket carries it."""
    message = _entry()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS / 2:
        text = json_format.MessageToJson(message)
        json_format.Parse(text, internal_pb2.AppendEntry())
        done += 2
    return done / (time.perf_counter() - started)


def _entry() -> internal_pb2.AppendEntry:
    content = message_pb2.Content(
        text=message_pb2.TextContent(text="请问什么时候发货？ When will it be sent?")
    )
    return internal_pb2.AppendEntry(conversation_id=new_id(), client_id="client-1", content=content)
