"""Renders the chart as Helm does, and finds its objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.chart.get_helm import helm

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "yunsong"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))

Object = dict[str, Any]


class RenderFailed(Exception):
    """What Helm said."""


COMPONENT = "app.kubernetes.io/component"
_PODS = ("Deployment", "Job", "StatefulSet", "CronJob", "Pod")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of one rendering."""

    objects: Sequence[Object]

    def of(self, kind: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] == kind]

    def get(self, kind: str, name: str) -> Object:
        """The object `t-yunsong<-name>`."""
        full = f"t-yunsong-{name}" if name else "t-yunsong"
        [found] = [each for each in self.of(kind) if each["metadata"]["name"] == full]
        return found

    def has(self, kind: str, name: str) -> bool:
        return any(each["metadata"]["name"] == f"t-yunsong-{name}" for each in self.of(kind))

    def job(self, component: str) -> Object:
        """The job of a component, whatever its name ends with."""
        [found] = [each for each in self.of("Job") if each["metadata"]["labels"][COMPONENT] == component]
        return found

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Every pod, with the labels and the spec of its template, by its component."""
        for each in self.objects:
            if each["kind"] in _PODS:
                template = pod_of(each)
                yield template["metadata"]["labels"][COMPONENT], template

    def pod(self, component: str) -> Object:
        [found] = [template for name, template in self.pods() if name == component]
        return found

    def environment(self, component: str) -> dict[str, Any]:
        """A component's variables: texts, or references to secrets."""
        variables = self.pod(component)["spec"]["containers"][0].get("env", [])
        names = [each["name"] for each in variables]
        assert len(set(names)) == len(names), f"{component} sets a variable twice: {sorted(names)}"
        return {each["name"]: each.get("value", each.get("valueFrom")) for each in variables}

    def plan(self) -> dict[str, dict[str, str]]:
        """What the job that makes secrets is told: templates by key, by secret."""
        told = json.loads(self.environment("secrets")["YUNSONG_SECRETS"])
        return {each["name"]: each["values"] for each in told}


def pod_of(workload: Object) -> Object:
    """The pod that an object makes, or is."""
    if workload["kind"] == "Pod":
        return workload
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Object = spec["template"]
    return template


def run(*arguments: str) -> str:
    """Runs Helm and gives what it prints. Raises `RenderFailed`."""
    done = subprocess.run(
        [str(helm()), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise RenderFailed(done.stderr + done.stdout)
    return done.stdout


def objects_of(text: str) -> list[Object]:
    """The documents of a text, without empty ones; by the C loader, which is ten times as fast."""
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def ci(name: str) -> Path:
    """A file of values by its name, such as "compact"."""
    return CHART / "ci" / f"{name}-values.yaml"


def render(
    values: Path | None = None, overrides: Mapping[str, Any] | None = None, *, options: tuple[str, ...] = ()
) -> Rendered:
    """Renders with a file of values and overrides by dotted path; the same is rendered once. Do not change what comes."""
    return _rendered(values, json.dumps(overrides or {}), options)


@cache
def _rendered(values: Path | None, overrides: str, options: tuple[str, ...]) -> Rendered:
    return Rendered(objects_of(text_of(values, overrides, options)))


@cache
def text_of(values: Path | None = None, overrides: str = "{}", options: tuple[str, ...] = ()) -> str:
    """What Helm prints; `overrides` is JSON by dotted path."""
    arguments = ["template", "t", str(CHART), "--namespace", "shop", *options]
    if values is not None:
        arguments += ["--values", str(values)]
    for path, value in json.loads(overrides).items():
        arguments += ["--set-json", f"{path}={json.dumps(value)}"]
    return run(*arguments)
