"""A service starts, says when it is ready, answers, survives its servers' absence, and stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.integration.common.sample.wiring import build, build_other
from tests.support.polling import eventually
from yunsong.auth.v1 import principal_pb2
from yunsong.ops.v1 import ops_pb2, ops_pb2_grpc
from yunsong_common.db import run_migrations
from yunsong_common.errors import InvalidArgument, NotFound, PermissionDenied, Unauthenticated, Unavailable
from yunsong_common.grpc import Channels, GrpcServer
from yunsong_common.ids import new_id
from yunsong_common.runtime import Process, Running
from yunsong_common.service import Registries
from yunsong_common.settings import SettingsError
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, free_port

KEY = "k" * 32
MIGRATIONS = "tests.integration.common.sample.migrations"


@contextlib.asynccontextmanager
async def process(database_url: str, nats_url: str, ops_port: int) -> AsyncIterator[Process]:
    """The sample service, running."""
    made = Process(
        [build],
        {
            "database_url": database_url,
            "nats_url": nats_url,
            "release_key": KEY,
            "grpc_host": "127.0.0.1",
            "grpc_port": 0,
            "ops_host": "127.0.0.1",
            "ops_port": ops_port,
            "http_host": "127.0.0.1",
            "http_port": free_port(),
        },
        Registries(),
    )
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def is_ready(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
        except httpx.TransportError:
            return False
    assert answer.status_code == 200, answer.text
    return True


async def is_unready(port: int, check: str) -> bool:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/readyz", timeout=10)
    return answer.status_code == 503 and check in json.loads(answer.text)["problems"]["conversation"]


def channels_to(running: Running) -> Channels:
    return Channels(service="gateway", release_key=KEY, addresses={"conversation": running.server.address})


async def test_it_waits_for_its_schema_then_serves(postgres_url: str, nats_url: str) -> None:
    port = free_port()
    async with process(postgres_url, nats_url, port) as made:
        await eventually(lambda: is_unready_or_starting(port, "schema"))
        await run_migrations(MIGRATIONS, postgres_url, "sample")
        await eventually(lambda: is_ready(port))
        channels = channels_to(made.running[0])
        stub = ops_pb2_grpc.OpsServiceStub(channels.conversation)
        heads = await stub.GetHeads(ops_pb2.GetHeadsRequest())
        assert list(heads.heads) == []
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{made.settings[0].http_port}/")).text == "hello"
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        assert (
            'yunsong_grpc_call_seconds_count{code="OK",method="yunsong.ops.v1.OpsService/GetHeads"' in metrics
        )
        await channels.close()


async def is_unready_or_starting(port: int, check: str) -> bool:
    try:
        return await is_unready(port, check)
    except httpx.TransportError:
        return False


async def test_callers_get_typed_errors_with_every_violation(postgres_url: str, nats_url: str) -> None:
    await run_migrations(MIGRATIONS, postgres_url, "sample")
    port = free_port()
    async with process(postgres_url, nats_url, port) as made:
        await eventually(lambda: is_ready(port))
        channels = channels_to(made.running[0])
        stub = ops_pb2_grpc.OpsServiceStub(channels.conversation)
        staff = principal_pb2.Principal(
            kind=principal_pb2.ACTOR_KIND_STAFF, actor_id=new_id(), permissions=["system.write"]
        )
        as_staff = channels.as_principal(staff)
        with pytest.raises(InvalidArgument) as refused:
            await stub.ReplayDeadLetter(ops_pb2.ReplayDeadLetterRequest(event_id="x"), metadata=as_staff)
        assert [(item.field, item.reason) for item in refused.value.violations] == [
            ("consumer", "REQUIRED"),
            ("event_id", "FORMAT"),
        ]
        request = ops_pb2.ReplayDeadLetterRequest(consumer="c", event_id=new_id())
        with pytest.raises(NotFound) as missing:
            await stub.ReplayDeadLetter(request, metadata=as_staff)
        assert missing.value.reason == "DEAD_LETTER_UNKNOWN"
        with pytest.raises(PermissionDenied) as denied:
            await stub.GetHeads(ops_pb2.GetHeadsRequest(), metadata=as_staff)
        assert denied.value.metadata == {"permission": "system.read"}
        with pytest.raises(PermissionDenied):
            await stub.ReplayDeadLetter(ops_pb2.ReplayDeadLetterRequest(consumer="c", event_id=new_id()))
        with pytest.raises(Unauthenticated):
            await stub.GetHeads(
                ops_pb2.GetHeadsRequest(), metadata=(("x-yunsong-principal", "forged.token"),)
            )
        await channels.close()


async def test_it_survives_the_absence_of_postgresql_and_nats(
    private_postgres: EmbeddedPostgres, private_nats: EmbeddedNats
) -> None:
    await run_migrations(MIGRATIONS, private_postgres.url(), "sample")
    port = free_port()
    async with process(private_postgres.url(), private_nats.url(), port) as made:
        await eventually(lambda: is_ready(port))
        channels = channels_to(made.running[0])
        stub = ops_pb2_grpc.OpsServiceStub(channels.conversation)
        private_nats.kill()
        await eventually(lambda: is_unready(port, "nats"))
        await asyncio.to_thread(private_nats.start)
        await eventually(lambda: is_ready(port))
        private_postgres.kill()
        await eventually(lambda: is_unready(port, "database"))
        with pytest.raises(Unavailable):
            await stub.GetHeads(ops_pb2.GetHeadsRequest())
        await asyncio.to_thread(private_postgres.start)
        await eventually(lambda: is_ready(port), within_s=20)
        await stub.GetHeads(ops_pb2.GetHeadsRequest())
        await channels.close()


async def test_services_of_one_process_share_a_pool_and_meet_on_loopback(
    postgres_url: str, nats_url: str
) -> None:
    await run_migrations(MIGRATIONS, postgres_url, "sample")
    port = free_port()
    overrides = {
        "database_url": postgres_url,
        "nats_url": nats_url,
        "release_key": KEY,
        "ops_host": "127.0.0.1",
        "ops_port": port,
        "http_host": "127.0.0.1",
        "http_port": free_port(),
    }
    made = Process([build, build_other], overrides)
    task = asyncio.create_task(made.run())
    try:
        await eventually(lambda: is_ready(port))
        conversation, gateway = made.running
        assert conversation.service.database.pool is gateway.service.database.pool
        channels = gateway.service.channels
        assert channels is not None
        await ops_pb2_grpc.OpsServiceStub(channels.conversation).GetHeads(ops_pb2.GetHeadsRequest())
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_process_stops_on_sigterm_with_nothing_left_to_do(
    postgres_url: str, nats_url: str, tmp_path: Path
) -> None:
    await run_migrations(MIGRATIONS, postgres_url, "sample")
    port = free_port()
    environment = {
        **os.environ,
        "YUNSONG_DATABASE_URL": postgres_url,
        "YUNSONG_NATS_URL": nats_url,
        "YUNSONG_RELEASE_KEY": KEY,
        "YUNSONG_GRPC_PORT": str(free_port()),
        "YUNSONG_OPS_PORT": str(port),
        "YUNSONG_HTTP_PORT": str(free_port()),
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.common.sample",
            env=environment,
            stdout=output,
            stderr=output,
        )
        await eventually(lambda: is_ready(port), within_s=20)
        started.terminate()
        assert await asyncio.wait_for(started.wait(), 15) == 0, log.read_text()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert any("is ready" in line["message"] and line["service"] == "conversation" for line in lines)
    assert not [line for line in lines if line["level"] == "ERROR"]


async def test_wrong_settings_are_named_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YUNSONG_DATABASE_URL", raising=False)
    with pytest.raises(SettingsError) as error:
        Process([build], {"release_key": "short"})
    assert set(error.value.problems) == {"YUNSONG_DATABASE_URL", "YUNSONG_RELEASE_KEY"}


def test_a_method_without_an_access_rule_is_refused_by_name() -> None:
    from yunsong_common.grpc.access import rules_of  # noqa: PLC0415

    assert "GetHeads" in rules_of("yunsong.ops.v1.OpsService")
    with pytest.raises(ValueError, match=r"grpc\.health\.v1\.Health/Check"):
        rules_of("grpc.health.v1.Health")
    assert GrpcServer is not None
