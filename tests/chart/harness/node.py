"""The node: a network that every pod hangs on, and the packet filter that is its kube-proxy and network plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chart.harness.namespaces import Network
from tests.chart.harness.policy import Peer, filter_rules

POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
GATEWAY = "169.254.1.1"
API_ADDRESS = "10.96.0.1"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service with an address of its own, and where it leads now."""

    address: str
    port: int
    protocol: str
    endpoints: tuple[tuple[str, int], ...]


class Node:
    """Routes between pods; nothing else is on it, and it has no way out of the machine."""

    def __init__(self) -> None:
        self.network = Network()
        self._links = 0
        self._rules = ""
        self.network.set_parameters(
            {"ipv4/ip_forward": "1", "ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0"}
        )
        # Forwarded packets need a route before the filter can answer for what no endpoint serves.
        self.network.run("ip", "route", "add", SERVICE_NETWORK, "dev", "lo")

    def attach(self, address: str) -> Network:
        """A new pod's network, with this address."""
        pod = Network()
        self._links += 1
        ours, theirs = f"v{self._links}", f"p{self._links}"
        self.network.run(
            "ip",
            "-batch",
            "-",
            text=f"""
link add {ours} type veth peer name {theirs}
link set {theirs} netns {pod.path}
addr add {GATEWAY}/32 dev {ours}
link set {ours} up
route add {address}/32 dev {ours}
""",
        )
        pod.run(
            "ip",
            "-batch",
            "-",
            text=f"""
link set {theirs} name eth0
addr add {address}/32 dev eth0
link set eth0 up
route add {GATEWAY}/32 dev eth0
route add default via {GATEWAY}
""",
        )
        return pod

    def set_rules(
        self,
        services: Sequence[ServicePort],
        policies: Sequence[Mapping[str, Any]],
        pods: Sequence[Peer],
        namespaces: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Replaces all rules at once; connections that stand, stand."""
        rules = "\n".join(
            [
                "*nat",
                ":PREROUTING ACCEPT [0:0]",
                ":POSTROUTING ACCEPT [0:0]",
                *(rule for service in services for rule in _translation(service)),
                # A pod that meets itself behind its Service.
                *(
                    f"-A POSTROUTING -s {pod.address}/32 -d {pod.address}/32 -j SNAT --to-source {GATEWAY}"
                    for pod in pods
                ),
                "COMMIT",
                "*filter",
                ":FORWARD ACCEPT [0:0]",
                ":policy - [0:0]",
                "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
                f"-A FORWARD -d {SERVICE_NETWORK} -p tcp -j REJECT --reject-with tcp-reset",
                f"-A FORWARD -d {SERVICE_NETWORK} -j REJECT",
                "-A FORWARD -j policy",
                *filter_rules(policies, pods, namespaces),
                "COMMIT",
                "",
            ]
        )
        if rules != self._rules:
            self.network.run("iptables-restore", text=rules)
            self._rules = rules

    def close(self) -> None:
        self.network.close()


def _translation(service: ServicePort) -> list[str]:
    """Each endpoint with the same chance: the first of n with 1/n, the next of what is left with 1/(n-1)."""
    rules = []
    for number, (address, port) in enumerate(service.endpoints):
        left = len(service.endpoints) - number
        chance = f"-m statistic --mode random --probability {1 / left:.8f} " if left > 1 else ""
        rules.append(
            f"-A PREROUTING -d {service.address}/32 -p {service.protocol.lower()} --dport {service.port} "
            f"{chance}-j DNAT --to-destination {address}:{port}"
        )
    return rules
