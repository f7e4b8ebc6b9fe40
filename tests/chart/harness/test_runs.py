"""The rendered chart runs: installed, tested as `helm test` does, and the main job goes through the ingress."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chart.harness.images import Images
from tests.chart.harness.tenant import Tenant

pytestmark = pytest.mark.timeout(300)


_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def memory_limit(container: Mapping[str, Any]) -> int:
    """In bytes."""
    text: str = container["resources"]["limits"]["memory"]
    return int(text[:-2]) * _UNITS[text[-2:]]


@pytest.mark.parametrize("topology", ["compact", pytest.param("distributed", marks=pytest.mark.slow)])
async def test_the_chart_runs_and_the_main_job_passes(
    tmp_path: Path, images: Images, topology: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem" if topology == "compact" else None
    if certificate is not None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with Tenant(tmp_path, images, topology, {}, certificate=certificate) as tenant:
        await tenant.install()
        said = await tenant.release.test()
        assert "door: " in said
        assert "Everything was as it must be." in await tenant.demo()
        over = {
            pod.name: f"{used >> 20} MiB of {limit >> 20}"
            for pod in tenant.cluster.pods
            for each in pod.containers
            if pod.ready
            and each.process is not None
            and each.spec["image"].rsplit("/", 1)[-1].startswith("yunsong-")
            and (used := each.process.memory()) > (limit := memory_limit(each.spec))
        }
        assert not over, over
        restarts = {pod.name: each.restarts for pod in tenant.cluster.pods for each in pod.containers}
        assert not any(restarts.values()), restarts
