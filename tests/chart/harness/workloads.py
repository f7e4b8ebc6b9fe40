"""The controllers: what keeps a Deployment's, a StatefulSet's and a Job's pods as their objects say."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Protocol

from tests.chart.harness.changes import NotReached
from tests.chart.harness.pod import Pod, Surroundings
from tests.chart.harness.rollout import Plan, Replica, step

Object = Mapping[str, Any]

_JOB_BACKOFF_S = 10.0


class PodOwner(Surroundings, Protocol):
    """What a controller needs of its cluster."""

    pods: list[Pod]

    def claim(self, name: str) -> None:
        """Makes a volume claim's folder if it is not there."""

    def least_replicas(self, deployment: str) -> int:
        """What an autoscaler keeps of a Deployment at least; 1 without one."""


class Controller:
    """Keeps pods until it is stopped."""

    def __init__(self, around: PodOwner, found: Object) -> None:
        self.around = around
        self.name: str = found["metadata"]["name"]
        self.spec: Mapping[str, Any] = found["spec"]
        self.pods: list[Pod] = []
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.update(found)

    @property
    def revision(self) -> str:
        """Changes with the pods' template."""
        return hashlib.sha256(json.dumps(self.spec["template"], sort_keys=True).encode()).hexdigest()[:10]

    @property
    def replicas(self) -> int:
        known = self.spec.get("replicas")
        return self.around.least_replicas(self.name) if known is None else int(known)

    def update(self, found: Object) -> None:
        """Follows the object from now on."""
        self.spec = found["spec"]
        self.around.changes.note()

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"controller {self.name}")

    def done(self) -> bool:
        """Whether all that the object asks for is there and ready, and nothing else is left."""
        if self._task is not None and self._task.done():
            self._task.result()
        pods = [pod for pod in self.pods if not pod.gone]
        return len(pods) == self.replicas and all(
            pod.revision == self.revision and not pod.terminating and self.available(pod) for pod in pods
        )

    def available(self, pod: Pod) -> bool:
        return pod.ready_since is not None and (
            time.monotonic() - pod.ready_since >= self.spec.get("minReadySeconds", 0)
        )

    async def stop(self, *, at_once: bool = False) -> None:
        """No pod of it is left after this."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(pod.kill() if at_once else pod.terminate() for pod in self.pods))
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            self.pods = [pod for pod in self.pods if not pod.gone]
            self.look()
            await self.around.changes.next()

    def look(self) -> None:
        """One look at how things stand, and what follows."""
        raise NotImplementedError

    def _create(self, name: str, template: Mapping[str, Any]) -> None:
        pod = Pod(self.around, name, template, revision=self.revision)
        self.pods.append(pod)
        self.around.pods.append(pod)
        pod.start()

    def _delete(self, pod: Pod) -> None:
        task = asyncio.create_task(pod.terminate())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _living(self) -> list[Pod]:
        return [pod for pod in self.pods if not pod.terminating]


class Deployment(Controller):
    """Pods with names of chance, replaced as the strategy says."""

    def look(self) -> None:
        living = self._living()
        # A pod that ended by itself, which only a node can do to one, is replaced.
        replicas = [Replica(pod.name, pod.revision == self.revision, self.available(pod)) for pod in living]
        to_do = step(Plan.of(self.spec, self.replicas), replicas, ending=len(self.pods) - len(living))
        for pod in living:
            if pod.name in to_do.delete:
                self._delete(pod)
        for _ in range(to_do.create):
            self._create(
                f"{self.name}-{self.revision[:8]}-{secrets.token_hex(3)}"[:63], self.spec["template"]
            )


class StatefulSet(Controller):
    """Pods with numbers, each with claims of its own; made and replaced one after the other."""

    def look(self) -> None:
        by_number = {int(pod.name.rsplit("-", 1)[1]): pod for pod in self.pods}
        for number in range(self.replicas):
            pod = by_number.get(number)
            waits = pod is None or (not self.available(pod) and pod.revision == self.revision)
            if pod is None:
                self._create_number(number)
            if waits and self.spec.get("podManagementPolicy") != "Parallel":
                return
        for number in sorted(by_number, reverse=True):
            pod = by_number[number]
            if pod.terminating:
                return
            if number >= self.replicas or pod.revision != self.revision:
                self._delete(pod)
                return
            if not self.available(pod):
                return

    def _create_number(self, number: int) -> None:
        name = f"{self.name}-{number}"
        template = json.loads(json.dumps(self.spec["template"]))
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels["statefulset.kubernetes.io/pod-name"] = name
        template["spec"].setdefault("subdomain", self.spec.get("serviceName", ""))
        for claim in self.spec.get("volumeClaimTemplates") or []:
            volume = claim["metadata"]["name"]
            self.around.claim(f"{volume}-{name}")
            template["spec"].setdefault("volumes", []).append(
                {"name": volume, "persistentVolumeClaim": {"claimName": f"{volume}-{name}"}}
            )
        self._create(name, template)


class Job:
    """Pods one after the other until one succeeds, or the job may not try again."""

    def __init__(self, around: PodOwner, found: Object) -> None:
        self.name: str = found["metadata"]["name"]
        self.succeeded: bool | None = None
        self.pods: list[Pod] = []
        self._around = around
        self._spec = found["spec"]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"job {self.name}")

    async def complete(self, within_s: float) -> None:
        """Returns when it has succeeded. Raises NotReached when it failed, or has not ended."""
        await self._around.changes.until(
            lambda: self.succeeded is not None, within_s=within_s, what=self.describe
        )
        if not self.succeeded:
            raise NotReached(f"the job failed: {self.describe()}")

    def describe(self) -> str:
        return f"job {self.name}\n" + "\n".join(pod.describe() for pod in self.pods)

    def logs(self) -> str:
        return "".join(pod.logs() for pod in self.pods)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(pod.kill() for pod in self.pods))

    async def _run(self) -> None:
        limit = self._spec.get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(limit):
                self.succeeded = await self._attempts()
        except TimeoutError:
            await asyncio.gather(*(pod.terminate() for pod in self.pods))
            self.succeeded = False
        finally:
            self._around.changes.note()

    async def _attempts(self) -> bool:
        pause = _JOB_BACKOFF_S
        for attempt in range(self._spec.get("backoffLimit", 6) + 1):
            if attempt:
                await asyncio.sleep(pause)
                pause *= 2
            pod = Pod(self._around, f"{self.name[:52]}-{secrets.token_hex(3)}", self._template())
            self.pods.append(pod)
            self._around.pods.append(pod)
            pod.start()
            if await pod.wait():
                return True
        return False

    def _template(self) -> Mapping[str, Any]:
        template = json.loads(json.dumps(self._spec["template"]))
        template.setdefault("metadata", {}).setdefault("labels", {})["job-name"] = self.name
        result: Mapping[str, Any] = template
        return result
