"""One pod: an address, volumes, init containers in order, containers, readiness, and its end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tests.chart.harness.changes import Changes
from tests.chart.harness.container import Container, Identity, NotStartable, Start
from tests.chart.harness.environment import Missing, command, environment
from tests.chart.harness.images import Images
from tests.chart.harness.namespaces import Network
from tests.chart.harness.node import API_ADDRESS, GATEWAY, Node
from tests.chart.harness.policy import Peer
from tests.chart.harness.probes import Prober
from tests.chart.harness.volumes import Volumes
from yunsong_common.clock import Clock, SystemClock

_TRY_AGAIN_S = 1.0
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 10.0, 300.0


class Surroundings(Protocol):
    """What a pod needs of its cluster."""

    node: Node
    images: Images
    changes: Changes
    folder: Path
    namespace: str

    def text_of(self, kind: str, name: str) -> Mapping[str, str] | None:
        """The content of a Secret or ConfigMap."""

    def content_of(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """The same, as bytes."""

    def sync(self) -> None:
        """Makes rules and names follow what pods there are."""

    def next_address(self) -> str:
        """An address that no pod has had."""

    def system_mounts(self, pod: Pod) -> list[dict[str, Any]]:
        """Files that every container of the pod sees: names, hosts, and the service account where it is asked for."""


class Pod:
    """Runs once; a controller makes another one in its place."""

    def __init__(
        self,
        around: Surroundings,
        name: str,
        template: Mapping[str, Any],
        *,
        revision: str = "",
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.labels: dict[str, str] = dict((template.get("metadata") or {}).get("labels") or {})
        self.annotations: dict[str, str] = dict((template.get("metadata") or {}).get("annotations") or {})
        self.spec: Mapping[str, Any] = template["spec"]
        self.revision = revision
        self.address = around.next_address()
        # A StatefulSet's pods have their names again and again, an address is never another pod's.
        self.folder = around.folder / "pods" / f"{name}-{self.address}"
        self.terminating = False
        self.phase = "Pending"
        self.events: list[str] = []
        self.ready_since: float | None = None
        self._around = around
        self._clock = clock or SystemClock()
        self._began = time.monotonic()
        self._network: Network | None = None
        self._volumes = Volumes(
            self.folder / "volumes",
            around.folder / "claims",
            (self.spec.get("securityContext") or {}).get("fsGroup"),
            around.content_of,
        )
        self._grace_s = float(self.spec.get("terminationGracePeriodSeconds", 30))
        self.containers = [self._container(each) for each in self.spec["containers"]]
        self.init_containers = [self._container(each) for each in self.spec.get("initContainers") or []]
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return self.ready_since is not None

    @property
    def gone(self) -> bool:
        return self._task is not None and self._task.done()

    @property
    def peer(self) -> Peer:
        ports = {name: port for container in self.containers for name, port in container.ports.items()}
        return Peer(self.name, self._around.namespace, self.labels, self.address, ports)

    def start(self) -> None:
        """Its containers follow; `phase` and `ready` say how it stands."""
        self.folder.mkdir(parents=True)
        self._network = self._around.node.attach(self.address)
        self._task = asyncio.create_task(self._run(), name=f"pod {self.name}")

    async def terminate(self, grace_s: float | None = None) -> None:
        """Ends it as a deletion does: out of the endpoints first, then each container with the pod's grace."""
        grace = self._grace_s if grace_s is None else grace_s
        if not self.terminating:
            self.terminating = True
            self._note("is being deleted")
            running = [*self.init_containers, *self.containers]
            await asyncio.gather(*(each.stop(grace, "its pod is deleted") for each in running))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def kill(self) -> None:
        """Ends it at once, as a node's power cut does."""
        self.terminating = True
        for container in (*self.init_containers, *self.containers):
            if container.process is not None:
                container.process.signal(signal.SIGKILL)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self) -> bool:
        """Whether it succeeded, once all its containers have ended for good."""
        assert self._task is not None
        await asyncio.gather(self._task, return_exceptions=True)
        return self.phase == "Succeeded"

    def logs(self) -> str:
        """What all its containers printed."""
        return "".join(each.text() for each in (*self.init_containers, *self.containers))

    def describe(self) -> str:
        """For a person who asks why it is not ready."""
        logs = "\n".join(f"    {line}" for line in self.logs().splitlines()[-25:])
        events = "\n".join(f"    {event}" for event in self.events[-12:])
        return f"  {self.name} {self.phase}, ready: {self.ready}\n{events}\n{logs}"

    async def _run(self) -> None:
        limit = self.spec.get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(limit):
                self.phase = await self._lives()
        except TimeoutError:
            self.phase = "Failed"
            self._note(f"was active for longer than {limit} s")
        except Exception as error:  # the harness' own fault must not look like a slow pod
            self.phase = "Failed"
            self._note(f"the harness could not go on: {error!r}")
            raise
        finally:
            await self._leave()

    async def _lives(self) -> str:
        """The phase that the pod ends in."""
        await self._prepare()
        policy = self.spec.get("restartPolicy", "Always")
        for container in self.init_containers:
            if not await self._live(container, again=policy != "Never", init=True):
                return "Failed"
        self.phase = "Running"
        self._note("runs")
        async with asyncio.TaskGroup() as group:
            lives = [
                group.create_task(self._live(each, again=policy != "Never", init=policy != "Always"))
                for each in self.containers
            ]
        return "Succeeded" if all(life.result() for life in lives) else "Failed"

    async def _leave(self) -> None:
        for container in (*self.init_containers, *self.containers):
            if container.process is not None and container.process.alive:
                await asyncio.shield(container.stop(0, "its pod is gone"))
        if self._network is not None:
            self._network.close()
        self._volumes.remove()
        self._note(f"is gone: {self.phase}")

    async def _prepare(self) -> None:
        self._around.sync()
        for volume in self.spec.get("volumes") or []:
            while True:
                try:
                    self._volumes.make(volume)
                except Missing as missing:
                    self._note(f"waits: {missing}")
                    await asyncio.sleep(_TRY_AGAIN_S)
                else:
                    break

    async def _live(self, container: Container, *, again: bool, init: bool) -> bool:
        """A container's starts, with the kubelet's back-off; whether the last one succeeded.

        `init`: a success is its end, as for init containers and jobs.
        """
        backoff = 0.0
        while True:
            try:
                code = await container.run_once()
            except (Missing, NotStartable) as error:
                self._note(f"{container.name} waits: {error}")
                await asyncio.sleep(_TRY_AGAIN_S)
                continue
            if self.terminating or (init and code == 0) or not again:
                return code == 0
            container.restarts += 1
            self._note(f"{container.name} starts again in {backoff:g} s")
            await self._clock.sleep(backoff)
            backoff = min(max(backoff * 2, _FIRST_BACKOFF_S), _LONGEST_BACKOFF_S)

    def _container(self, spec: Mapping[str, Any]) -> Container:
        return Container(
            spec,
            folder=self.folder,
            clock=self._clock,
            prober=Prober(self._around.node.network, self.address),
            make=self._make,
            changed=self._note,
            grace_s=self._grace_s,
        )

    def _make(self, spec: Mapping[str, Any]) -> Start:
        assert self._network is not None
        image = self._around.images.get(spec["image"])
        own = {
            "metadata.name": self.name,
            "metadata.namespace": self._around.namespace,
            "spec.nodeName": "node",
            "spec.serviceAccountName": self.spec.get("serviceAccountName", "default"),
            "status.podIP": self.address,
            "status.hostIP": GATEWAY,
            **{f"metadata.labels['{name}']": value for name, value in self.labels.items()},
            **{f"metadata.annotations['{name}']": value for name, value in self.annotations.items()},
        }
        # Every pod learns where the API is, whether it may use it or not.
        known = {
            **image.environment,
            "KUBERNETES_SERVICE_HOST": API_ADDRESS,
            "KUBERNETES_SERVICE_PORT": "443",
        }
        variables = environment(spec, known, own, self._around.text_of)
        return Start(
            image,
            command(spec, image.entrypoint, image.command, variables),
            variables,
            Identity.of(self.spec, spec, image),
            [*self._around.system_mounts(self), *self._volumes.mounts(spec)],
            self._network.path,
            self.spec.get("hostname", self.name)[:63],
        )

    def _note(self, event: str) -> None:
        if not self.events or not self.events[-1].endswith(event):
            self.events.append(f"{time.monotonic() - self._began:6.1f} s  {event}")
        ready = (
            self.phase == "Running" and not self.terminating and all(each.ready for each in self.containers)
        )
        if ready != self.ready:
            self.ready_since = time.monotonic() if ready else None
        self._around.changes.note()
