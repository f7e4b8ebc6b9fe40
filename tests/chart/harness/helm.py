"""Helm's part: rendering, and the order in which what was rendered becomes true."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.chart.chart import CHART, run
from tests.chart.harness import fields
from tests.chart.harness.cluster import Cluster
from tests.chart.harness.store import Object
from tests.chart.harness.workloads import Deployment, Job, StatefulSet

_HOOK, _WEIGHT, _POLICY = "helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"
_KEEP = "helm.sh/resource-policy"
# Helm's order of kinds, as far as they are represented; what is not listed comes last.
_ORDER = (
    "Namespace", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount", "Secret", "ConfigMap",
    "PersistentVolumeClaim", "Role", "RoleBinding", "Service", "Pod", "Deployment", "HorizontalPodAutoscaler",
    "StatefulSet", "Job", "CronJob", "Ingress",
)  # fmt: skip


class Release:
    """One release of the chart in a cluster: `install`, `upgrade`, `test`, as the commands do it with `--wait`.

    `chart` may be another one at an upgrade.
    """

    def __init__(self, cluster: Cluster, name: str = "t", chart: Path = CHART) -> None:
        self.cluster = cluster
        self.name = name
        self.chart = chart
        self._applied: dict[tuple[str, str], Object] = {}
        self._hooks: list[Object] = []

    async def install(self, values: Mapping[str, Any], *, within_s: float = 200) -> None:
        """Raises Refused before anything is done, or NotReached for what did not become ready."""
        await self.apply(self.render(values), within_s=within_s)

    async def upgrade(self, values: Mapping[str, Any], *, within_s: float = 600) -> None:
        """The same for a release that is there."""
        await self.apply(self.render(values, upgrade=True), event="upgrade", within_s=within_s)

    async def test(self, *, within_s: float = 120) -> str:
        """`helm test`: what the test pods printed. Raises NotReached when one failed."""
        assert self._of("test"), "the chart has no test"
        return await self._run_hooks("test", within_s)

    async def run_now(self, cron_job: str, *, within_s: float = 120) -> str:
        """One run of a CronJob, as `kubectl create job --from` makes it; what it printed. Raises NotReached."""
        found = self.cluster.store.get("CronJob", cron_job)
        assert found is not None, cron_job
        name = f"{cron_job}-{secrets.token_hex(3)}"
        spec = found["spec"]["jobTemplate"]["spec"]
        self._apply({"kind": "Job", "metadata": {"name": name}, "spec": spec})
        job = self.cluster.jobs[name]
        await job.complete(within_s)
        return job.logs()

    def render(self, values: Mapping[str, Any], *, upgrade: bool = False) -> list[Object]:
        """The objects that these values give."""
        path = self.cluster.folder / "values.json"
        path.write_text(json.dumps(values))
        arguments = ["template", self.name, str(self.chart), "--namespace", self.cluster.namespace]
        text = run(*arguments, "--values", str(path), *(["--is-upgrade"] if upgrade else []))
        return [each for each in yaml.safe_load_all(text) if each]

    async def apply(self, objects: list[Object], *, event: str = "install", within_s: float = 60) -> None:
        """Makes these objects true, with the hooks of the event. Raises Refused before anything is done, or NotReached."""
        fields.check(objects)
        self._check_images(objects)
        self._hooks = [each for each in objects if _HOOK in _annotations(each)]
        await self._run_hooks(f"pre-{event}", within_s)
        resources = [each for each in objects if _HOOK not in _annotations(each)]
        self._apply_all(resources)
        await self._ready(within_s)
        await self._run_hooks(f"post-{event}", within_s)

    def _check_images(self, objects: Iterable[Object]) -> None:
        """An image that can't be had is a fault of the values, found before anything starts."""
        for each in objects:
            for container in _containers(each):
                self.cluster.images.get(container["image"])

    def _of(self, event: str) -> list[Object]:
        hooks = [
            each for each in self._hooks if event in _annotations(each)[_HOOK].replace(" ", "").split(",")
        ]
        return sorted(
            hooks,
            key=lambda each: (
                int(_annotations(each).get(_WEIGHT, 0)),
                _place(each),
                each["metadata"]["name"],
            ),
        )

    async def _run_hooks(self, event: str, within_s: float) -> str:
        """One after the other, each to its end where it has one; those that go with success go after the last. What they printed."""
        hooks = self._of(event)
        said = []
        for hook in hooks:
            kind, name = hook["kind"], hook["metadata"]["name"]
            if "before-hook-creation" in _policies(hook):
                await self._remove(kind, name)
            self._apply(_as_job(hook) if kind == "Pod" else hook)
            self.cluster.sync()
            if kind in ("Job", "Pod"):
                job = self.cluster.jobs[name]
                await job.complete(within_s)
                said.append(job.logs())
        for hook in reversed(hooks):
            if "hook-succeeded" in _policies(hook):
                await self._remove(hook["kind"], hook["metadata"]["name"])
        return "".join(said)

    def _apply_all(self, objects: list[Object]) -> None:
        fresh = {(each["kind"], each["metadata"]["name"]): each for each in objects}
        for each in sorted(objects, key=_place):
            self._apply(each)
        for (kind, name), each in self._applied.items():
            if (kind, name) not in fresh and _annotations(each).get(_KEEP) != "keep":
                task = asyncio.create_task(self._remove(kind, name))
                self.cluster.background.add(task)
                task.add_done_callback(self.cluster.background.discard)
        self._applied = fresh
        self.cluster.sync()

    def _apply(self, found: Object) -> None:
        cluster = self.cluster
        name = found["metadata"]["name"]
        cluster.store.put(found)
        match found["kind"]:
            case "PersistentVolumeClaim":
                cluster.claim(name)
            case ("Deployment" | "StatefulSet") as kind:
                known = cluster.controllers.get((kind, name))
                if known is not None:
                    known.update(found)
                else:
                    fresh = (
                        Deployment(cluster, found) if kind == "Deployment" else StatefulSet(cluster, found)
                    )
                    cluster.controllers[kind, name] = fresh
                    fresh.start()
            case "Job":
                if name not in cluster.jobs:
                    cluster.jobs[name] = Job(cluster, found)
                    cluster.jobs[name].start()

    async def _remove(self, kind: str, name: str) -> None:
        cluster = self.cluster
        cluster.store.remove("Job" if kind == "Pod" else kind, name)
        if kind in ("Job", "Pod") and (job := cluster.jobs.pop(name, None)):
            await job.stop()
        if controller := cluster.controllers.pop((kind, name), None):
            await controller.stop()

    async def _ready(self, within_s: float) -> None:
        cluster = self.cluster

        def settled() -> bool:
            return all(each.done() for each in cluster.controllers.values())

        await cluster.changes.until(settled, within_s=within_s, what=cluster.describe)


def _annotations(found: Object) -> dict[str, str]:
    return found["metadata"].get("annotations") or {}


def _policies(hook: Object) -> list[str]:
    return _annotations(hook).get(_POLICY, "before-hook-creation").replace(" ", "").split(",")


def _place(found: Object) -> int:
    return _ORDER.index(found["kind"]) if found["kind"] in _ORDER else len(_ORDER)


def _containers(found: Object) -> list[Object]:
    spec = found.get("spec") or {}
    if found["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if found["kind"] != "Pod":
        spec = (spec.get("template") or {}).get("spec") or {}
    return [*spec.get("containers", []), *spec.get("initContainers", [])]


def _as_job(pod: Object) -> Object:
    """A hook's pod runs once."""
    template = {"metadata": {"labels": pod["metadata"].get("labels", {})}, "spec": pod["spec"]}
    return {**pod, "kind": "Job", "spec": {"backoffLimit": 0, "template": template}}
