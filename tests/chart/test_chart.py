"""The chart renders, validates and means what it says, for every set of values in its ci/ folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from google.protobuf import descriptor_pb2

from tests.chart.chart import CHART, CI_VALUES, Rendered, RenderFailed, render, run
from yunsong.options.v1 import options_pb2
from yunsong_common.runtime import settings_class
from yunsong_common.settings import ServiceSettings, load, variable_of
from yunsong_standalone.catalogue import BY_NAME, SERVICES

COMPACT = CHART / "ci" / "compact-values.yaml"
DISTRIBUTED = CHART / "ci" / "distributed-values.yaml"
SMALL = CHART / "ci" / "small-distributed-values.yaml"
# The oldest and the newest API that the chart is checked against.
KUBERNETES = ("1.30", "1.35")
CONTRACT = CHART.parents[2] / "build" / "contract.binpb"


@pytest.fixture(scope="module", params=CI_VALUES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def values(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def rendered(values: Path) -> Rendered:
    return render(values)


@pytest.fixture(scope="module")
def compact() -> Rendered:
    return render(COMPACT)


@pytest.fixture(scope="module")
def distributed() -> Rendered:
    return render(DISTRIBUTED)


def test_helm_finds_nothing_to_complain_about(values: Path) -> None:
    run("lint", "--strict", str(CHART), "--values", str(values))


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_fits_the_api(rendered: Rendered, version: str) -> None:
    assert rendered.objects
    for each in rendered.objects:
        kubernetes_validate.validate(each, version, strict=True)


def test_names_are_unique_short_and_of_this_release(rendered: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.objects]
    assert len(set(names)) == len(names)
    for _, name in names:
        assert name.startswith("t-yunsong")
        assert len(name) <= 63


def test_every_object_carries_the_standard_labels(rendered: Rendered) -> None:
    for each in rendered.objects:
        labels = each["metadata"]["labels"]
        for name in ("name", "instance", "component", "part-of", "version", "managed-by"):
            assert labels[f"app.kubernetes.io/{name}"], each["metadata"]["name"]


def test_a_long_release_name_still_gives_names_that_fit(values: Path) -> None:
    text = run("template", "a-business-with-a-really-long-name-indeed", str(CHART), "--values", str(values))
    for each in yaml.safe_load_all(text):
        if each:
            assert len(each["metadata"]["name"]) <= 63


def test_every_pod_is_hardened(rendered: Rendered) -> None:
    pods = list(rendered.pods())
    assert pods
    for component, template in pods:
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, component
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]["cpu"]
            assert container["resources"]["limits"]["memory"]


def test_probes_ask_the_operations_port(rendered: Rendered) -> None:
    for deployment in rendered.of("Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        service = BY_NAME.get(container["name"], SERVICES[0])
        assert ports["ops"] == service.ops_port
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "ops"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "ops"}
        grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > int(rendered.environment(container["name"])["YUNSONG_GRACE_S"]) + 5


def test_no_update_takes_a_pod_before_the_next_is_ready(distributed: Rendered) -> None:
    for deployment in distributed.of("Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def known_variables() -> set[str]:
    """Every variable that some service reads."""
    known = {"YUNSONG_HOME"}
    for service in SERVICES:
        kind: type[ServiceSettings] = settings_class(service.build())
        known |= {variable_of(kind, name) for name in kind.model_fields}
        known |= {service.variable(name.upper()) for name in kind.model_fields}
    return known


def test_every_variable_is_one_that_a_service_reads(rendered: Rendered) -> None:
    known = known_variables()
    for component, _ in rendered.pods():
        unknown = set(rendered.environment(component)) - known
        assert not unknown, component


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_what_is_rendered_starts_the_service(
    distributed: Rendered, monkeypatch: pytest.MonkeyPatch, service: Any
) -> None:
    secrets = {
        "release-key": "r" * 32,
        "encryption-key": "e" * 32,
        "access-key-id": "a",
        "secret-access-key": "s",
    }
    for name, value in distributed.environment(service.name).items():
        if isinstance(value, str):
            monkeypatch.setenv(name, value)
            continue
        key = value["secretKeyRef"]["key"]
        scheme = "nats" if name.endswith("NATS_URL") else "postgresql"
        if not value["secretKeyRef"].get("optional"):
            monkeypatch.setenv(name, secrets.get(key, f"{scheme}://{service.role}:x@host/yunsong"))
    settings = load(settings_class(service.build()))
    assert settings.grpc_port == service.grpc_port
    assert settings.address_of("conversation") == "t-yunsong-conversation-grpc:9102"


def test_a_service_has_its_own_role_and_user(distributed: Rendered) -> None:
    for service in SERVICES:
        environment = distributed.environment(service.name)
        assert environment[service.variable("DATABASE_URL")]["secretKeyRef"]["key"] == f"{service.name}-url"
        assert environment[service.variable("NATS_URL")]["secretKeyRef"]["key"] == f"{service.name}-url"
        assert "YUNSONG_DATABASE_URL" not in environment
        others = [each for each in SERVICES if each is not service]
        assert not [each for each in others if each.variable("DATABASE_URL") in environment]


def test_only_the_channel_adapter_can_decrypt_credentials(distributed: Rendered) -> None:
    for service in SERVICES:
        has_key = "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY" in distributed.environment(service.name)
        assert has_key == (service.name == "channel-adapter")


def test_settings_reach_the_service_that_they_are_for(compact: Rendered, distributed: Rendered) -> None:
    assert compact.environment("standalone")["YUNSONG_CHANNEL_ADAPTER_MAX_SENDING"] == "16"
    assert compact.environment("standalone")["YUNSONG_LOG_LEVEL"] == "WARNING"
    assert distributed.environment("gateway")["YUNSONG_GATEWAY_MAX_SOCKETS"] == "10000"
    assert "YUNSONG_GATEWAY_MAX_SOCKETS" not in distributed.environment("bot")
    assert json.loads(distributed.environment("gateway")["YUNSONG_GATEWAY_FILES_OPTIONS"])["region"] == "eu-1"


def test_a_component_can_have_an_image_of_its_own() -> None:
    rendered = render(COMPACT, {"components.standalone.image": "yunsong-standalone:dev@sha256:1"})
    images = {template["spec"]["containers"][0]["image"] for _, template in rendered.pods()}
    assert images == {"yunsong-standalone:dev@sha256:1"}


def test_each_topology_has_its_own_deployments(compact: Rendered, distributed: Rendered) -> None:
    assert [each["metadata"]["name"] for each in compact.of("Deployment")] == ["t-yunsong-standalone"]
    names = {each["metadata"]["name"] for each in distributed.of("Deployment")}
    assert names == {f"t-yunsong-{service.name}" for service in SERVICES}


def test_callers_see_every_pod_of_a_service(distributed: Rendered) -> None:
    for service in SERVICES:
        headless = distributed.get("Service", f"{service.name}-grpc")
        assert headless["spec"]["clusterIP"] == "None"
        assert headless["spec"]["ports"][0]["port"] == service.grpc_port


def test_services_select_the_pods_they_are_for(rendered: Rendered) -> None:
    labels = {component: template["metadata"]["labels"] for component, template in rendered.pods()}
    for service in rendered.of("Service"):
        selector = service["spec"]["selector"]
        selected = [name for name, have in labels.items() if selector.items() <= have.items()]
        assert len(selected) == 1, service["metadata"]["name"]


def test_the_ingress_leads_to_the_public_door(rendered: Rendered, values: Path) -> None:
    if not yaml.safe_load(values.read_text()).get("ingress", {}).get("enabled"):
        assert rendered.of("Ingress") == []
        return
    [ingress] = rendered.of("Ingress")
    [rule] = ingress["spec"]["rules"]
    assert rule["host"] == "support.example"
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert rendered.get("Service", "")["spec"]["ports"][0]["name"] == backend["port"]["name"]


def test_an_autoscaled_deployment_has_no_replicas(distributed: Rendered) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in distributed.of("HorizontalPodAutoscaler")}
    assert scaled == {"t-yunsong-gateway"}
    for deployment in distributed.of("Deployment"):
        assert ("replicas" in deployment["spec"]) == (deployment["metadata"]["name"] not in scaled)


def test_a_budget_is_only_for_what_has_several_pods(compact: Rendered, distributed: Rendered) -> None:
    assert compact.of("PodDisruptionBudget") == []
    assert len(distributed.of("PodDisruptionBudget")) == len(SERVICES)
    assert render(SMALL).of("PodDisruptionBudget") == []


def test_migrations_run_before_each_revision(rendered: Rendered) -> None:
    job = rendered.get("Job", "migrate-1")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["args"]) == (["yunsong"], ["migrate"])


def test_migrations_use_each_services_own_role(distributed: Rendered) -> None:
    environment = distributed.environment("migrate")
    for service in SERVICES:
        assert environment[service.variable("DATABASE_URL")]["secretKeyRef"]["key"] == f"{service.name}-url"
    assert environment["YUNSONG_NATS_URL"]["secretKeyRef"]["key"] == "url"


def test_a_hook_needs_nothing_that_the_release_makes(rendered: Rendered) -> None:
    made = {each["metadata"]["name"] for each in rendered.objects if each["kind"] == "Secret"}
    for variable in rendered.environment("migrate").values():
        if isinstance(variable, dict):
            assert variable["secretKeyRef"]["name"] not in made


def test_the_first_administrator_is_made_with_the_first_install_alone(distributed: Rendered) -> None:
    assert distributed.has("Job", "first-administrator")
    assert not render(DISTRIBUTED, upgrade=True).has("Job", "first-administrator")


def test_keys_are_made_long_enough_and_kept(compact: Rendered, distributed: Rendered) -> None:
    [secret] = compact.of("Secret")
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert set(secret["data"]) == {"release-key", "encryption-key"}
    assert secret["data"]["release-key"] != secret["data"]["encryption-key"]
    assert all(len(value) >= 43 for value in secret["data"].values())
    assert distributed.of("Secret") == []


def contract_callers() -> dict[str, set[str]]:
    """Who may call whom, as the contract says; the gateway brings every public operation to its service."""
    package_of = {service.package: service.name for service in SERVICES}
    callers = {service.name: {"gateway"} - {service.name} for service in SERVICES}
    for file in descriptor_pb2.FileDescriptorSet.FromString(CONTRACT.read_bytes()).file:
        name = package_of.get(file.package.split(".")[1]) if file.package.startswith("yunsong.") else None
        if name is None:
            continue
        for service in file.service:
            for method in service.method:
                callers[name] |= set(method.options.Extensions[options_pb2.access].services) - {name}
    return callers


def test_policies_let_through_exactly_the_contracts_edges(distributed: Rendered) -> None:
    wanted = contract_callers()
    into: dict[str, set[str]] = {}
    out: dict[str, set[str]] = {service.name: set() for service in SERVICES}
    port_of = {service.grpc_port: service.name for service in SERVICES}
    component = "app.kubernetes.io/component"
    for service in SERVICES:
        spec = distributed.get("NetworkPolicy", service.name)["spec"]
        [rule] = [each for each in spec["ingress"] if each["ports"][0]["port"] == "grpc"]
        into[service.name] = {each["podSelector"]["matchLabels"][component] for each in rule["from"]}
        for each in spec["egress"]:
            if "ports" in each:
                out[service.name].add(port_of[each["ports"][0]["port"]])
    assert {name: callers - {"first-administrator"} for name, callers in into.items()} == wanted
    assert out == {name: {callee for callee, callers in wanted.items() if name in callers} for name in out}


def test_everything_else_is_denied(compact: Rendered, distributed: Rendered) -> None:
    for each in (compact, distributed):
        policy = each.get("NetworkPolicy", "default-deny")["spec"]
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
        assert "ingress" not in policy
        assert "egress" not in policy
        for _, template in each.pods():
            assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    for rule in distributed.get("NetworkPolicy", "gateway")["spec"]["ingress"]:
        assert rule["from"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_only_those_who_call_configured_addresses_reach_the_internet(
    distributed: Rendered, service: Any
) -> None:
    rules = distributed.get("NetworkPolicy", service.name)["spec"]["egress"]
    blocks = [peer["ipBlock"] for rule in rules for peer in rule.get("to", []) if "ipBlock" in peer]
    assert bool(blocks) == (service.name in ("gateway", "channel-adapter", "bot"))
    for block in blocks:
        assert block["except"]


@pytest.mark.parametrize(
    ("values", "overrides", "sentence"),
    [
        (COMPACT, {"publicUrl": ""}, "publicUrl must be"),
        (COMPACT, {"publicUrl": "https://support.example/chat"}, "publicUrl must be"),
        (COMPACT, {"database.existingSecret": ""}, "brings no PostgreSQL"),
        (COMPACT, {"nats.existingSecret": ""}, "brings no NATS"),
        (COMPACT, {"components.standalone.replicas": 2}, "set files.url to an object store"),
        (DISTRIBUTED, {"files.url": ""}, "8 pods of the gateway share uploaded files"),
        (DISTRIBUTED, {"components.bot.graceSeconds": 60}, "terminationGracePeriodSeconds must be more"),
        (DISTRIBUTED, {"components.gateway.autoscaling.minReplicas": 9}, "minReplicas is above maxReplicas"),
        (COMPACT, {"topology": "sharded"}, "topology"),
        (COMPACT, {"replicas": 3}, "additional properties 'replicas' not allowed"),
        (COMPACT, {"components.gatway": {}}, "additional properties 'gatway' not allowed"),
        (COMPACT, {"settings": {"log-level": "DEBUG"}}, "'log-level' does not match"),
        (COMPACT, {"networkPolicy.ingressFrom": []}, "networkPolicy"),
        (COMPACT, {"files.url": "https://s3.example/bucket"}, "files/url"),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(
    values: Path, overrides: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RenderFailed, match=sentence):
        render(values, overrides)


def test_the_schema_and_the_values_know_the_same() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(node: dict[str, Any], value: Any, path: str) -> None:
        if "$ref" in node or not isinstance(value, dict) or "properties" not in node:
            return
        known = set(node["properties"]) - {"global"}
        assert known == set(value), path or "the top"
        for name in known:
            compare(node["properties"][name], value[name], f"{path}.{name}")

    compare(schema, values, "")


def test_the_notes_say_the_address_and_the_first_sign_in() -> None:
    for values, wanted in (
        (COMPACT, "yunsong admin create admin"),
        (DISTRIBUTED, "logs job/t-yunsong-first-administrator"),
    ):
        notes = run("install", "t", str(CHART), "--values", str(values), "--dry-run=client")
        assert "https://support.example" in notes
        assert wanted in notes
