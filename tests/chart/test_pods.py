"""Pods are hardened, probed, spread and stopped as the services need it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.chart.chart import CI_VALUES, COMPONENT, Object, Rendered, ci, pod_of, render
from yunsong_standalone.catalogue import BY_NAME, SERVICES

SERVERS = ("postgresql", "nats")


def containers(template: Object) -> list[Object]:
    spec = template["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def test_every_pod_meets_the_restricted_standard(rendered: Rendered) -> None:
    pods = list(rendered.pods())
    assert pods
    for component, template in pods:
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is (component == "secrets"), component
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {
                "emptyDir", "persistentVolumeClaim", "configMap", "secret", "projected",
            }  # fmt: skip
        for container in containers(template):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_every_container_says_what_it_needs(rendered: Rendered) -> None:
    for _, template in rendered.pods():
        for container in containers(template):
            resources = container["resources"]
            assert resources["requests"]["cpu"]
            assert size(resources["requests"]["memory"]) <= size(resources["limits"]["memory"])
            assert "cpu" not in resources["limits"]  # a throttled event loop answers nobody


def size(text: str) -> int:
    found = re.fullmatch(r"(\d+)(Mi|Gi)", text)
    assert found is not None, text
    return int(found[1]) * {"Mi": 1, "Gi": 1024}[found[2]]


# Megabytes of each process at light load; see values.yaml.
MEASURED = {"gateway": 136, "conversation": 140, "bot": 153, "router": 103, "channel-adapter": 117, "qa": 101}


@pytest.mark.parametrize(("component", "measured"), MEASURED.items())
def test_requests_hold_what_was_measured(distributed: Rendered, component: str, measured: int) -> None:
    [container] = distributed.pod(component)["spec"]["containers"]
    assert measured * 1.15 < size(container["resources"]["requests"]["memory"]) < measured * 2.2


def test_only_the_root_is_written_nowhere(rendered: Rendered) -> None:
    """What a container writes to is a volume; every product's container has its /tmp."""
    for component, template in rendered.pods():
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        for claim in [
            each["metadata"]["name"]
            for workload in rendered.of("StatefulSet")
            if pod_of(workload) is template
            for each in workload["spec"]["volumeClaimTemplates"]
        ]:
            volumes.add(claim)
        for container in template["spec"]["containers"]:
            mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            assert set(mounts.values()) <= volumes
            if component not in SERVERS:
                assert "/tmp" in mounts


def test_probes_ask_the_operations_port(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        service = BY_NAME.get(container["name"], SERVICES[0])
        assert ports["ops"] == service.ops_port
        assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "ops"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "ops"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "ops"}


def test_servers_are_probed_as_clients_meet_them(compact: Rendered) -> None:
    [postgresql] = compact.pod("postgresql")["spec"]["containers"]
    [nats] = compact.pod("nats")["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert "--host=127.0.0.1" in postgresql[probe]["exec"]["command"]
        assert nats[probe]["httpGet"]["path"].startswith("/healthz")


def test_parameters_reach_the_server_as_they_were_written() -> None:
    rendered = render(
        ci("minimal"),
        {"postgresql.parameters": {"work_mem": 10000000, "random_page_cost": 1.1, "jit": False}},
    )
    [container] = rendered.pod("postgresql")["spec"]["containers"]
    wanted = {
        "jit=false",
        "random_page_cost=1.1",
        "work_mem=10000000",
        "max_connections=200",
        "shared_buffers=128MB",
    }
    assert set(container["args"]) == {"-c", *wanted}


def test_a_pod_has_time_to_finish(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        [container] = spec["containers"]
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = int(rendered.environment(container["name"])["YUNSONG_GRACE_S"])
        assert spec["terminationGracePeriodSeconds"] > pause + grace


def test_no_update_takes_a_pod_before_the_next_is_ready(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_folder_on_one_node_keeps_the_next_pod_there(compact: Rendered, external: Rendered) -> None:
    spec = compact.pod("standalone")["spec"]
    [term] = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert (
        term["labelSelector"]["matchLabels"].items()
        <= compact.pod("standalone")["metadata"]["labels"].items()
    )
    assert "affinity" not in external.pod("gateway")["spec"]
    single = render(ci("compact"), {"files.persistence.accessMode": "ReadWriteOncePod"})
    assert single.get("Deployment", "standalone")["spec"]["strategy"] == {"type": "Recreate"}


def test_several_pods_spread_over_nodes_and_zones(distributed: Rendered, compact: Rendered) -> None:
    for service in SERVICES:
        constraints = distributed.pod(service.name)["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in constraints} == {
            "kubernetes.io/hostname", "topology.kubernetes.io/zone",
        }  # fmt: skip
        for each in constraints:
            assert each["labelSelector"]["matchLabels"][COMPONENT] == service.name
    assert "topologySpreadConstraints" not in compact.pod("standalone")["spec"]


def test_an_autoscaled_deployment_has_no_replicas(scaled: Rendered, distributed: Rendered) -> None:
    assert {each["metadata"]["name"] for each in scaled.of("HorizontalPodAutoscaler")} == {
        f"t-yunsong-{service.name}" for service in SERVICES
    }
    for deployment in scaled.of("Deployment"):
        assert "replicas" not in deployment["spec"]
    for deployment in distributed.of("Deployment"):
        assert deployment["spec"]["replicas"] == 2


def test_scaling_asks_the_door_for_sockets_and_the_others_for_what_waits(scaled: Rendered) -> None:
    for service in SERVICES:
        spec = scaled.get("HorizontalPodAutoscaler", service.name)["spec"]
        cpu, own = spec["metrics"]
        assert cpu["resource"]["name"] == "cpu"
        wanted = "yunsong_gateway_sockets" if service.name == "gateway" else "yunsong_consumer_lag"
        assert own["pods"]["metric"]["name"] == wanted
        assert spec["minReplicas"] <= spec["maxReplicas"]


def test_a_budget_is_only_for_what_has_several_pods(
    compact: Rendered, distributed: Rendered, scaled: Rendered
) -> None:
    assert compact.of("PodDisruptionBudget") == []
    assert render(ci("restricted")).of("PodDisruptionBudget") == []
    for each in (distributed, scaled):
        assert len(each.of("PodDisruptionBudget")) == len(SERVICES)
        for budget in each.of("PodDisruptionBudget"):
            assert budget["spec"]["maxUnavailable"] == 1


def test_where_pods_go_is_said_for_all(rendered: Rendered) -> None:
    if not any("business" in str(each) for each in rendered.of("Deployment")):
        return
    for deployment in rendered.of("Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        assert spec["priorityClassName"] == "business"
        assert spec["nodeSelector"] == {"pool": "business"}
        assert spec["tolerations"][0]["key"] == "pool"
        assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "support"


def test_each_topology_has_its_own_deployments(compact: Rendered, distributed: Rendered) -> None:
    assert [each["metadata"]["name"] for each in compact.of("Deployment")] == ["t-yunsong-standalone"]
    names = {each["metadata"]["name"] for each in distributed.of("Deployment")}
    assert names == {f"t-yunsong-{service.name}" for service in SERVICES}


def images(rendered: Rendered) -> set[str]:
    return {container["image"] for _, template in rendered.pods() for container in containers(template)}


def test_a_mirror_gives_every_image() -> None:
    rendered = render(ci("air-gapped"))
    assert all(image.startswith("mirror.internal:5000/yunsong/") for image in images(rendered))
    assert {"mirror.internal:5000/yunsong/library/nats:2.12.1"} <= images(rendered)
    for _, template in rendered.pods():
        assert template["spec"]["imagePullSecrets"] == [{"name": "mirror"}]


def test_a_component_can_have_an_image_of_its_own() -> None:
    rendered = render(ci("external"), {"components.bot.image": "own/bot:3@sha256:1", "image.tag": "7"})
    assert "own/bot:3@sha256:1" in images(rendered)
    assert "registry.example/yunsong/yunsong-router:7" in images(rendered)
    assert "registry.example/yunsong/yunsong-bot:7" not in images(rendered)


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_no_image_is_without_a_fixed_tag(values: Any) -> None:
    for image in images(render(values)):
        _, _, tag = image.rpartition("/")[2].partition(":")
        assert tag
        assert tag != "latest"


def test_plugins_reach_the_components_that_load_them() -> None:
    rendered = render(ci("plugins"))
    wanted = {
        "channel-adapter": "/plugins/sms:/plugins/loyalty",
        "qa": "/plugins/loyalty:/plugins/house-rules",
        "router": "/plugins/loyalty:/plugins/house-rules",
        "gateway": "/plugins/loyalty",
    }
    for component, path in wanted.items():
        assert rendered.environment(component)["PYTHONPATH"] == path
        spec = rendered.pod(component)["spec"]
        mounts = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
        assert set(path.split(":")) <= mounts
        for container in spec["initContainers"]:
            [mount] = container["volumeMounts"]
            assert container["command"][0] == "cp"
            assert container["command"][-1] == f"{mount['mountPath']}/"
    copied = {
        each["name"]: each["command"] for each in rendered.pod("channel-adapter")["spec"]["initContainers"]
    }
    assert copied["plugin-sms"][2] == "/plugin/."
    assert copied["plugin-loyalty"][2] == "/opt/loyalty/."
    qa = {volume["name"]: volume for volume in rendered.pod("qa")["spec"]["volumes"]}
    assert qa["plugin-house-rules"]["persistentVolumeClaim"]["claimName"] == "house-rules"
    together = render(ci("plugins"), {"topology": "compact"})
    assert together.environment("standalone")["PYTHONPATH"].count("/plugins/") == 3
