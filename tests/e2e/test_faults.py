"""What the product survives under a steady stream of messages: one fault of each kind, and the long ones.

Afterwards every acknowledged message is there exactly once and in order on both sides, both screens equal a fresh read, every consumer
has seen every event, no agent holds too much, nothing waits that could be served, and no agent lost work.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import NO_LIMITS
from tests.e2e.steady_stream import SteadyStream, after_fault
from tests.support.polling import eventually
from tests.support.product import Product
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres

pytestmark = pytest.mark.timeout(180)

TOPOLOGIES = ("compact", "distributed")


@asynccontextmanager
async def product(
    folder: Path,
    topology: str,
    *,
    postgres: EmbeddedPostgres | None = None,
    nats: EmbeddedNats | None = None,
) -> AsyncIterator[Product]:
    running = Product(folder, topology, postgres=postgres, nats=nats, environment=NO_LIMITS)
    async with running:
        try:
            yield running
        except BaseException:
            print(running.tail())
            raise


def killing(running: Product, victim: str) -> Callable[[], Awaitable[None]]:
    async def fault() -> None:
        gone = running.kill(victim)
        await running.replaced(victim, gone)
        await running.all_ready()

    return fault


@pytest.mark.parametrize(
    ("topology", "victim"),
    [
        ("compact", "conversation"),  # the one process that is all of them
        ("distributed", "conversation"),
        ("distributed", "gateway"),
        ("compact", "postgres"),
        ("distributed", "nats"),
        *(
            pytest.param(topology, victim, marks=pytest.mark.slow)
            for topology, victim in [
                ("distributed", "router"),
                ("distributed", "bot"),
                ("distributed", "qa"),
                ("distributed", "channel-adapter"),
                ("distributed", "postgres"),
                ("compact", "nats"),
            ]
        ),
    ],
)
async def test_a_killed_part_loses_nothing(tmp_path: Path, topology: str, victim: str) -> None:
    async with product(tmp_path, topology) as running, SteadyStream(running) as stream:
        await after_fault(stream, killing(running, victim))


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_every_service_killed_one_after_the_other(tmp_path: Path) -> None:
    async with product(tmp_path, "distributed") as running, SteadyStream(running) as stream:
        for victim in [service.name for service in SERVICES] * 2:
            await killing(running, victim)()
            await stream.flows(2)
        await stream.assignable()
        await stream.settle()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("server", ["postgres", "nats"])
async def test_a_minute_without_a_server(
    tmp_path: Path,
    topology: str,
    server: str,
    private_postgres: EmbeddedPostgres,
    private_nats: EmbeddedNats,
) -> None:
    chosen = private_postgres if server == "postgres" else private_nats
    async with (
        product(tmp_path, topology, postgres=private_postgres, nats=private_nats) as running,
        SteadyStream(running) as stream,
    ):

        async def outage() -> None:
            await asyncio.to_thread(chosen.kill)
            # The length of the outage is the test's subject.
            await asyncio.sleep(60)
            await asyncio.to_thread(chosen.start)
            await running.all_ready()

        await after_fault(stream, outage)


@pytest.mark.parametrize("topology", ["compact", pytest.param("distributed", marks=pytest.mark.slow)])
async def test_a_wiped_nats_is_filled_again_from_postgresql(
    tmp_path: Path, topology: str, private_nats: EmbeddedNats
) -> None:
    async with product(tmp_path, topology, nats=private_nats) as running, SteadyStream(running) as stream:

        async def wipe() -> None:
            await asyncio.to_thread(private_nats.kill)
            await asyncio.to_thread(shutil.rmtree, private_nats.folder / "streams")
            await asyncio.to_thread(private_nats.start)
            await running.all_ready()

        await after_fault(stream, wipe)


@pytest.mark.parametrize("topology", ["compact"])
async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, topology: str) -> None:
    async with product(tmp_path, topology) as running, SteadyStream(running) as stream:

        async def power_cut() -> None:
            running.kill_everything()
            await running.start()

        await after_fault(stream, power_cut)


@pytest.mark.timeout(600)
async def test_two_replicas_of_every_service_share_the_work(tmp_path: Path) -> None:
    async with product(tmp_path, "distributed") as running:
        second_door = 0
        for service in SERVICES:
            port = running.add_replica(service.name)
            second_door = port if service.name == "gateway" else second_door
        url = f"http://127.0.0.1:{second_door}"
        await eventually(lambda: _answers(url), within_s=60, what="the second gateway")
        async with SteadyStream(running, doors=(running.url, url)) as stream:
            # One replica of each consumer dies; the other goes on.
            await after_fault(stream, killing(running, "router"))


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(base_url=url, timeout=5) as client:
        try:
            return (await client.get("/openapi.json")).status_code == 200
        except httpx.HTTPError as error:
            raise AssertionError(str(error)) from error
