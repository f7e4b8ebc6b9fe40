"""What Kubernetes does to pods, done to them while contacts and agents write: one killed, one hung, all replaced by the next release."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.chart.harness.conftest import TAG
from tests.chart.harness.images import Image, Images, Reference
from tests.chart.harness.releases import archive, build
from tests.chart.harness.tenant import AskingAllTheTime, Tenant
from tests.e2e.steady_stream import SteadyStream, after_fault
from tests.support.polling import eventually
from yunsong_standalone.catalogue import SERVICES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# The commit whose build is upgraded from; the last one, with one more schema change, is what it becomes.
BEFORE = os.environ.get("UPGRADE_FROM", "HEAD~1")
NEXT = "0.1.1"

REVISION = '''
"""Adds a column with a default, as an ordinary release does."""

from alembic import op

revision = "{number:04}"
down_revision = "{before:04}"


def upgrade() -> None:
    op.execute("ALTER TABLE messages ADD COLUMN harness_test text NOT NULL DEFAULT 'new'")
    op.execute("CREATE INDEX harness_test ON messages (harness_test) WHERE harness_test <> 'new'")
'''


def add_revision(tree: Path) -> None:
    """One more schema change on top of what the commits between brought."""
    package = tree / "services/conversation/yunsong_conversation"
    tables = package / "tables.py"
    text = tables.read_text("utf-8")
    version = int(text.split("SCHEMA_VERSION = ")[1].split()[0])
    tables.write_text(text.replace(f"SCHEMA_VERSION = {version}", f"SCHEMA_VERSION = {version + 1}"))
    (package / f"migrations/versions/{version + 1:04}_harness_test.py").write_text(
        REVISION.format(number=version + 1, before=version)
    )


async def test_an_upgrade_goes_pod_by_pod_and_loses_nothing(
    tmp_path: Path, layers: Path, servers: dict[str, Image]
) -> None:
    before, after = archive(BEFORE, tmp_path / "before"), archive("HEAD", tmp_path / "after")
    add_revision(after)
    releases = {TAG: build(before, layers / "before"), NEXT: build(after, layers / "after")}
    several = {"gateway": {"replicas": 2}, "conversation": {"replicas": 2}}
    async with Tenant(tmp_path, Images(releases, servers), "distributed", {"components": several}) as tenant:
        tenant.release.chart = before / "deploy/helm/yunsong"
        await tenant.install()
        old = {pod.name for pod in tenant.cluster.pods}
        async with SteadyStream(tenant) as stream:

            async def upgrade() -> None:
                tenant.release.chart = after / "deploy/helm/yunsong"
                async with AskingAllTheTime(tenant) as asking:
                    await tenant.release.upgrade(tenant.values(image={"tag": NEXT}))
                assert asking.answered > 50
                assert not asking.failed, "\n".join(asking.failed)
                # One while a service's only pod hands over; more would be an outage that retries hide.
                assert len(asking.again) <= len(SERVICES), "\n".join(asking.again)

            await after_fault(stream, upgrade)
            refused = [frame for pair in stream.pairs for side in pair.sides for frame in side.refused]
            assert not refused, refused
        product = [pod for pod in tenant.cluster.pods if pod.ready and pod.name not in old]
        assert len(product) == len(SERVICES) + 2
        for pod in product:
            assert {Reference.parse(each.spec["image"]).tag for each in pod.containers} == {NEXT}
        kept = {
            pod.labels["app.kubernetes.io/component"]
            for pod in tenant.cluster.pods
            if pod.name in old and pod.ready
        }
        assert kept == {"postgresql", "nats"}, "the servers have no reason to start again"


@pytest.mark.parametrize("victim", ["gateway", "router"])
async def test_a_killed_pod_is_replaced_and_nothing_is_lost(
    tmp_path: Path, images: Images, victim: str
) -> None:
    values = {"components": {"gateway": {"replicas": 2}}}
    async with Tenant(tmp_path, images, "distributed", values) as tenant:
        await tenant.install()
        async with SteadyStream(tenant) as stream:

            async def kill() -> None:
                pod = tenant.cluster.ready_pods(victim)[0]
                await pod.kill()
                wanted = len(tenant.cluster.ready_pods(victim)) + 1
                await eventually(
                    lambda: len(tenant.cluster.ready_pods(victim)) == wanted,
                    within_s=90,
                    what=f"another {victim}",
                )

            await after_fault(stream, kill)


async def test_a_container_that_hangs_is_started_again(tmp_path: Path, images: Images) -> None:
    async with Tenant(tmp_path, images, "distributed", {}) as tenant:
        await tenant.install()
        async with SteadyStream(tenant) as stream:

            async def hang() -> None:
                [pod] = tenant.cluster.ready_pods("bot")
                [container] = pod.containers
                assert container.process is not None
                # What no signal handler can mend: the process is there and does nothing.
                container.process.signal(signal.SIGSTOP)
                await eventually(lambda: not pod.ready, within_s=30, what="a pod out of the endpoints")
                await eventually(
                    lambda: container.restarts == 1 and pod.ready,
                    within_s=180,
                    what="a container that serves again",
                )

            await after_fault(stream, hang)
