"""The harness' cluster keeps its word: what pods may and may not do, whom they reach, when they serve, what is left of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.chart.harness.base_layer import machine_binds, skeleton
from tests.chart.harness.changes import NotReached
from tests.chart.harness.cluster import Cluster
from tests.chart.harness.fields import Refused
from tests.chart.harness.helm import Release
from tests.chart.harness.images import Image, Images
from tests.chart.harness.pod import Pod
from tests.support.polling import eventually

NAME = "app.kubernetes.io/name"
# Serves its own name at 8000, as long as there is /state/ready.
SERVER = """
import http.server, os, socket
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = {"/live": "/state/live", "/ready": "/state/ready"}.get(self.path, "/state")
        body = socket.gethostname().encode()
        self.send_response(200 if os.path.exists(wanted) else 503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8000), Answer).serve_forever()
"""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=2).read().decode())"


@pytest.fixture
async def cluster(namespaces: None, tmp_path: Path) -> AsyncIterator[Cluster]:
    image = Image(
        [skeleton()],
        ["/bin/sh", "-c"],
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        binds=machine_binds(),
    )
    async with Cluster(tmp_path / "cluster", Images({}, {"shell": image})) as running:
        yield running


def pod_spec(script: str, **container: Any) -> dict[str, Any]:
    usual = {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "state", "mountPath": "/state"}],
    }
    return {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001},
        "containers": [{"name": "main", "image": "shell", "args": [script], **usual, **container}],
        "volumes": [{"name": "state", "emptyDir": {}}],
    }


def deployment(name: str, spec: dict[str, Any], replicas: int = 1) -> dict[str, Any]:
    labels = {NAME: name, "app.kubernetes.io/component": name}
    return {
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {NAME: name}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def server(name: str = "server", replicas: int = 1, **probes: Any) -> dict[str, Any]:
    script = f"touch /state/ready /state/live; exec python3 -c '{SERVER}'"
    probe = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}
    ports = [{"name": "http", "containerPort": 8000}]
    return deployment(name, pod_spec(script, ports=ports, readinessProbe=probe, **probes), replicas)


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {NAME: "server"}, "ports": ports, **spec},
    }


CLIENT = deployment("client", pod_spec("exec sleep 600"))


async def run(pod: Pod, *command: str) -> tuple[int, str]:
    process = pod.containers[0].process
    assert process is not None
    return await process.execute(command)


async def ask(pod: Pod, url: str) -> str:
    """What the pod gets from there, or the end of why not."""
    code, said = await run(pod, "python3", "-c", ASK, url)
    return said.strip() if code == 0 else f"failed: {said.strip().splitlines()[-1]}"


async def test_a_container_is_only_what_its_pod_lets_it_be(cluster: Cluster) -> None:
    script = "id -u; id -g; id -G; touch /x /state/x; grep -E 'CapBnd|NoNewPrivs' /proc/1/status; cat /proc/1/comm; exec sleep 600"
    await Release(cluster).apply([deployment("client", pod_spec(script, env=[{"name": "A", "value": "b"}]))])
    [pod] = cluster.ready_pods("client")
    await eventually(lambda: len(pod.logs().splitlines()) >= 7, what="what it says of itself")
    said = pod.logs().splitlines()
    assert "touch: cannot touch '/x': Read-only file system" in said
    assert said[:3] == ["10001", "10001", "10001"]
    assert {"CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} <= set(said)
    code, variables = await run(pod, "env")
    assert code == 0
    assert {line.split("=")[0] for line in variables.splitlines()} == {
        *("A", "HOME", "HOSTNAME", "PATH", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "PWD"),
    } - ({"PWD"} if "PWD=" not in variables else set())
    code, processes = await run(pod, "sh", "-c", "ls -d /proc/[0-9]* | wc -l")
    # Its own, the shell that asks, and what that starts: nothing of the machine.
    assert int(processes) <= 5
    assert (await run(pod, "ls", str(Path(__file__).parent)))[0] != 0


async def test_services_lead_to_the_pods_that_are_ready(cluster: Cluster) -> None:
    objects = [server(replicas=2), CLIENT, service("one"), service("all", clusterIP="None")]
    await Release(cluster).apply(objects)
    first, second = cluster.ready_pods("server")
    [client] = cluster.ready_pods("client")
    names: set[str] = set()

    async def both() -> bool:
        names.add(await ask(client, "http://one"))
        return {first.name, second.name} <= names

    await eventually(both, within_s=30, what="an answer of each pod")
    resolve = "import socket; print(*sorted({a[4][0] for a in socket.getaddrinfo('all.shop', 80)}))"
    _, addresses = await run(client, "python3", "-c", resolve)
    assert addresses.split() == sorted([first.address, second.address])

    await run(first, "rm", "/state/ready")
    await eventually(lambda: not first.ready, what="a pod that is not ready")
    await eventually(
        lambda: cluster.endpoints("one", 80) == [(second.address, 8000)], what="endpoints that follow"
    )
    assert [await ask(client, "http://one") for _ in range(4)] == [second.name] * 4
    _, addresses = await run(client, "python3", "-c", resolve)
    assert addresses.split() == [second.address]


async def test_policies_let_through_what_they_name(cluster: Cluster) -> None:
    deny = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny"},
        "spec": {"podSelector": {"matchLabels": {NAME: "server"}}, "policyTypes": ["Ingress"]},
    }
    release = Release(cluster)
    await release.apply([server(), CLIENT, service("one"), deny])
    [client], [target] = cluster.ready_pods("client"), cluster.ready_pods("server")
    assert "failed" in await ask(client, "http://one")
    # The kubelet is no pod: the target was ready all the time.
    assert target.ready
    allow = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "allow"},
        "spec": {
            "podSelector": {"matchLabels": {NAME: "server"}},
            "ingress": [
                {
                    "from": [{"podSelector": {"matchLabels": {NAME: "client"}}}],
                    "ports": [{"port": "http"}],
                }
            ],
        },
    }
    await release.apply([server(), CLIENT, service("one"), deny, allow], event="upgrade")
    assert await ask(client, "http://one") == target.name


async def test_a_failed_liveness_probe_starts_the_container_again(cluster: Cluster) -> None:
    probe = {"httpGet": {"path": "/live", "port": "http"}, "periodSeconds": 1, "failureThreshold": 2}
    await Release(cluster).apply([server(livenessProbe=probe)])
    [pod] = cluster.ready_pods("server")
    await run(pod, "rm", "/state/live")
    await eventually(lambda: pod.containers[0].restarts == 1 and pod.ready, within_s=30, what="a restart")
    assert any("liveness probe failed" in event for event in pod.events)


async def test_init_containers_run_to_their_end_in_order(cluster: Cluster) -> None:
    spec = pod_spec("cat /state/order; exec sleep 600")
    [main] = spec["containers"]
    spec["initContainers"] = [
        {**main, "name": name, "args": [f"echo {name} >> /state/order"]} for name in ("first", "second")
    ]
    await Release(cluster).apply([deployment("client", spec)])
    [pod] = cluster.ready_pods("client")
    await eventually(lambda: pod.logs() == "first\nsecond\n", what="both names")


async def test_a_job_that_may_not_try_again_fails_the_hook(cluster: Cluster) -> None:
    template = {"spec": {**pod_spec("echo no; exit 3"), "restartPolicy": "Never"}}
    job = {
        "kind": "Job",
        "metadata": {"name": "hook", "annotations": {"helm.sh/hook": "pre-install"}},
        "spec": {"backoffLimit": 0, "template": template},
    }
    with pytest.raises(NotReached, match="ended with 3"):
        await Release(cluster).apply([job, CLIENT])
    assert not cluster.ready_pods("client")


async def test_what_is_not_represented_is_refused_before_anything_starts(cluster: Cluster) -> None:
    with pytest.raises(Refused, match=r"Deployment/client\.spec\.template\.spec\.hostPID"):
        await Release(cluster).apply([deployment("client", {**pod_spec("true"), "hostPID": True})])
    assert not cluster.pods


def left() -> tuple[set[str], set[str]]:
    """What a harness could leave on the machine: mounts, interfaces."""
    return {each.mountpoint for each in psutil.disk_partitions(all=True)}, set(psutil.net_if_addrs())


async def test_nothing_is_left_of_a_cluster(namespaces: None, tmp_path: Path) -> None:
    image = Image(
        [skeleton()], ["/bin/sh", "-c"], environment={"PATH": "/usr/bin:/bin"}, binds=machine_binds()
    )
    before = left()
    async with Cluster(tmp_path / "cluster", Images({}, {"shell": image})) as cluster:
        await Release(cluster).apply([CLIENT])
        [pod] = cluster.ready_pods("client")
        process = pod.containers[0].process
        assert process is not None
        pid = process.pid
    assert not psutil.pid_exists(pid)
    assert left() == before
