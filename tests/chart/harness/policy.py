"""NetworkPolicies as the node's packet filter obeys them: pure functions from objects and pods to rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """A pod as policies and Services see it."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    address: str
    ports: Mapping[str, int] = field(default_factory=dict)


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector selects something with these labels. An empty one selects everything."""
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_meets(each, labels) for each in selector.get("matchExpressions", []))


def _meets(requirement: Object, labels: Mapping[str, str]) -> bool:
    name, values = requirement["key"], requirement.get("values", [])
    match requirement["operator"]:
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
        case unknown:
            raise ValueError(f"no such operator: {unknown}")


def filter_rules(
    policies: Sequence[Object], pods: Sequence[Peer], namespaces: Mapping[str, Object]
) -> list[str]:
    """Lines of iptables-restore for the chain `policy`, which what is let through leaves by RETURN.

    `namespaces` are labels by namespace. A pod that some policy selects for a direction lets through what any of these says.
    """
    lines = []
    for pod in pods:
        for direction, flag in (("Egress", "-s"), ("Ingress", "-d")):
            mine = [each for each in policies if _applies(each, pod, direction)]
            if not mine:
                continue
            chain = f"{direction[0].lower()}{pod.address.replace('.', '-')}"
            lines.append(f":{chain} - [0:0]")
            lines.append(f"-A policy {flag} {pod.address}/32 -j {chain}")
            for policy in mine:
                for rule in policy["spec"].get(direction.lower(), []):
                    lines += _rules(chain, rule, direction, policy, pod, pods, namespaces)
            lines.append(f"-A {chain} -j REJECT --reject-with icmp-admin-prohibited")
    # Chains come before rules.
    return sorted(lines, key=lambda line: not line.startswith(":"))


def _applies(policy: Object, pod: Peer, direction: str) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return (
        policy["metadata"]["namespace"] == pod.namespace
        and direction in types
        and matches(spec.get("podSelector", {}), pod.labels)
    )


def _rules(
    chain: str,
    rule: Object,
    direction: str,
    policy: Object,
    pod: Peer,
    pods: Sequence[Peer],
    namespaces: Mapping[str, Object],
) -> Iterator[str]:
    flag = "-d" if direction == "Egress" else "-s"
    listed = rule.get("to" if direction == "Egress" else "from")
    for networks, receivers in _peers(listed, policy["metadata"]["namespace"], pods, namespaces):
        # A port's name is the receiver's: this pod, or the one that is called.
        for port in _ports(rule.get("ports"), [pod] if direction == "Ingress" else receivers):
            for network in networks:
                address = f"{flag} {network} " if network else ""
                yield f"-A {chain} {address}{port}-j RETURN"


def _peers(
    listed: Sequence[Object] | None, own: str, pods: Sequence[Peer], namespaces: Mapping[str, Object]
) -> Iterator[tuple[list[str], Sequence[Peer]]]:
    """Networks ("" is any) with the pods in them."""
    if not listed:
        yield [""], pods
        return
    for each in listed:
        if block := each.get("ipBlock"):
            yield list(_without(block["cidr"], block.get("except", []))), []
            continue
        wanted = [
            pod
            for pod in pods
            if (
                matches(each["namespaceSelector"], namespaces[pod.namespace])
                if "namespaceSelector" in each
                else pod.namespace == own
            )
            and matches(each.get("podSelector", {}), pod.labels)
        ]
        for pod in wanted:
            yield [f"{pod.address}/32"], [pod]


def _without(cidr: str, exceptions: Iterable[str]) -> Iterator[str]:
    """The IPv4 networks of a block less its exceptions; there is no IPv6 in here."""
    block = ipaddress.ip_network(cidr)
    if block.version != 4:
        return
    left: list[ipaddress.IPv4Network] = [block]
    for each in map(ipaddress.IPv4Network, exceptions):
        left = [part for known in left for part in _less(known, each)]
    yield from map(str, left)


def _less(network: ipaddress.IPv4Network, other: ipaddress.IPv4Network) -> Iterable[ipaddress.IPv4Network]:
    if network.subnet_of(other):
        return []
    return network.address_exclude(other) if other.subnet_of(network) else [network]


def _ports(ports: Sequence[Object] | None, receivers: Sequence[Peer]) -> Iterator[str]:
    if not ports:
        yield ""
        return
    for each in ports:
        protocol = each.get("protocol", "TCP").lower()
        wanted = each.get("port")
        if wanted is None:
            yield f"-p {protocol} "
        elif isinstance(wanted, int):
            end = f":{each['endPort']}" if "endPort" in each else ""
            yield f"-p {protocol} --dport {wanted}{end} "
        else:
            for number in sorted({pod.ports[wanted] for pod in receivers if wanted in pod.ports}):
                yield f"-p {protocol} --dport {number} "
