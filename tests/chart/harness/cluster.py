"""The cluster: one node, one tenant's namespace, and what a cluster has besides: names, an ingress controller, servers outside."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.chart.harness.api_server import ApiServer
from tests.chart.harness.changes import Changes
from tests.chart.harness.images import Images
from tests.chart.harness.ingress import Ingress, certificates_of, routes_of
from tests.chart.harness.namespaces import MachineCannot, Network, why_not
from tests.chart.harness.node import API_ADDRESS, Node, ServicePort
from tests.chart.harness.pod import Pod
from tests.chart.harness.policy import Peer, matches
from tests.chart.harness.resolver import DOMAIN, Resolver
from tests.chart.harness.store import Object, Store
from tests.chart.harness.streams import Forwarder
from tests.chart.harness.workloads import Controller, Job

# Endpoints reach the node's rules, the names and the ingress with some delay, which a chart must live with.
_ENDPOINTS_FOLLOW_S = 0.5
_DNS_SERVICE, _DNS_POD = "10.96.0.10", "10.244.0.2"
_API_POD = "10.244.0.3"
_INGRESS_POD = "10.244.0.4"
_SYSTEM = "kube-system"
_INGRESS_NAMESPACE = "ingress-nginx"


class Cluster:
    """`async with`; nothing of it is left afterwards. `store`, `pods` and the controllers say how it stands."""

    def __init__(
        self, folder: Path, images: Images, *, namespace: str = "shop", ingress_port: int = 0
    ) -> None:
        """`folder` gets the pods' logs and volumes; `ingress_port` is on 127.0.0.1, a free one for 0."""
        self.folder = folder
        self.images = images
        self.namespace = namespace
        self.changes = Changes()
        self.store = Store()
        self.pods: list[Pod] = []
        self.controllers: dict[tuple[str, str], Controller] = {}
        self.jobs: dict[str, Job] = {}
        self.background: set[asyncio.Task[None]] = set()
        self.ingress_port = ingress_port
        self.ingress_tls_port = 0
        self.namespaces: dict[str, dict[str, str]] = {}
        self._addresses = iter(f"10.244.{high}.{low}" for high in range(1, 256) for low in range(1, 255))
        self._service_addresses: dict[str, str] = {}
        self._system: list[Peer] = []
        self._outside: dict[str, str] = {}
        self._networks: list[Network] = []
        self._forwarders: list[Forwarder] = []
        self._names: dict[str, list[str]] = {}
        self._endpoints: dict[tuple[str, str | int], list[tuple[str, int]]] = {}
        self._following: asyncio.Task[None] | None = None
        self._dns: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        if reason := why_not():
            raise MachineCannot(reason)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "claims").mkdir(exist_ok=True)
        self.node = Node()
        for name in (self.namespace, _SYSTEM, _INGRESS_NAMESPACE):
            self._add_namespace(name)
        try:
            await self._start_system()
        except BaseException:
            await self._close()
            raise
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.describe())
        await self._close()

    # What a test or a release asks for.

    async def outside(
        self, address: str, port: int, local_port: int, *, namespace: str = "", name: str = ""
    ) -> None:
        """A server beyond the release: what listens on this machine's loopback, at an address and port of the cluster's.

        With a namespace it counts as a pod there for policies, and is called `name.namespace`; else it is an address of some network.
        """
        network = self._attach(address, name, namespace)

        async def open_other() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", local_port)

        await self._forward(network.listener(address, port), open_other)
        self._outside[f"{name}.{namespace}.svc.{DOMAIN}" if namespace else name] = address
        self.sync()

    def ready_pods(self, component: str) -> list[Pod]:
        """The pods of a component that serve now."""
        return [
            pod
            for pod in self.pods
            if pod.ready and pod.labels.get("app.kubernetes.io/component") == component
        ]

    def describe(self) -> str:
        """How everything stands, with the end of each pod's log."""
        return "\n".join(pod.describe() for pod in self.pods if not pod.gone or pod.phase == "Failed")

    # What pods and controllers ask for.

    def next_address(self) -> str:
        return next(self._addresses)

    def text_of(self, kind: str, name: str) -> Mapping[str, str] | None:
        return self.store.text_of(kind, name)

    def content_of(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        return self.store.content_of(kind, name)

    def claim(self, name: str) -> None:
        (self.folder / "claims" / name).mkdir(exist_ok=True)

    def least_replicas(self, deployment: str) -> int:
        for scaler in self.store.of("HorizontalPodAutoscaler"):
            if scaler["spec"]["scaleTargetRef"]["name"] == deployment:
                return int(scaler["spec"].get("minReplicas", 1))
        return 1

    def system_mounts(self, pod: Pod) -> list[dict[str, Any]]:
        host = pod.spec.get("hostname", pod.name)
        local = f"{self.namespace}.svc.{DOMAIN}"
        whole = f"{host}.{pod.spec['subdomain']}.{local}\t" if pod.spec.get("subdomain") else ""
        search = f"search {local} svc.{DOMAIN} {DOMAIN}"
        files = {
            "/etc/resolv.conf": f"{search}\nnameserver {_DNS_SERVICE}\noptions ndots:5\n",
            "/etc/hosts": f"127.0.0.1\tlocalhost\n{pod.address}\t{whole}{host}\n",
            "/etc/hostname": f"{host}\n",
        }
        if self._has_token(pod):
            files |= self._api.account_files(pod.spec.get("serviceAccountName", "default"))
        mounts = []
        for target, content in files.items():
            path = pod.folder / "system" / target.lstrip("/").replace("/", "-")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
            mounts.append({"source": str(path), "target": target, "read_only": True})
        return mounts

    def endpoints(self, service: str, port: str | int) -> Sequence[tuple[str, int]]:
        """Where a Service's port leads, as the controllers of the cluster know it."""
        return self._endpoints.get((service, port), [])

    def sync(self) -> None:
        """Names, rules and routes follow the pods that there are."""
        self.pods = [pod for pod in self.pods if not pod.gone or pod.phase == "Failed"]
        peers = [*self._system, *(pod.peer for pod in self.pods if not pod.gone)]
        names = {name: [address] for name, address in self._outside.items()}
        names[f"kubernetes.default.svc.{DOMAIN}"] = [API_ADDRESS]
        self._endpoints = {}
        ports = [ServicePort(_DNS_SERVICE, 53, protocol, ((_DNS_POD, 53),)) for protocol in ("TCP", "UDP")]
        ports.append(ServicePort(API_ADDRESS, 443, "TCP", ((_API_POD, 6443),)))
        for service in self.store.of("Service"):
            ports += self._serve(service, names)
        self._names = names
        self.node.set_rules(ports, list(self._policies()), peers, self.namespaces)
        self._ingress.routes = [
            route
            for kind in ("Ingress", "HTTPRoute")
            for found in self.store.of(kind)
            for route in routes_of(found)
        ]

        self._ingress.certificates = {
            host: context
            for found in self.store.of("Ingress")
            for host, context in certificates_of(found, lambda name: self.content_of("Secret", name)).items()
        }

    def _serve(self, service: Object, names: dict[str, list[str]]) -> list[ServicePort]:
        """One Service: its names into `names`, its ports' endpoints; its own address's ports are given back."""
        spec, name = service["spec"], service["metadata"]["name"]
        selected = [
            pod
            for pod in self.pods
            if not pod.gone
            and "selector" in spec
            and matches({"matchLabels": spec["selector"]}, pod.labels)
            and (pod.ready or spec.get("publishNotReadyAddresses"))
        ]
        full = f"{name}.{self.namespace}.svc.{DOMAIN}"
        headless = spec.get("clusterIP") == "None"
        own = self._service_addresses.setdefault(name, f"10.96.1.{len(self._service_addresses) + 1}")
        names[full] = [pod.address for pod in selected] if headless else [own]
        for pod in selected:
            if pod.spec.get("subdomain") == name:
                names[f"{pod.spec.get('hostname', pod.name)}.{full}"] = [pod.address]
        ports = []
        for port in spec["ports"]:
            target = port.get("targetPort", port["port"])
            found = [
                (pod.address, number)
                for pod in selected
                if (number := pod.peer.ports.get(target) if isinstance(target, str) else target) is not None
            ]
            for key in filter(None, (port.get("name"), port["port"])):
                self._endpoints[name, key] = found
            if not headless:
                ports.append(ServicePort(own, port["port"], port.get("protocol", "TCP"), tuple(found)))
        return ports

    def _policies(self) -> list[Object]:
        return [
            {**policy, "metadata": {**policy["metadata"], "namespace": self.namespace}}
            for policy in self.store.of("NetworkPolicy")
        ]

    def _look_up(self, name: str) -> Sequence[str] | None:
        return self._names.get(name)

    async def _follow(self) -> None:
        while True:
            await self.changes.next(within_s=60)
            await asyncio.sleep(_ENDPOINTS_FOLLOW_S)
            self.sync()

    # What a cluster has of its own.

    def _add_namespace(self, name: str) -> None:
        self.namespaces[name] = {"kubernetes.io/metadata.name": name}

    def _attach(
        self, address: str, name: str, namespace: str, labels: dict[str, str] | None = None
    ) -> Network:
        network = self.node.attach(address)
        self._networks.append(network)
        if namespace:
            if namespace not in self.namespaces:
                self._add_namespace(namespace)
            self._system.append(Peer(name, namespace, labels or {"app.kubernetes.io/name": name}, address))
        return network

    async def _start_system(self) -> None:
        dns = self._attach(_DNS_POD, "coredns", _SYSTEM, {"k8s-app": "kube-dns"})
        resolver = Resolver(self._look_up)
        loop = asyncio.get_running_loop()
        self._dns, _ = await loop.create_datagram_endpoint(
            lambda: resolver, sock=dns.listener(_DNS_POD, 53, socket.SOCK_DGRAM)
        )
        self._dns_stream = await asyncio.start_server(resolver.serve_stream, sock=dns.listener(_DNS_POD, 53))
        # The API server is no pod: policies reach it by address alone.
        self._api = ApiServer(
            self.store, self.namespace, Path(tempfile.mkdtemp(dir=self.folder)), API_ADDRESS
        )
        await self._api.start(self._attach(_API_POD, "", "").listener(_API_POD, 6443))
        ingress = self._attach(
            _INGRESS_POD, "controller", _INGRESS_NAMESPACE, {"app.kubernetes.io/name": "ingress-nginx"}
        )
        self._ingress = Ingress(ingress, self.endpoints)
        self.ingress_port, self.ingress_tls_port = await self._ingress.start(self.ingress_port)
        self.sync()

    async def _forward(self, listener: socket.socket, open_other: Any) -> None:
        forwarder = Forwarder(open_other)
        await forwarder.start(listener)
        self._forwarders.append(forwarder)

    def _has_token(self, pod: Pod) -> bool:
        own = pod.spec.get("automountServiceAccountToken")
        account = self.store.get("ServiceAccount", pod.spec.get("serviceAccountName", "default")) or {}
        return bool(own if own is not None else account.get("automountServiceAccountToken", True))

    async def _close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await asyncio.gather(
            *(each.stop(at_once=True) for each in self.controllers.values()),
            *(job.stop() for job in self.jobs.values()),
            *(pod.kill() for pod in self.pods),
        )
        for part in ("_ingress", "_api"):
            if hasattr(self, part):
                await getattr(self, part).close()
        for forwarder in self._forwarders:
            await forwarder.close()
        if self._dns is not None:
            self._dns.close()
            self._dns_stream.close()
        for network in self._networks:
            network.close()
        self.node.close()
        shutil.rmtree(self.folder / "claims", ignore_errors=True)
