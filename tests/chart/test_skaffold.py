"""What is built for a cluster fits what the chart deploys."""

from __future__ import annotations

from typing import Any

import yaml

from tests.chart.chart import ROOT, render
from yunsong_standalone.catalogue import SERVICES

SKAFFOLD: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
IMAGES = {*(service.name for service in SERVICES), "standalone"}


def test_there_is_an_image_for_every_component() -> None:
    built = {each["image"]: each["docker"]["buildArgs"]["SERVICE"] for each in SKAFFOLD["build"]["artifacts"]}
    assert built == {f"yunsong-{name}": name for name in IMAGES}
    for each in SKAFFOLD["build"]["artifacts"]:
        assert (ROOT / each["context"] / each["docker"]["dockerfile"]).is_file()


def test_every_built_image_is_deployed() -> None:
    [release] = SKAFFOLD["deploy"]["helm"]["releases"]
    assert (ROOT / release["chartPath"] / "Chart.yaml").is_file()
    templates = release["setValueTemplates"]
    assert set(templates) == {f"components.{name}.image" for name in IMAGES}
    rendered = render(overrides={**release["setValues"], **{path: f"built-{path}" for path in templates}})
    for component, template in rendered.pods():
        if component in ("postgresql", "nats"):
            continue  # these are the official images
        name = component if component in IMAGES else "standalone"
        assert template["spec"]["containers"][0]["image"] == f"built-components.{name}.image"
