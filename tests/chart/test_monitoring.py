"""Alerts and dashboards ask for metrics that there are, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from tests.chart.chart import CHART, Rendered
from yunsong_common.telemetry import METRICS
from yunsong_standalone.catalogue import SERVICES

# Of the cluster's own exporters, for what the product cannot know.
OF_THE_CLUSTER = {
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "certmanager_certificate_expiration_timestamp_seconds",
    "probe_ssl_earliest_cert_expiry",
    "kube_cronjob_status_last_successful_time",
}
_LABEL = re.compile(r"[{,]\s*([a-z_]+)\s*=")
_BY = re.compile(r"by \(([^)]*)\)")
_OF_SCRAPING = {"namespace", "le", "cronjob", "instance", "persistentvolumeclaim"}


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for path in sorted((CHART / "files" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]


def spec_of(name: str) -> str:
    """The registered name behind what a histogram is made of."""
    return re.sub(r"_(bucket|sum|count)$", "", name) if name not in METRICS else name


def test_every_expression_asks_for_metrics_that_there_are() -> None:
    asked = set()
    for where, expression in expressions():
        names = set(re.findall(r"\b(?:yunsong|kube|kubelet|certmanager|probe)_[a-z_]+", expression))
        assert names, where
        for name in names:
            assert spec_of(name) in METRICS or name in OF_THE_CLUSTER, (where, name)
            if name not in OF_THE_CLUSTER:
                kind = METRICS[spec_of(name)].kind
                assert (kind == "histogram") == (spec_of(name) != name), (where, name)
                assert (kind == "counter") == name.endswith("_total"), (where, name)
        asked |= names
    assert {
        "yunsong_router_sla_breaches_total",
        "yunsong_outbox_oldest_seconds",
        "yunsong_gateway_sockets",
    } <= asked


def test_every_label_is_one_that_the_metric_has() -> None:
    for where, expression in expressions():
        known = set(_OF_SCRAPING)
        for name in re.findall(r"\byunsong_[a-z_]+", expression):
            known |= {"service", *METRICS[spec_of(name)].labels}
        used = set(_LABEL.findall(expression))
        for group in _BY.findall(expression):
            used |= {label.strip() for label in group.split(",")}
        assert used <= known, where
        assert expression.count("(") == expression.count(")"), where


def test_counters_are_asked_for_their_growth() -> None:
    for where, expression in expressions():
        for name in re.findall(r"\byunsong_[a-z_]+_(?:total|bucket|sum|count)\b", expression):
            assert re.search(rf"(rate|increase)\({name}\{{[^}}]*\}}\[", expression), (where, name)


def test_there_is_an_alert_for_each_thing_that_must_not_go_unseen() -> None:
    groups = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert {
        "YunsongQueueStuck", "YunsongOutboxLag", "YunsongDeadLetters", "YunsongSlaBreaches", "YunsongCertificate",
        "YunsongDisk", "YunsongBackupOld", "YunsongDoorAway",
    } <= set(rules)  # fmt: skip
    for rule in rules.values():
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_alerts_look_at_their_own_namespace(scaled: Rendered) -> None:
    [rule] = scaled.of("PrometheusRule")
    text = json.dumps(rule)
    assert "@" not in text
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    for group in rule["spec"]["groups"]:
        for each in group["rules"]:
            assert 'namespace="shop"' in each["expr"] or "https://support.example" in each["expr"]


def test_the_scraper_finds_the_operations_port_of_every_pod(scaled: Rendered) -> None:
    [monitor] = scaled.of("ServiceMonitor")
    chosen = [
        service
        for service in scaled.of("Service")
        if monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ]
    [service] = chosen
    [port] = service["spec"]["ports"]
    assert port["name"] == monitor["spec"]["endpoints"][0]["port"]
    assert port["targetPort"] == "ops"
    for each in SERVICES:
        labels = scaled.pod(each.name)["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()


def test_dashboards_are_where_the_sidecar_looks(scaled: Rendered) -> None:
    boards = [each for each in scaled.of("ConfigMap") if "-dashboard-" in each["metadata"]["name"]]
    assert len(boards) == 2
    ids = set()
    for each in boards:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Yunsong"}
        [content] = each["data"].values()
        board = json.loads(content)
        ids.add(board["uid"])
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
        assert len(set(places)) == len(places)
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len(ids) == 2


def test_scaling_uses_metrics_that_there_are(scaled: Rendered) -> None:
    for each in scaled.of("HorizontalPodAutoscaler"):
        for metric in each["spec"]["metrics"]:
            if metric["type"] == "Pods":
                assert METRICS[metric["pods"]["metric"]["name"]].kind == "gauge"
