"""The network policies let through the edges that the code has, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from tests.chart.chart import CI_VALUES, COMPONENT, ROOT, Object, Rendered, ci, render
from yunsong.options.v1 import options_pb2
from yunsong_standalone.catalogue import SERVICES

CONTRACT = ROOT / "build" / "contract.binpb"
NAMES = [service.name for service in SERVICES]
# An edge: who, whom, to which port. "world" is the public internet, "cluster" whatever lies outside of the release.
Edge = tuple[str, str, int | str]


def contract_callers() -> dict[str, set[str]]:
    """Who may call whom, as the contract says; the gateway brings every public operation to its service."""
    package_of = {service.package: service.name for service in SERVICES}
    callers = {service.name: {"gateway"} - {service.name} for service in SERVICES}
    for file in descriptor_pb2.FileDescriptorSet.FromString(CONTRACT.read_bytes()).file:
        name = package_of.get(file.package.split(".")[1]) if file.package.startswith("yunsong.") else None
        if name is None:
            continue
        for service in file.service:
            for method in service.method:
                callers[name] |= set(method.options.Extensions[options_pb2.access].services) - {name}
    return callers


def chosen(selector: Object, pods: dict[str, dict[str, str]]) -> set[str]:
    """The components that a pod selector means."""
    found = set()
    for name, labels in pods.items():
        fits = selector.get("matchLabels", {}).items() <= labels.items()
        for rule in selector.get("matchExpressions", []):
            assert rule["operator"] == "NotIn"
            fits = fits and labels.get(rule["key"]) not in rule["values"]
        if fits:
            found.add(name)
    return found


def ends(peers: list[Object] | None, pods: dict[str, dict[str, str]]) -> set[str]:
    if not peers:
        return {"cluster", "world", *pods}
    found: set[str] = set()
    for peer in peers:
        if "ipBlock" in peer:
            found.add("world" if "except" in peer["ipBlock"] else "cluster")
        elif "namespaceSelector" in peer:
            found.add("cluster")
        else:
            found |= chosen(peer["podSelector"], pods)
    return found


def edges(rendered: Rendered, direction: str) -> set[Edge]:
    """What the policies of one direction let through, of pods that some policy selects for it."""
    pods = {name: template["metadata"]["labels"] for name, template in rendered.pods()}
    return {edge for policy in rendered.of("NetworkPolicy") for edge in _edges(policy, pods, direction)}


def _edges(policy: Object, pods: dict[str, dict[str, str]], direction: str) -> Iterator[Edge]:
    spec = policy["spec"]
    mine = chosen(spec["podSelector"], pods)
    for rule in spec.get(direction.lower(), []):
        others = ends(rule.get("from" if direction == "Ingress" else "to"), pods)
        for port in rule.get("ports", [{"port": "any"}]):
            for me in mine:
                for other in others:
                    yield (other, me, port["port"]) if direction == "Ingress" else (me, other, port["port"])


def wanted_between_services() -> set[Edge]:
    port = {service.name: service.grpc_port for service in SERVICES}
    return {
        (caller, callee, port[callee]) for callee, callers in contract_callers().items() for caller in callers
    }


def numbered(rendered: Rendered, found: set[Edge]) -> set[Edge]:
    """With the numbers of named ports."""
    ports = {
        (name, port["name"]): port["containerPort"]
        for name, template in rendered.pods()
        for port in template["spec"]["containers"][0].get("ports", [])
    }
    return {(a, b, ports.get((b, str(port)), port)) for a, b, port in found}


def test_services_reach_whom_the_contract_lets_them_call(distributed: Rendered) -> None:
    services = set(NAMES)
    for direction in ("Ingress", "Egress"):
        found = {
            edge
            for edge in numbered(distributed, edges(distributed, direction))
            if edge[0] in services and edge[1] in services
        }
        assert found == wanted_between_services(), direction


def test_the_products_pods_reach_the_servers_and_nobody_else_does(distributed: Rendered) -> None:
    product = {*NAMES, "migrate"}
    for direction in ("Ingress", "Egress"):
        found = {
            edge for edge in numbered(distributed, edges(distributed, direction)) if edge[2] in (5432, 4222)
        }
        assert {edge for edge in found if edge[1] == "postgresql"} == {
            (name, "postgresql", 5432) for name in product
        }
        assert {edge for edge in found if edge[1] == "nats"} == {(name, "nats", 4222) for name in product}


def test_servers_reach_nobody(compact: Rendered) -> None:
    assert not {edge for edge in edges(compact, "Egress") if edge[0] in ("postgresql", "nats")}


def test_who_comes_from_outside_comes_through_the_door(distributed: Rendered, compact: Rendered) -> None:
    for rendered, door in ((distributed, "gateway"), (compact, "standalone")):
        from_outside = {
            edge
            for edge in numbered(rendered, edges(rendered, "Ingress"))
            if edge[0] in ("cluster", "world", "test")
        }
        assert from_outside == {("cluster", door, 8080), ("test", door, 8080)}


def test_metrics_are_for_whom_they_are_opened_to(scaled: Rendered) -> None:
    found = {edge for edge in numbered(scaled, edges(scaled, "Ingress")) if edge[0] == "cluster"}
    assert found == {("cluster", "gateway", 8080)} | {
        ("cluster", service.name, service.ops_port) for service in SERVICES
    }


def test_only_those_who_call_configured_addresses_reach_the_internet(distributed: Rendered) -> None:
    found = {edge[0] for edge in edges(distributed, "Egress") if edge[1] == "world" and edge[0] != "secrets"}
    assert found == {"gateway", "channel-adapter", "bot"}


def test_no_private_address_counts_as_internet(distributed: Rendered) -> None:
    blocks = [
        peer["ipBlock"]
        for policy in distributed.of("NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    ]
    assert blocks
    assert all(
        {"10.0.0.0/8", "169.254.0.0/16"} <= set(each["except"]) or "fc00::/7" in each["except"]
        for each in blocks
    )


def test_the_job_that_makes_secrets_reaches_the_api_alone(distributed: Rendered) -> None:
    reached = {edge[2] for edge in edges(distributed, "Egress") if edge[0] == "secrets"}
    assert reached == {443, 6443}
    assert not {edge for edge in edges(distributed, "Ingress") if edge[1] == "secrets"}


def test_the_test_reaches_the_door_alone(distributed: Rendered) -> None:
    found = {edge for edge in edges(distributed, "Egress") if edge[0] == "test"}
    assert found == {("test", "cluster", 53), ("test", "gateway", 8080)}


def test_backups_go_out_only_to_an_object_store() -> None:
    assert ("backup", "world", "any") in edges(render(ci("object-store")), "Egress")
    assert ("backup", "world", "any") not in edges(render(ci("compact")), "Egress")


def test_servers_of_ones_own_are_reached_where_they_are(external: Rendered) -> None:
    for service in SERVICES:
        reached = {
            edge for edge in edges(external, "Egress") if edge[0] == service.name and edge[1] == "cluster"
        }
        assert {port for _, _, port in reached} == {53, 5432, 4222}


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_everything_else_is_denied(values: Any) -> None:
    rendered = render(values)
    if not rendered.of("NetworkPolicy"):
        assert values.name == "restricted-values.yaml"
        return
    policy = rendered.get("NetworkPolicy", "default-deny")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & set(policy)
    for _, template in rendered.pods():
        assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    for each in rendered.of("NetworkPolicy"):
        assert all(rule.get("from") for rule in each["spec"].get("ingress", []))
        assert COMPONENT in each["metadata"]["labels"]
