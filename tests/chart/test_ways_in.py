"""The public address: ingress, Gateway API, and what the notes say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart.chart import CHART, Rendered, ci, render, run


def test_the_ingress_leads_to_the_public_door(rendered: Rendered, values: Path) -> None:
    if not yaml.safe_load(values.read_text()).get("ingress", {}).get("enabled"):
        assert rendered.of("Ingress") == []
        return
    [ingress] = rendered.of("Ingress")
    [rule] = ingress["spec"]["rules"]
    [tls] = ingress["spec"]["tls"]
    assert tls == {"hosts": [rule["host"]], "secretName": "support-tls"}
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert rendered.get("Service", "")["spec"]["ports"][0]["name"] == backend["port"]["name"]
    # ingress-nginx cuts sockets after a minute otherwise.
    assert int(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600


@pytest.mark.parametrize(("name", "requests"), [("gateway-api", "60s"), ("shared-gateway", "120s")])
def test_a_route_gives_sockets_no_limit_and_requests_one(name: str, requests: str) -> None:
    route = render(ci(name)).get("HTTPRoute", "")["spec"]
    sockets, rest = route["rules"]
    assert route["hostnames"] == ["support.example"]
    assert sockets["matches"][0]["path"]["value"] == "/api/v1/ws"
    assert sockets["timeouts"] == {"request": "0s"}
    assert rest["timeouts"] == {"request": requests}
    for rule in route["rules"]:
        assert rule["backendRefs"] == [{"name": "t-yunsong", "port": 80}]


def test_a_gateway_of_its_own_ends_tls_and_sends_others_there() -> None:
    rendered = render(ci("gateway-api"))
    [gateway] = rendered.of("Gateway")
    http, https = gateway["spec"]["listeners"]
    assert https["tls"]["certificateRefs"] == [{"name": "support-tls"}]
    redirect = rendered.get("HTTPRoute", "to-https")["spec"]
    assert redirect["parentRefs"] == [{"name": "t-yunsong", "sectionName": http["name"]}]
    assert redirect["rules"][0]["filters"][0]["requestRedirect"]["scheme"] == "https"
    assert rendered.get("HTTPRoute", "")["spec"]["parentRefs"] == [
        {"name": "t-yunsong", "sectionName": https["name"]}
    ]


def test_a_route_belongs_to_the_clusters_gateway() -> None:
    rendered = render(ci("shared-gateway"))
    assert rendered.of("Gateway") == []
    [route] = rendered.of("HTTPRoute")
    assert route["spec"]["parentRefs"] == [
        {"name": "public", "namespace": "gateways", "sectionName": "https"}
    ]


@pytest.mark.parametrize(
    ("name", "wanted", "unwanted"),
    [
        ("compact", ["https://support.example", "get secret t-yunsong-first-sign-in", "t-yunsong-backup-key"], ["port-forward"]),
        ("distributed", ["get secret t-yunsong-first-sign-in", "Nothing is backed up", "trustedProxies is empty"], ["port-forward"]),
        ("minimal", ["port-forward service/t-yunsong 8080:80", "Back up the secret t-yunsong-keys"], []),
        ("external", ["get secret yunsong-first-sign-in"], ["Back up the secret"]),
        ("restricted", ["no administrator was made"], ["first-sign-in"]),
        ("restore", ["being restored from file:///backup"], ["first-sign-in"]),
    ],
)  # fmt: skip
def test_the_notes_say_what_to_do_next(name: str, wanted: list[str], unwanted: list[str]) -> None:
    notes = run("install", "t", str(CHART), "--values", str(ci(name)), "--dry-run=client").partition(
        "NOTES:"
    )[2]
    for text in wanted:
        assert text in notes
    for text in unwanted:
        assert text not in notes
