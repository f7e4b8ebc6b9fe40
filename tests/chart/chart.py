"""Renders the chart as Helm does, and finds its objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Every pod template by its component."""
        for each in self.objects:
            if each["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
                template = each["spec"]["template"]
                yield template["metadata"]["labels"]["app.kubernetes.io/component"], template

    def environment(self, component: str) -> dict[str, Any]:
        """A component's variables: texts, or references to secrets."""
        [pod] = [template for name, template in self.pods() if name == component]
        variables = pod["spec"]["containers"][0]["env"]
        names = [each["name"] for each in variables]
        assert len(set(names)) == len(names), f"{component} sets a variable twice: {sorted(names)}"
        return {each["name"]: each.get("value", each.get("valueFrom")) for each in variables}


def run(*arguments: str) -> str:
    """Runs Helm and gives what it prints. Raises `RenderFailed`."""
    done = subprocess.run(
        [str(helm()), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise RenderFailed(done.stderr + done.stdout)
    return done.stdout


def render(
    values: Path | None = None, overrides: Mapping[str, Any] | None = None, *, upgrade: bool = False
) -> Rendered:
    """Renders with a file of values and overrides by dotted path."""
    arguments = ["template", "t", str(CHART), "--namespace", "shop", *(["--is-upgrade"] if upgrade else [])]
    if values is not None:
        arguments += ["--values", str(values)]
    for path, value in (overrides or {}).items():
        arguments += ["--set-json", f"{path}={json.dumps(value)}"]
    return Rendered([each for each in yaml.safe_load_all(run(*arguments)) if each])
