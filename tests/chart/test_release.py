"""Secrets, migrations and settings: what is made once, what runs when, and what each service gets."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from tests.chart.chart import Object, Rendered, ci, render
from yunsong_common.runtime import settings_class
from yunsong_common.settings import ServiceSettings, load, variable_of
from yunsong_standalone.backup.settings import BackupSettings
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.cluster_secrets import fill
from yunsong_standalone.permissions import publishable_subjects

HOOK = "helm.sh/hook"
WEIGHT = "helm.sh/hook-weight"
# Kubernetes puts these together of what the pod has; no service reads them.
PARTS = ("_DATABASE_PASSWORD", "_NATS_PASSWORD")


def references(template: Object) -> dict[str, set[str]]:
    """The keys of secrets that a pod cannot start without."""
    found: dict[str, set[str]] = {}
    for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                found.setdefault(reference["name"], set()).add(reference["key"])
    return found


def test_the_release_holds_no_secret(rendered: Rendered) -> None:
    """Neither an object nor a variable: what looks secret comes from a secret."""
    assert rendered.of("Secret") == []
    for component, template in rendered.pods():
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                if variable["name"].endswith(("_KEY", "_PASSWORD", "_SECRET", "_KEYS", "_KEY_ID")):
                    assert "secretKeyRef" in variable["valueFrom"], (component, variable["name"])
                if variable["name"].endswith("_URL") and "value" in variable:
                    assert "@" not in variable["value"] or "$(" in variable["value"]


def test_what_pods_need_is_made_with_the_keys_that_they_name(rendered: Rendered) -> None:
    made = rendered.plan() if any(name == "secrets" for name, _ in rendered.pods()) else {}
    for _, template in rendered.pods():
        for name, keys in references(template).items():
            if name.startswith("t-"):
                assert keys <= set(made[name])
            else:
                assert name not in made


def test_what_is_made_can_be_used(compact: Rendered) -> None:
    made = {name: fill(values) for name, values in compact.plan().items()}
    database, nats = made["t-postgresql"], made["t-nats"]
    for service in SERVICES:
        password = database[f"{service.name}-password"]
        assert (
            database[f"{service.name}-url"]
            == f"postgresql://{service.role}:{password}@t-postgresql:5432/yunsong"
        )
        assert (
            nats[f"{service.name}-url"]
            == f"nats://{service.name}:{nats[f'{service.name}-password']}@t-nats:4222"
        )
    assert database["admin-url"].startswith(f"postgresql://postgres:{database['postgres-password']}@")
    keys = made["t-yunsong-keys"]
    assert len(keys["release-key"]) >= 32
    assert keys["release-key"] != keys["encryption-key"]
    assert made["t-yunsong-first-sign-in"]["username"] == "admin"


def test_what_is_named_is_not_made(external: Rendered) -> None:
    assert not any(name == "secrets" for name, _ in external.pods())
    assert not external.of("Role")
    some = render(ci("object-store"))
    assert "t-yunsong-backup-key" not in some.plan()
    assert "t-yunsong-backup-key" in render(ci("compact")).plan()


def test_the_job_may_create_secrets_and_nothing_else(compact: Rendered) -> None:
    [role] = compact.of("Role")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    assert not compact.of("ClusterRole")
    [binding] = compact.of("RoleBinding")
    [account] = compact.of("ServiceAccount")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": "shop"}
    ]
    assert compact.pod("secrets")["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False


def test_hooks_come_in_their_order_and_need_nothing_of_the_release(rendered: Rendered) -> None:
    hooks = [each for each in rendered.objects if HOOK in each["metadata"].get("annotations", {})]
    before = [each for each in hooks if each["metadata"]["annotations"][HOOK] == "pre-install,pre-upgrade"]
    assert {each["kind"] for each in hooks} <= {"ServiceAccount", "Role", "RoleBinding", "Job", "Pod"}
    order = sorted(before, key=lambda each: int(each["metadata"]["annotations"][WEIGHT]))
    assert [each["kind"] for each in order][-2:] in ([], ["RoleBinding", "Job"])
    for each in before:
        if each["kind"] == "Job":
            template = each["spec"]["template"]
            assert references(template) == {}
            assert all(set(volume) <= {"name", "emptyDir"} for volume in template["spec"]["volumes"])


def test_the_migration_is_no_hook_and_waits_for_servers_beside_it(rendered: Rendered) -> None:
    if any(name == "restore" for name, _ in rendered.pods()):
        assert not any(name == "migrate" for name, _ in rendered.pods())
        return
    job = rendered.job("migrate")
    assert "annotations" not in job["metadata"]
    assert "ttlSecondsAfterFinished" not in job["spec"]  # a tool that compares would make it again
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["args"]) == (["yunsong"], ["migrate", "--wait=300"])
    assert job["spec"]["activeDeadlineSeconds"] > 300


def test_a_finished_migration_is_never_changed() -> None:
    """Its name has a digest of all that runs; an image, a setting or a revision makes another job."""
    names = {
        render(ci("compact"), overrides).job("migrate")["metadata"]["name"]
        for overrides in (
            {}, {"image.tag": "2"}, {"migrations.waitSeconds": 5}, {"nats.existingSecret": "own"},
            {"envFrom": [{"secretRef": {"name": "a"}}]},
        )
    }  # fmt: skip
    assert len(names) == 5
    again = render(ci("compact"), {"ingress.enabled": False, "publicUrl": "https://other.example"})
    assert (
        again.job("migrate")["metadata"]["name"] == render(ci("compact")).job("migrate")["metadata"]["name"]
    )


def test_migrations_use_each_services_own_role(distributed: Rendered, external: Rendered) -> None:
    for rendered in (distributed, external):
        environment = rendered.environment("migrate")
        for service in SERVICES:
            assert (
                environment[service.variable("DATABASE_URL")]["secretKeyRef"]["key"] == f"{service.name}-url"
            )
        assert environment["YUNSONG_NATS_URL"]["secretKeyRef"]["key"] == "url"
    assert (
        distributed.environment("migrate")["YUNSONG_DATABASE_ADMIN_URL"]["secretKeyRef"]["key"] == "admin-url"
    )
    assert "YUNSONG_DATABASE_ADMIN_URL" not in external.environment("migrate")


def test_only_the_migration_and_backups_hold_the_superusers_password(rendered: Rendered) -> None:
    for component, template in rendered.pods():
        keys = {key for found in references(template).values() for key in found}
        if {"admin-url", "postgres-password"} & keys:
            assert component in ("migrate", "backup", "restore", "postgresql")


@cache
def known_variables() -> set[str]:
    """Every variable that some service reads."""
    known = {"YUNSONG_HOME", "YUNSONG_DATABASE_ADMIN_URL", "YUNSONG_SECRETS", "PYTHONPATH"}
    known |= {variable_of(BackupSettings, name) for name in BackupSettings.model_fields}
    for service in SERVICES:
        kind: type[ServiceSettings] = settings_class(service.build())
        known |= {variable_of(kind, name) for name in kind.model_fields}
        known |= {service.variable(name.upper()) for name in kind.model_fields}
    return known


def test_every_variable_is_one_that_a_service_reads(rendered: Rendered) -> None:
    known = known_variables()
    for component, _ in rendered.pods():
        if component in ("postgresql", "nats"):
            continue
        unknown = {name for name in rendered.environment(component) if not name.endswith(PARTS)} - known
        assert not unknown, component


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
@pytest.mark.parametrize("name", ["distributed", "external", "scaled"])
def test_what_is_rendered_starts_the_service(
    name: str, monkeypatch: pytest.MonkeyPatch, service: Any
) -> None:
    rendered = render(ci(name))
    for variable, value in rendered.environment(service.name).items():
        if isinstance(value, str):
            monkeypatch.setenv(variable, value)
        elif not value["secretKeyRef"].get("optional"):
            scheme = "nats" if variable.endswith("NATS_URL") else "postgresql"
            is_url = variable.endswith("_URL")
            monkeypatch.setenv(variable, f"{scheme}://{service.role}:x@host/yunsong" if is_url else "k" * 32)
    settings = load(settings_class(service.build()))
    assert settings.grpc_port == service.grpc_port
    assert settings.address_of("conversation") == "t-yunsong-conversation-grpc:9102"


def test_a_host_and_a_password_make_a_url() -> None:
    rendered = render(ci("shared-cluster"))
    environment = rendered.environment("standalone")
    migrating = rendered.environment("migrate")
    assert migrating["YUNSONG_QA_DATABASE_URL"] == (
        "postgresql://shop_qa:$(YUNSONG_QA_DATABASE_PASSWORD)@postgres-rw.yunsong-shared.svc:5432/shop?sslmode=require"
    )
    assert migrating["YUNSONG_QA_DATABASE_PASSWORD"]["secretKeyRef"]["key"] == "qa-password"
    assert environment["YUNSONG_CHANNEL_ADAPTER_NATS_URL"] == (
        "nats://shop_channel_adapter:$(YUNSONG_CHANNEL_ADAPTER_NATS_PASSWORD)@nats.yunsong-shared.svc:4222"
    )
    assert environment["YUNSONG_DATABASE_URL"].startswith("postgresql://shop:$(YUNSONG_DATABASE_PASSWORD)@")
    # Kubernetes fills in only what stands before.
    order = [each["name"] for each in rendered.pod("standalone")["spec"]["containers"][0]["env"]]
    for name in order:
        if name.endswith(PARTS):
            assert order.index(name) < order.index(name.replace("_PASSWORD", "_URL"))


def test_a_service_has_its_own_role_and_user(distributed: Rendered, external: Rendered) -> None:
    for rendered in (distributed, external):
        for service in SERVICES:
            environment = rendered.environment(service.name)
            assert (
                environment[service.variable("DATABASE_URL")]["secretKeyRef"]["key"] == f"{service.name}-url"
            )
            assert environment[service.variable("NATS_URL")]["secretKeyRef"]["key"] == f"{service.name}-url"
            assert "YUNSONG_DATABASE_URL" not in environment
            others = [each for each in SERVICES if each is not service]
            assert not [each for each in others if each.variable("DATABASE_URL") in environment]


def test_each_nats_user_may_publish_what_is_its_own(compact: Rendered) -> None:
    [configuration] = [each for each in compact.of("ConfigMap") if each["metadata"]["name"] == "t-nats"]
    text = configuration["data"]["nats.conf"]
    variables = compact.environment("nats")
    for service in SERVICES:
        variable = f"{service.identifier.upper()}_PASSWORD"
        line = f'{{user: "{service.name}", password: ${variable}, permissions: {{'
        _, found, rest = text.partition(line)
        assert found
        allowed = json.loads(rest.partition("publish: {allow: ")[2].partition("]}")[0] + "]")
        assert allowed == list(publishable_subjects(service))
        assert variables[variable]["secretKeyRef"]["key"] == f"{service.name}-password"
    assert text.count("user:") == len(SERVICES) + 1


def test_the_compact_pod_has_the_role_of_all_services_alone(compact: Rendered) -> None:
    """They share one pool, whose role may do what each may."""
    environment = compact.environment("standalone")
    assert environment["YUNSONG_DATABASE_URL"]["secretKeyRef"] == {"name": "t-postgresql", "key": "url"}
    assert not [service for service in SERVICES if service.variable("DATABASE_URL") in environment]


def test_only_the_channel_adapter_can_decrypt_credentials(distributed: Rendered) -> None:
    for service in SERVICES:
        has_key = "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY" in distributed.environment(service.name)
        assert has_key == (service.name == "channel-adapter")


def test_only_the_gateway_knows_the_first_password(distributed: Rendered) -> None:
    for service in SERVICES:
        environment = distributed.environment(service.name)
        assert ("YUNSONG_GATEWAY_FIRST_PASSWORD" in environment) == (service.name == "gateway")
    first = distributed.environment("gateway")["YUNSONG_GATEWAY_FIRST_PASSWORD"]["secretKeyRef"]
    assert first == {"name": "t-yunsong-first-sign-in", "key": "password", "optional": True}
    assert "YUNSONG_GATEWAY_FIRST_ADMINISTRATOR" not in render(ci("restricted")).environment("gateway")


def test_settings_reach_the_service_that_they_are_for(compact: Rendered, scaled: Rendered) -> None:
    assert compact.environment("standalone")["YUNSONG_CHANNEL_ADAPTER_MAX_SENDING"] == "16"
    assert compact.environment("standalone")["YUNSONG_LOG_LEVEL"] == "WARNING"
    assert scaled.environment("gateway")["YUNSONG_GATEWAY_MAX_SOCKETS"] == "10000"
    assert "YUNSONG_GATEWAY_MAX_SOCKETS" not in scaled.environment("bot")
    assert scaled.environment("bot")["YUNSONG_OTLP_ENDPOINT"] == "http://collector.monitoring:4317"
    assert json.loads(scaled.environment("gateway")["YUNSONG_GATEWAY_FILES_OPTIONS"])["region"] == "eu-1"


def test_callers_see_every_pod_of_a_service(distributed: Rendered) -> None:
    for service in SERVICES:
        headless = distributed.get("Service", f"{service.name}-grpc")
        assert headless["spec"]["clusterIP"] == "None"
        assert headless["spec"]["ports"][0]["port"] == service.grpc_port


def test_a_backup_has_all_that_the_copy_is_made_of(compact: Rendered) -> None:
    [job] = compact.of("CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    template = compact.pod("backup")
    [container] = template["spec"]["containers"]
    assert container["args"] == ["backup", "--to", "file:///backup", "--keep=14"]
    environment = compact.environment("backup")
    for name in (
        "YUNSONG_RELEASE_KEY",
        "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY",
        "YUNSONG_BACKUP_KEY",
        "YUNSONG_NATS_URL",
    ):
        assert "secretKeyRef" in environment[name]
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in template["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    made = {each["metadata"]["name"]: each for each in compact.of("PersistentVolumeClaim")}
    assert claims == set(made) == {"t-yunsong-files", "t-yunsong-backup"}
    assert all(each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for each in made.values())
    # The files' volume is on one node: the backup goes there.
    assert "podAffinity" in template["spec"]["affinity"]


def test_an_object_store_needs_no_volume() -> None:
    rendered = render(ci("object-store"))
    assert rendered.of("PersistentVolumeClaim") == []
    [container] = rendered.pod("backup")["spec"]["containers"]
    assert container["args"][2] == "s3://support-backups/yunsong"
    assert (
        rendered.environment("backup")["YUNSONG_BACKUP_KEY"]["secretKeyRef"]["name"] == "yunsong-backup-key"
    )
    assert json.loads(rendered.environment("backup")["YUNSONG_BACKUP_OPTIONS"])["region"] == "eu-1"
    assert "affinity" not in rendered.pod("backup")["spec"]


def test_while_a_backup_is_restored_nothing_else_runs() -> None:
    rendered = render(ci("restore"))
    assert {each["spec"]["replicas"] for each in rendered.of("Deployment")} == {0}
    for kind in ("CronJob", "HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert rendered.of(kind) == []
    spec = rendered.pod("restore")["spec"]
    assert spec["containers"][0]["args"] == ["restore", "--from", "file:///backup", "--replace"]
    [before] = spec["initContainers"]
    assert before["args"] == ["migrate", "--roles-only", "--wait=300"]
    assert {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]} == {
        "/tmp", "/backup", "/var/lib/yunsong/files",
    }  # fmt: skip
