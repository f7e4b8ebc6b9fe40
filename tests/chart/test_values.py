"""Values are documented, closed, and refused with a sentence that says what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.chart.chart import CHART, RenderFailed, ci, render
from tests.chart.generated import documented

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.mark.parametrize(
    ("name", "overrides", "sentence"),
    [
        ("minimal", {"publicUrl": ""}, "publicUrl must be the address"),
        ("minimal", {"publicUrl": "https://support.example/chat"}, "publicUrl must be the address"),
        ("minimal", {"postgresql.enabled": False}, "there is no PostgreSQL: set database.existingSecret"),
        ("minimal", {"nats.enabled": False}, "there is no NATS: set messaging.existingSecret"),
        ("minimal", {"database.existingSecret": "mine"}, "set postgresql.enabled to false"),
        ("minimal", {"messaging.host": "nats.example"}, "set nats.enabled to false"),
        ("minimal", {"components.standalone.replicas": 2}, "2 pods of the standalone share uploaded files: set files.url"),
        ("minimal", {"topology": "distributed"}, "2 pods of the gateway share uploaded files"),
        ("scaled", {"files.url": "", "files.existingSecret": ""}, "8 pods of the gateway share uploaded files"),
        ("minimal", {"files.existingSecret": "s3"}, "set files.url to s3://bucket/prefix"),
        ("minimal", {"gatewayApi.enabled": True}, "name one in gatewayApi.parentRefs"),
        ("gateway-api", {"gatewayApi.gateway.tlsSecret": ""}, "set gatewayApi.gateway.tlsSecret"),
        ("compact", {"publicUrl": "http://support.example"}, "write publicUrl with https"),
        ("object-store", {"restore.from": "file:///backup"}, "set restore.from to s3://"),
        ("plugins", {"plugins": [{"name": "a"}]}, "a needs either an image or a volume"),
        ("plugins", {"plugins": [{"name": "a", "image": "x:1"}, {"name": "a", "image": "y:1"}]}, "two are called a"),
        ("distributed", {"components.bot.graceSeconds": 60}, "terminationGracePeriodSeconds must be more"),
        ("scaled", {"components.gateway.autoscaling.minReplicas": 9}, "minReplicas is above maxReplicas"),
        (
            "scaled",
            {"defaults.autoscaling.targetCPUUtilizationPercentage": 0, "defaults.autoscaling.customMetric.enabled": False},
            "nothing to scale by: set targetCPUUtilizationPercentage",
        ),
        ("scaled", {"networkPolicy.extraEgress": []}, "name the collector and its port in networkPolicy.extraEgress"),
        ("scaled", {"networkPolicy.metricsFrom": []}, "name Prometheus' namespace in networkPolicy.metricsFrom"),
        ("minimal", {"settings": {"OTLP_ENDPOINT": "x"}}, "the chart has a value of its own"),
        ("minimal", {"components.gateway.settings": {"OIDC_CLIENT_SECRET": "x"}}, "name the secret in envFrom"),
        ("minimal", {"topology": "sharded"}, "topology"),
        ("minimal", {"replicas": 3}, "additional properties 'replicas' not allowed"),
        ("minimal", {"components.gatway": {}}, "additional properties 'gatway' not allowed"),
        ("minimal", {"postgresql.auth": {}}, "additional properties 'auth' not allowed"),
        ("minimal", {"settings": {"log-level": "DEBUG"}}, "'log-level' does not match"),
        ("minimal", {"networkPolicy.ingressFrom": []}, "networkPolicy"),
        ("minimal", {"files.url": "https://s3.example/bucket"}, "files/url"),
        ("minimal", {"global.imageRegistry": "mirror"}, "imageRegistry"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_a_sentence(
    name: str, overrides: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RenderFailed, match=sentence):
        render(ci(name), overrides)


def test_the_schema_and_the_values_know_the_same() -> None:
    def compare(node: dict[str, Any], value: Any, path: str) -> None:
        node = _target(node)
        if not isinstance(value, dict) or "properties" not in node:
            return
        known = set(node["properties"]) - {"global"}
        if path.startswith(".components."):
            assert set(value) <= known, path
        else:
            assert known == set(value) - {"global"}, path or "the top"
        for name in set(value) & set(node["properties"]):
            compare(node["properties"][name], value[name], f"{path}.{name}")

    compare(SCHEMA, VALUES, "")
    assert set(VALUES["global"]) == set(SCHEMA["properties"]["global"]["properties"])


def test_every_object_in_the_schema_is_closed_and_every_value_described() -> None:
    def look(node: dict[str, Any], path: str) -> None:
        target = _target(node)
        if path:
            assert node.get("description") or target.get("description"), path
        if "properties" in target:
            if path != ".global":  # Helm puts what it likes there
                assert target.get("additionalProperties") is False, path or "the top"
            for name, child in target["properties"].items():
                if name in ("requests", "limits"):
                    continue
                look(child, f"{path}.{name}")

    look(SCHEMA, "")


def test_the_subcharts_have_the_values_that_are_documented() -> None:
    for name in ("postgresql", "nats"):
        own = yaml.safe_load((CHART / "charts" / name / "values.yaml").read_text())
        assert set(own) == set(VALUES[name])
        assert own["image"] == VALUES[name]["image"]
        assert not list((CHART / "charts" / name).glob("*.tgz"))


def test_every_value_stands_in_the_readme() -> None:
    page = (CHART / "README.md").read_text()
    rows = [path for path, _, _ in documented(SCHEMA, VALUES)]
    assert len(rows) > 150
    for path in rows:
        assert f"| `{path}` |" in page


def test_every_default_is_one_that_the_schema_allows() -> None:
    render(ci("minimal"))


def _target(node: dict[str, Any]) -> dict[str, Any]:
    name = node.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = SCHEMA["$defs"][name] if name else node
    return found
