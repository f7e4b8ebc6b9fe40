"""The NATS configurations that are delivered, in a real server: who may publish what, and who sees what."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nats
import nats.aio.msg

from tests.chart.chart import ROOT, ci, render
from yunsong_common.bus import declare_streams
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.embedded import free_port

PASSWORD = "p4ssword"
SHARED = ROOT / "deploy" / "k8s" / "shared"


@contextmanager
def server(folder: Path, text: str) -> Iterator[int]:
    """A server on a port of its own, with the same password for all."""
    port = free_port()
    text = re.sub(r"(?m)^port: .*$", f"port: {port}", text)
    text = re.sub(r"(?m)^http: .*$", "", text).replace('"/data"', f'"{folder}/data"')
    (folder / "nats.conf").write_text(text)
    variables = set(
        re.findall(r"\$([A-Z][A-Z0-9_]+)\b", "".join(each.read_text() for each in folder.glob("*.conf")))
    )
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "nats-server"),
            "-c",
            str(folder / "nats.conf"),
            "-a",
            "127.0.0.1",
        ],
        env={**os.environ, **dict.fromkeys(variables, PASSWORD)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def may_publish(port: int, user: str, subject: str) -> bool:
    """Whether the server lets a user publish on a subject."""
    answered = asyncio.Event()
    refused: list[str] = []

    async def on_error(error: Exception) -> None:
        refused.append(str(error))
        answered.set()

    async def on_message(_: nats.aio.msg.Msg) -> None:
        answered.set()

    client = await nats.connect(
        f"nats://127.0.0.1:{port}", user=user, password=PASSWORD, error_cb=on_error, allow_reconnect=False
    )
    await client.subscribe(subject, cb=on_message)
    await client.publish(subject, b"")
    # It comes back, or the server says no.
    await asyncio.wait_for(answered.wait(), 10)
    await client.close()
    return not refused


async def check_users(port: int, prefix: str) -> None:
    for service in SERVICES:
        user = f"{prefix}{service.identifier if prefix else service.name}"
        for other in SERVICES:
            subject = f"yunsong.{other.package}.v1.something.1"
            assert await may_publish(port, user, subject) == (service is other), (user, subject)
        assert not await may_publish(port, user, "$JS.API.STREAM.DELETE.YUNSONG_QA")
        assert not await may_publish(port, user, "$JS.API.STREAM.PURGE.YUNSONG_QA")


def test_the_charts_users_publish_what_is_theirs_alone(tmp_path: Path) -> None:
    rendered = render(ci("minimal"))
    [configuration] = [each for each in rendered.of("ConfigMap") if each["metadata"]["name"] == "t-nats"]

    async def check() -> None:
        with server(tmp_path, configuration["data"]["nats.conf"]) as port:
            url = f"nats://yunsong:{PASSWORD}@127.0.0.1:{port}"
            await declare_streams(url, [service.package for service in SERVICES])
            await check_users(port, "")

    asyncio.run(check())


def test_a_tenants_account_is_its_own(tmp_path: Path) -> None:
    accounts = (SHARED / "tenants" / "accounts.conf").read_text()
    # A second business, as its file would make it.
    block = accounts[accounts.index('  "shop" {') : accounts.rindex("}")]
    second = block.replace('"shop', '"cafe').replace("$SHOP", "$CAFE")
    (tmp_path / "accounts.conf").write_text(accounts[: accounts.rindex("}")] + second + "}\n")
    text = (SHARED / "nats" / "nats.conf").read_text()
    # One server: a cluster of JetStream needs three.
    text = re.sub(r"(?ms)^cluster \{.*?^\}\n", "", text).replace("$POD_NAME", "nats-0")

    async def check() -> None:
        with server(tmp_path, text) as port:
            for tenant in ("shop", "cafe"):
                url = f"nats://{tenant}:{PASSWORD}@127.0.0.1:{port}"
                await declare_streams(url, [service.package for service in SERVICES])
            await check_users(port, "shop_")
            mine = await nats.connect(f"nats://127.0.0.1:{port}", user="shop", password=PASSWORD)
            other = await nats.connect(f"nats://127.0.0.1:{port}", user="cafe", password=PASSWORD)
            heard = await mine.subscribe("yunsong.>")
            await mine.flush()
            await other.publish("yunsong.qa.v1.something.1", b"of the cafe")
            await other.flush()
            await mine.publish("yunsong.qa.v1.something.1", b"of the shop")
            first = await heard.next_msg(5)
            assert first.data == b"of the shop"
            # This one and the one of the check, and none of the cafe's.
            assert (await mine.jetstream().stream_info("YUNSONG_QA")).state.messages == 2
            for client in (mine, other):
                await client.close()

    asyncio.run(check())
