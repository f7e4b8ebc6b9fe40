"""The rendered chart runs: installed, tested as `helm test` does, and the main job goes through the ingress."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.harness.images import Images
from tests.chart.harness.tenant import Tenant

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("topology", ["compact", "distributed"])
async def test_the_chart_runs_and_the_main_job_passes(tmp_path: Path, images: Images, topology: str) -> None:
    async with Tenant(tmp_path, images, topology, {}) as tenant:
        await tenant.install()
        said = await tenant.release.test()
        assert "door: " in said
        assert "Everything was as it must be." in await tenant.demo()
        restarts = {pod.name: each.restarts for pod in tenant.cluster.pods for each in pod.containers}
        assert not any(restarts.values()), restarts
