"""The chart's backup brings a copy back whose volumes are gone."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.chart.harness.images import Images
from tests.chart.harness.tenant import Tenant
from tests.load.client import Api
from tests.support.polling import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BACKUP = {"enabled": True}


async def everything(tenant: Tenant) -> dict[str, Any]:
    """What people would miss, as the API gives it; with the key from before."""
    api = Api(tenant.url, tenant.api_key)
    try:
        known: dict[str, Any] = {}
        for name in ("users", "queues", "inboxes", "contacts", "conversations"):
            known[name] = (await api.call("GET", f"/api/v1/{name}", page_size="200"))[name]
        for conversation in known["conversations"]:
            path = f"/api/v1/conversations/{conversation['id']}/messages"
            known[path] = (await api.call("GET", path, page_size="200"))["messages"]
        return known
    finally:
        await api.close()


async def lose_the_volumes(tenant: Tenant) -> None:
    """What a lost disk leaves: the objects, the secrets, and the volume with the backups."""
    cluster = tenant.cluster
    servers = [each for (kind, _), each in cluster.controllers.items() if kind == "StatefulSet"]
    assert len(servers) == 2
    for server in servers:
        await server.stop(at_once=True)
    for claim in (cluster.folder / "claims").iterdir():
        if not claim.name.endswith("-backup"):
            await asyncio.to_thread(shutil.rmtree, claim)
            claim.mkdir()
    for server in servers:
        server.start()


async def test_a_copy_without_its_volumes_comes_back_from_the_backup(tmp_path: Path, images: Images) -> None:
    async with Tenant(tmp_path, images, "compact", {"backup": BACKUP}) as tenant:
        await tenant.install()
        await tenant.demo()
        before = await everything(tenant)
        assert before["conversations"]
        await tenant.release.run_now("t-yunsong-backup")

        await lose_the_volumes(tenant)
        await tenant.release.upgrade(tenant.values(restore={"from": "file:///backup", "replace": True}))
        [restore] = [job for name, job in tenant.cluster.jobs.items() if "-restore-" in name]
        await restore.complete(within_s=240)
        await tenant.release.upgrade(tenant.values())

        async def all_there() -> bool:
            try:
                assert await everything(tenant) == before
            except RuntimeError as error:  # the first moments of a started copy
                raise AssertionError(str(error)) from error
            return True

        await eventually(all_there, within_s=60, what="everything from before")
        await tenant.demo()
