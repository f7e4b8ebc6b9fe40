"""Every file of values in ci/ renders what the Kubernetes API takes, with names and selectors that hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart import custom_resources, kubernetes_api
from tests.chart.chart import (
    CHART,
    CI_VALUES,
    COMPONENT,
    Object,
    Rendered,
    ci,
    objects_of,
    pod_of,
    render,
    run,
    text_of,
)

# The oldest and the newest API that the chart is checked against.
KUBERNETES = ("1.30", "1.37")
LONGEST_NAME = 63


def test_every_way_to_run_it_has_its_file_of_values() -> None:
    assert {path.name.removesuffix("-values.yaml") for path in CI_VALUES} == {
        "air-gapped", "compact", "distributed", "external", "gateway-api", "minimal", "object-store", "plugins",
        "restore", "restricted", "scaled", "shared-cluster", "shared-gateway",
    }  # fmt: skip


def test_helm_finds_nothing_to_complain_about(values: Path) -> None:
    run("lint", "--strict", str(CHART), "--values", str(values))


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_fits_the_api(rendered: Rendered, version: str) -> None:
    assert rendered.objects
    for each in rendered.objects:
        if custom_resources.is_custom(each):
            custom_resources.validate(each)
        else:
            kubernetes_api.validate(each, version)


def test_the_oldest_api_is_the_one_that_the_chart_asks_for() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={KUBERNETES[0]}.0-0"


def test_names_are_unique_short_and_of_this_release(rendered: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.objects]
    assert len(set(names)) == len(names)
    for _, name in names:
        assert name.startswith(("t-yunsong", "t-postgresql", "t-nats"))
        assert len(name) <= LONGEST_NAME


LONG = "a-business-with-a-really-long-name-that-goes-on-and-o"


def test_the_longest_release_name_gives_names_that_fit(values: Path) -> None:
    _check_names(values, LONG)


@pytest.mark.parametrize("release", ["yunsong", "shop-yunsong", "x"])
def test_any_release_name_gives_names_that_fit(release: str) -> None:
    _check_names(ci("distributed"), release)


def _check_names(values: Path, release: str) -> None:
    """With what controllers add to a name, and labels hold it too."""
    for each in objects_of(run("template", release, str(CHART), "--values", str(values))):
        longest = {"CronJob": 52, "StatefulSet": 52}.get(each["kind"], LONGEST_NAME)
        assert len(each["metadata"]["name"]) <= longest, each["metadata"]["name"]
        for label in each["metadata"]["labels"].values():
            assert len(label) <= LONGEST_NAME


def test_a_name_of_ones_own_is_used_everywhere() -> None:
    for rendered in (
        render(CI_VALUES[0], {"fullnameOverride": "help"}),
        render(CI_VALUES[0], {"nameOverride": "desk"}),
    ):
        own = [
            each["metadata"]["name"]
            for each in rendered.objects
            if not each["metadata"]["name"].startswith(("t-postgresql", "t-nats"))
        ]
        assert all(name.startswith(("help", "t-desk")) for name in own)


def test_every_object_carries_the_standard_labels(rendered: Rendered) -> None:
    for each in rendered.objects:
        labels = each["metadata"]["labels"]
        for name in ("name", "instance", "component", "part-of", "version", "managed-by"):
            assert labels[f"app.kubernetes.io/{name}"], each["metadata"]["name"]


def test_selectors_select_their_own_pods_and_no_others(rendered: Rendered) -> None:
    pods = [(each["metadata"]["name"], pod_of(each)["metadata"]["labels"]) for each in _workloads(rendered)]
    for each in rendered.of("Deployment") + rendered.of("StatefulSet"):
        selector = each["spec"]["selector"]["matchLabels"]
        chosen = [name for name, labels in pods if selector.items() <= labels.items()]
        assert chosen == [each["metadata"]["name"]]


def test_selectors_hold_nothing_that_an_upgrade_changes(rendered: Rendered) -> None:
    """They cannot be changed, so neither a version nor a topology's number may stand in them."""
    for each in rendered.of("Deployment") + rendered.of("StatefulSet"):
        assert set(each["spec"]["selector"]["matchLabels"]) == {
            "app.kubernetes.io/name", "app.kubernetes.io/instance", COMPONENT,
        }  # fmt: skip


def test_servers_are_not_started_again_by_a_new_chart(compact: Rendered) -> None:
    for each in compact.of("StatefulSet"):
        labels = pod_of(each)["metadata"]["labels"]
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(labels)


def test_services_select_the_pods_they_are_for(rendered: Rendered) -> None:
    labels = [(name, template["metadata"]["labels"]) for name, template in rendered.pods()]
    for service in rendered.of("Service"):
        selector = service["spec"]["selector"]
        selected = [name for name, have in labels if selector.items() <= have.items()]
        if service["metadata"]["name"].endswith("-metrics"):
            assert set(selected) == {
                pod_of(each)["metadata"]["labels"][COMPONENT] for each in rendered.of("Deployment")
            }
        else:
            assert len(selected) == 1, service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            for component in selected:
                named = [
                    each["name"]
                    for container in rendered.pod(component)["spec"]["containers"]
                    for each in container["ports"]
                ]
                assert port["targetPort"] in named


def test_what_is_rendered_is_the_same_every_time_and_holds_no_secret(values: Path) -> None:
    """Tools that render without a cluster compare what they get: nothing is made up, nothing is looked up."""
    arguments = ("template", "t", str(CHART), "--namespace", "shop", "--values", str(values))
    assert run(*arguments) == text_of(values)
    templates = "".join(path.read_text() for path in CHART.rglob("templates/*"))
    for call in ("randAlphaNum", "genPrivateKey", "genCA", "lookup ", ".Release.IsInstall", "now |"):
        assert call not in templates


def test_only_what_the_revision_names_differs_at_an_upgrade(values: Path) -> None:
    """So a GitOps tool, which always installs, and Helm, which upgrades, get the same."""
    assert text_of(values) == text_of(values, options=("--is-upgrade",))


def _workloads(rendered: Rendered) -> list[Object]:
    return [
        each
        for each in rendered.objects
        if each["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob", "Pod")
    ]
