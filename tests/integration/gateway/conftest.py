"""A running door in front of stand-ins, on a real PostgreSQL and a real NATS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import websockets

from tests.integration.gateway.fakes import INBOX_KEY, FakeChannel, FakeConversation, FakeRouter
from tests.support.polling import eventually
from yunsong.channel.v1 import channel_pb2_grpc
from yunsong.conversation.v1 import contact_door_pb2_grpc, conversation_pb2_grpc, internal_pb2_grpc
from yunsong.router.v1 import router_pb2_grpc
from yunsong_common.bus import Bus, declare_streams
from yunsong_common.db import Database, run_migrations
from yunsong_common.grpc import GrpcServer
from yunsong_common.service import Registries, serve
from yunsong_common.telemetry import Metrics, Telemetry
from yunsong_gateway.bootstrap import ensure_admin
from yunsong_gateway.wiring import build

RELEASE_KEY = "a release key that only tests know, long enough"
PACKAGES = ("gateway", "channel", "conversation", "router", "bot", "qa")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Frames:
    """A test's side of a socket."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.welcome: dict[str, Any] = {}
        self._number = 0

    async def send(self, **frame: Any) -> str:
        self._number += 1
        ref = str(frame.setdefault("ref", f"r{self._number}"))
        await self.connection.send(orjson.dumps(frame).decode())
        return ref

    async def receive(self, within_s: float = 5) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            return dict(orjson.loads(await self.connection.recv()))

    async def close_code(self, within_s: float = 20) -> int:
        """How the server ends the socket; what still comes before is passed over."""
        async with asyncio.timeout(within_s):
            try:
                while True:
                    await self.connection.recv()
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006

    async def until(self, **members: Any) -> dict[str, Any]:
        """The next frame that has these members; others are passed over."""
        while True:
            frame = await self.receive()
            if all(frame.get(name) == value for name, value in members.items()):
                return frame

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """Sends a frame and gives its ack or error."""
        ref = await self.send(**frame)
        return await self.until(ref=ref)


@dataclass
class Door:
    """The running gateway and what stands behind it."""

    url: str
    http: httpx.AsyncClient
    conversation: FakeConversation
    channel: FakeChannel
    router: FakeRouter
    bus: Bus
    upstreams_file: Path
    admin_password: str
    addresses: dict[str, str]

    async def sign_in(self, username: str = "admin", password: str = "") -> dict[str, Any]:
        answer = await self.http.post(
            "/api/v1/sessions", json={"username": username, "password": password or self.admin_password}
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def change_password(self, username: str, first: str) -> dict[str, Any]:
        """Signs in with a first password and replaces it; the session after that."""
        session = await self.sign_in(username, first)
        changed = await self.http.post(
            "/api/v1/me:change_password",
            json={"current_password": first, "new_password": first[::-1]},
            headers=bearer(session["access_token"]),
        )
        assert changed.status_code == 200, changed.text
        return session

    async def staff(self) -> dict[str, str]:
        """Headers of the administrator."""
        return bearer((await self.sign_in())["access_token"])

    async def new_user(self, *roles: str) -> tuple[dict[str, Any], dict[str, str]]:
        """A fresh user with these roles, signed in."""
        name = f"user-{free_port()}-{len(roles)}"
        made = await self.http.post(
            "/api/v1/users",
            json={"user": {"username": name, "display_name": name.title(), "roles": list(roles)}},
            headers=await self.staff(),
        )
        assert made.status_code == 200, made.text
        signed_in = await self.change_password(name, made.json()["password"])
        return signed_in["user"], bearer(signed_in["access_token"])

    async def contact(self, **more: Any) -> dict[str, Any]:
        answer = await self.http.post("/api/v1/contact/sessions", json={"inbox_key": INBOX_KEY, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    @contextlib.asynccontextmanager
    async def socket(self, token: str) -> AsyncIterator[Frames]:
        address = self.url.replace("http://", "ws://") + "/api/v1/ws"
        headers = {"Authorization": f"Bearer {token}"}
        async with websockets.connect(address, additional_headers=headers, compression=None) as connection:
            frames = Frames(connection)
            frames.welcome = await frames.until(type="welcome")
            yield frames


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def grpc_server(services: list[Any]) -> GrpcServer:
    registries = Registries()
    return GrpcServer(
        services,
        release_key=RELEASE_KEY,
        metrics=Metrics(registries.metrics_registry, "fake"),
        telemetry=Telemetry("fake", "0"),
    )


@pytest.fixture
async def door(postgres_url: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    await declare_streams(nats_url, PACKAGES)
    await run_migrations("yunsong_gateway.migrations", postgres_url, "gateway")
    # Before the gateway starts: emptying tables under its first queries would be a deadlock.
    database = Database(postgres_url, schema="gateway")
    await _reset(database)
    password = await ensure_admin(database)
    assert password
    bus = Bus(nats_url, name="fakes")
    async with asyncio.TaskGroup() as group:
        bus_task = group.create_task(bus.run())
        await eventually(lambda: bus.connected)
        conversation = FakeConversation(bus, RELEASE_KEY)  # type: ignore[abstract] # only what the door calls
        channel, router = FakeChannel(), FakeRouter(bus)  # type: ignore[abstract]
        servers = {
            "conversation": grpc_server(
                [
                    (conversation_pb2_grpc.add_ConversationServiceServicer_to_server, conversation),
                    (contact_door_pb2_grpc.add_ContactConversationServiceServicer_to_server, conversation),
                    (internal_pb2_grpc.add_ConversationInternalServiceServicer_to_server, conversation),
                ]
            ),
            "channel-adapter": grpc_server(
                [
                    (channel_pb2_grpc.add_InboundServiceServicer_to_server, channel),
                    (channel_pb2_grpc.add_InboxServiceServicer_to_server, channel),
                ]
            ),
            "router": grpc_server(
                [
                    (router_pb2_grpc.add_AgentServiceServicer_to_server, router),
                    (router_pb2_grpc.add_QueueServiceServicer_to_server, router),
                    (router_pb2_grpc.add_DispatchServiceServicer_to_server, router),
                ]
            ),
            "bot": grpc_server([]),
            "qa": grpc_server([]),
        }
        for server in servers.values():
            await server.start()
        registries = Registries()
        registries.addresses.update({name: server.address for name, server in servers.items()})
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        upstreams_file = tmp_path / "upstreams.json"
        gateway = group.create_task(
            serve(
                [build],
                registries,
                database_url=postgres_url,
                nats_url=nats_url,
                release_key=RELEASE_KEY,
                public_url=url,
                http_host="127.0.0.1",
                http_port=port,
                grpc_host="127.0.0.1",
                grpc_port=0,
                ops_host="127.0.0.1",
                ops_port=0,
                upstreams_file=upstreams_file,
                upstreams_recheck_s=0.5,
                heartbeat_s=1,
                password_memory_kib=1024,
                files_url=str(tmp_path / "files"),
                webhooks_allow_private=True,
                staff_per_minute=100_000,
                anonymous_per_minute=100_000,
                sign_ins_per_minute=100_000,
                grace_s=3,
            )
        )
        async with httpx.AsyncClient(base_url=url, timeout=10) as http:

            async def is_up() -> bool:
                try:
                    learned = (await http.get("/openapi.json")).json().get("paths", {})
                except httpx.TransportError:
                    return False
                return {"/api/v1/conversations", "/api/v1/sessions", "/api/v1/agents"} <= set(learned)

            await eventually(is_up, within_s=20, what="the door")
            yield Door(
                url,
                http,
                conversation,
                channel,
                router,
                bus,
                upstreams_file,
                password,
                dict(registries.addresses),
            )
        gateway.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gateway
        for server in servers.values():
            await server.stop(0)
        await database.close()
        bus_task.cancel()


async def _reset(database: Any) -> None:
    """Modules share a database: each test begins without users."""
    async with database.transaction() as tx:
        await tx.raw.execute("TRUNCATE users, sessions, sign_in_failures, api_keys, webhooks CASCADE")
        await tx.raw.execute(
            "UPDATE business SET name = '', locale = '', time_zone = '', setup_done_at = NULL"
        )
