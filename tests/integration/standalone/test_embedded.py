"""The embedded servers: real, private, and back with everything after a crash."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import nats
import nats.errors
import pytest
from nats.aio.msg import Msg

from tests.support.polling import eventually
from tests.support.servers import with_user
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, NatsUser


async def test_a_killed_postgres_comes_back_with_what_was_committed(
    private_postgres: EmbeddedPostgres,
) -> None:
    connection = await asyncpg.connect(private_postgres.url())
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (7)")
    await connection.close()
    port = private_postgres.port

    private_postgres.kill()
    assert private_postgres.pid is None
    private_postgres.start()

    assert private_postgres.port == port
    connection = await asyncpg.connect(private_postgres.url())
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()


async def test_postgres_lets_nobody_in_without_the_password(private_postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(with_user(private_postgres.url(), "postgres", "guess"))


async def test_a_second_server_takes_over_the_cluster_of_a_killed_parent(
    private_postgres: EmbeddedPostgres,
) -> None:
    successor = EmbeddedPostgres(private_postgres.folder, password="test-only")

    successor.start()

    await eventually(lambda: private_postgres.pid is None, what="the end of the first server")
    connection = await asyncpg.connect(successor.url())
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    successor.stop()


async def test_a_killed_nats_comes_back_with_its_streams(private_nats: EmbeddedNats) -> None:
    client = await nats.connect(private_nats.url())
    await client.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
    await client.jetstream().publish("kept.one", b"1")
    await client.close()

    private_nats.kill()
    private_nats.start()

    client = await nats.connect(private_nats.url())
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 1
    await client.close()


async def test_a_nats_user_publishes_only_what_is_its_own(tmp_path: Path) -> None:
    server = EmbeddedNats(
        tmp_path, users=[NatsUser("all", "secret"), NatsUser("router", "secret", ("yunsong.router.>",))]
    )
    server.start()
    refused: list[Exception] = []

    async def note(error: Exception) -> None:
        refused.append(error)

    heard: list[str] = []
    listener = await nats.connect(server.url())

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    await listener.subscribe("yunsong.>", cb=hear)
    await listener.flush()
    router = await nats.connect(server.url("router"), error_cb=note)

    await router.publish("yunsong.bot.v1.answered.1", b"")
    await router.publish("yunsong.router.v1.assigned.1", b"")

    await eventually(lambda: heard == ["yunsong.router.v1.assigned.1"], what="the router's own event alone")
    await eventually(lambda: refused, what="the server's refusal")
    await router.close()
    await listener.close()
    server.stop()
