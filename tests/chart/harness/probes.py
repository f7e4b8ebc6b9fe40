"""Probes with the kubelet's timing: when a check runs, how often it must say the same, and what follows."""

from __future__ import annotations

import asyncio
import http.client
import io
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from tests.chart.harness.namespaces import Network
from tests.chart.harness.streams import bridge
from yunsong_common.clock import Clock

Check = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds and in answers in a row."""

    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, probe: Mapping[str, Any]) -> Timing:
        """Of a probe's object, with Kubernetes' defaults."""
        return cls(
            probe.get("initialDelaySeconds", 0),
            probe.get("periodSeconds", 10),
            probe.get("timeoutSeconds", 1),
            probe.get("successThreshold", 1),
            probe.get("failureThreshold", 3),
        )


async def watch(timing: Timing, check: Check, clock: Clock, report: Callable[[bool], None]) -> None:
    """Checks until it is cancelled, each period from start to start; reports what was the same often enough."""
    await clock.sleep(timing.initial_delay)
    last: bool | None = None
    same = 0
    due = clock.monotonic()
    while True:
        passed = await check()
        same = same + 1 if passed == last else 1
        last = passed
        if same >= (timing.successes if passed else timing.failures):
            report(passed)
        due = max(due + timing.period, clock.monotonic())
        await clock.sleep(due - clock.monotonic())


async def until_started(timing: Timing, check: Check, clock: Clock) -> bool:
    """Whether the startup probe succeeded before it failed for good."""
    result: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def report(passed: bool) -> None:
        if not result.done():
            result.set_result(passed)

    watching = asyncio.create_task(watch(timing, check, clock, report))
    try:
        return await result
    finally:
        watching.cancel()


class Prober:
    """Makes the checks of one pod's probes, from the node's side."""

    def __init__(self, node: Network, address: str) -> None:
        self._node = node
        self._address = address

    def check(
        self,
        probe: Mapping[str, Any],
        ports: Mapping[str, int],
        execute: Callable[[list[str]], Awaitable[int]],
    ) -> Check:
        """What asks once and gives whether it passed, within the probe's timeout. `execute` runs a command in the container."""
        timeout = Timing.of(probe).timeout

        async def ask() -> bool:
            try:
                async with asyncio.timeout(timeout):
                    return await self._ask(probe, ports, execute)
            except (TimeoutError, OSError, grpc.aio.AioRpcError, http.client.HTTPException):
                return False

        return ask

    async def _ask(
        self,
        probe: Mapping[str, Any],
        ports: Mapping[str, int],
        execute: Callable[[list[str]], Awaitable[int]],
    ) -> bool:
        if "exec" in probe:
            return await execute(probe["exec"]["command"]) == 0
        [(kind, target)] = ((kind, probe[kind]) for kind in ("httpGet", "tcpSocket", "grpc") if kind in probe)
        port = ports[target["port"]] if isinstance(target["port"], str) else target["port"]
        connection = await self._connect(port)
        if kind == "grpc":
            return await _healthy(connection, target.get("service", ""))
        with connection:
            return kind == "tcpSocket" or await _get(connection, self._address, target)

    async def _connect(self, port: int) -> socket.socket:
        connection = self._node.socket()
        try:
            await asyncio.get_running_loop().sock_connect(connection, (self._address, port))
        except BaseException:
            connection.close()
            raise
        return connection


async def _get(connection: socket.socket, address: str, target: Mapping[str, Any]) -> bool:
    loop = asyncio.get_running_loop()
    headers = {"Host": address, "User-Agent": "kube-probe", "Connection": "close"}
    headers |= {each["name"]: each["value"] for each in target.get("httpHeaders") or []}
    lines = [
        f"GET {target.get('path', '/')} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    await loop.sock_sendall(connection, "\r\n".join([*lines, "", ""]).encode())
    received = b""
    while b"\r\n" not in received:
        part = await loop.sock_recv(connection, 4096)
        if not part:
            return False
        received += part
    status = io.BytesIO(received).readline().split(b" ")
    return len(status) > 1 and 200 <= int(status[1]) < 400


async def _healthy(connection: socket.socket, service: str) -> bool:
    async with bridge(connection) as path, grpc.aio.insecure_channel(f"unix:{path}") as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = await check(health_pb2.HealthCheckRequest(service=service))
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
