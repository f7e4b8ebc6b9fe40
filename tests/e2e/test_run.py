"""`yunsong run` as an operator meets it: first start, second start, a crash, Ctrl-C."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.polling import eventually
from tests.support.product import Product

pytestmark = pytest.mark.timeout(240)


async def test_a_second_start_keeps_all_data_and_makes_no_second_administrator(tmp_path: Path) -> None:
    async with Product(tmp_path, demo_data=True) as product:
        first = product.first_sign_in()
        async with await product.sign_in() as admin:
            queues = (await admin.get("/api/v1/queues")).json()["queues"]
            users = (await admin.get("/api/v1/users")).json()["users"]
            desk = await _desk(admin)
        assert all(desk.values())
        await product.stop()
        assert product.running == {}

        await product.start()

        assert product.first_sign_in() == first
        async with await product.sign_in() as admin:
            assert (await admin.get("/api/v1/queues")).json()["queues"] == queues
            assert len((await admin.get("/api/v1/users")).json()["users"]) == len(users) == 5
            assert await _desk(admin) == desk


async def _desk(admin: httpx.AsyncClient) -> dict[str, Any]:
    """What the demo shop gives agents and visitors beside queues and people."""
    inboxes = (await admin.get("/api/v1/inboxes")).json()["inboxes"]
    return {
        "name": (await admin.get("/api/v1/sign_in_options")).json()["business_name"],
        "done": (await admin.get("/api/v1/business")).json()["setup_done_at"],
        "reasons": (await admin.get("/api/v1/presence_reasons")).json()["reasons"],
        "replies": (await admin.get("/api/v1/quick_replies")).json()["quick_replies"],
        "views": (await admin.get("/api/v1/saved_views")).json()["saved_views"],
        "titles": [inbox["widget"]["texts"]["zh-CN"]["title"] for inbox in inboxes],
    }


async def test_what_the_first_start_keeps_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    async with Product(tmp_path) as product:
        for name in ("secrets.json", "first-sign-in.json", "demo-key", "running.json"):
            assert stat.S_IMODE((product.home / name).stat().st_mode) == 0o600


@pytest.mark.slow  # the tests of faults kill parts too, under load
@pytest.mark.parametrize("victim", ["router", "postgres", "nats"])
async def test_a_killed_part_comes_back(tmp_path: Path, victim: str) -> None:
    async with Product(tmp_path, "distributed") as product:
        gone = product.kill(victim)

        await product.replaced(victim, gone)
        await product.all_ready()

        async with await product.sign_in() as admin:

            async def answers() -> bool:
                # The gateway's connection to the new process is tried again within two seconds; 503 until then.
                return (await admin.get("/api/v1/queues")).status_code == 200

            await eventually(answers, within_s=10, what="an answer of the new process")


async def test_nothing_of_it_stays_when_the_command_is_killed(tmp_path: Path) -> None:
    product = Product(tmp_path, "distributed")
    async with product:
        running = product.running
        pids = [*running["processes"].values(), *(server["pid"] for server in running["servers"].values())]

        product.kill_everything()

        await eventually(lambda: not any(map(_is_alive, pids)), within_s=30, what="the end of every process")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
