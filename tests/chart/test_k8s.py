"""deploy/k8s: what a cluster shares, one tenant from one file, and manifests for those without Helm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import custom_resources, kubernetes_api, tenants
from tests.chart.chart import ROOT, Object, Rendered, objects_of, pod_of, render, run
from tests.chart.generated import PLAIN
from tests.chart.get_helm import kubectl
from tests.chart.test_objects import KUBERNETES
from yunsong_standalone.catalogue import SERVICES

K8S = ROOT / "deploy" / "k8s"
BUILT = ("shared", "plain/compact", "plain/distributed", "plain/example")


def kustomize(folder: str) -> list[Object]:
    done = subprocess.run(
        [str(kubectl()), "kustomize", str(K8S / folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return objects_of(done.stdout)


@pytest.fixture(scope="module", params=BUILT)
def built(request: pytest.FixtureRequest) -> list[Object]:
    return kustomize(request.param)


@pytest.mark.parametrize("version", KUBERNETES)
def test_what_kustomize_builds_fits_the_api(built: list[Object], version: str) -> None:
    assert built
    for each in built:
        if custom_resources.is_custom(each):
            custom_resources.validate(each)
        else:
            kubernetes_api.validate(each, version)


def test_every_pod_meets_the_restricted_standard(built: list[Object]) -> None:
    for each in built:
        if each["kind"] not in ("Deployment", "StatefulSet", "Job", "CronJob"):
            continue
        spec = pod_of(each)["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("folder", ["plain/compact", "plain/distributed"])
def test_plain_manifests_need_no_helm(folder: str) -> None:
    text = (K8S / folder / "yunsong.yaml").read_text()
    for word in ("helm.sh", "managed-by: Helm"):
        assert word not in text
    built = kustomize(folder)
    for each in built:
        if each["kind"] == "Job":
            assert each["spec"]["ttlSecondsAfterFinished"]
    values = PLAIN / folder.rpartition("/")[2] / "values.yaml"
    kinds = {each["kind"] for each in render(values).objects} - {"Pod"}
    assert {each["kind"] for each in built} == kinds


def test_an_overlay_puts_namespace_image_and_address_in() -> None:
    built = kustomize("plain/example")
    assert {each["metadata"]["namespace"] for each in built} == {"support"}
    [binding] = [each for each in built if each["kind"] == "RoleBinding"]
    assert binding["subjects"][0]["namespace"] == "support"
    text = yaml.safe_dump_all(built)
    assert "registry.example/yunsong/yunsong-standalone:0.1.0" in text
    assert "support.example" not in text


def accepted_by_nats(folder: Path) -> None:
    """As nats-server itself reads it, with a password for each variable."""
    text = "".join(path.read_text() for path in folder.iterdir())
    environment = dict.fromkeys(re.findall(r"\$([A-Z][A-Z0-9_]+)\b", text), "p4ssword")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "nats-server"), "-t", "-c", str(folder / "nats.conf")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stderr + done.stdout


def test_nats_takes_the_shared_configuration(tmp_path: Path) -> None:
    shutil.copy(K8S / "shared" / "nats" / "nats.conf", tmp_path)
    shutil.copy(K8S / "shared" / "tenants" / "accounts.conf", tmp_path)
    text = (tmp_path / "nats.conf").read_text()
    # The servers' names are known in the cluster alone.
    (tmp_path / "nats.conf").write_text(re.sub(r"routes: \[.*\]", "routes: []", text))
    accepted_by_nats(tmp_path)


def test_nats_takes_the_charts_configuration(compact: Rendered, tmp_path: Path) -> None:
    [configuration] = [each for each in compact.of("ConfigMap") if each["metadata"]["name"] == "t-nats"]
    (tmp_path / "nats.conf").write_text(configuration["data"]["nats.conf"])
    accepted_by_nats(tmp_path)


def test_each_tenant_has_an_account_and_the_servers_its_passwords() -> None:
    shared = kustomize("shared")
    [statefulset] = [each for each in shared if each["kind"] == "StatefulSet"]
    [container] = pod_of(statefulset)["spec"]["containers"]
    variables = {each["name"] for each in container["env"]}
    accounts = tenants.accounts()
    assert set(re.findall(r"\$([A-Z_]+PASSWORD)", accounts)) == variables - {"POD_NAME"}
    for name in tenants.sharing():
        assert f'  "{name}" {{\n    jetstream' in accounts
    for each in tenants.tenants():
        assert (f'  "{each["name"]}" {{' in accounts) == (each["backends"] == "shared")


def test_a_tenants_secrets_are_made_in_both_namespaces_by_who_may_do_no_more() -> None:
    shared = kustomize("shared")
    for name in tenants.sharing():
        roles = {
            each["metadata"]["namespace"]: each["rules"]
            for each in shared
            if each["kind"] == "Role" and each["metadata"]["name"] == f"{name}-secrets"
        }
        assert roles[name] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
        [create, read] = roles["yunsong-shared"]
        assert create["verbs"] == ["create"]
        assert (read["verbs"], read["resourceNames"]) == (["get"], [f"{name}-database", f"{name}-nats"])


def values_for_argo_cd(tenant: Object) -> Object:
    """What the ApplicationSet's template gives, by the same functions: Helm's and Argo CD's are both Go's and sprig's."""
    [application_set] = yaml.safe_load_all((K8S / "argo-cd" / "applicationset.yaml").read_text())
    template = application_set["spec"]["template"]["spec"]["source"]["helm"]["values"]
    return rendered_by_go(template, tenant)


def rendered_by_go(template: str, tenant: Object) -> Object:
    folder = Path(os.environ["YUNSONG_TEST_FOLDER"])
    chart = folder / "go"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: go\nversion: 0.1.0\n")
    (chart / "values.yaml").write_text(yaml.safe_dump({"tenant": tenant, "template": template}))
    (chart / "templates" / "values.yaml").write_text(
        '{{ tpl .Values.template (merge (dict "Template" .Template) .Values.tenant) }}'
    )
    [found] = objects_of(run("template", "t", str(chart)))
    return found


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUNSONG_TEST_FOLDER", str(tmp_path))


@pytest.mark.parametrize("tenant", tenants.tenants(), ids=lambda each: str(each["name"]))
def test_one_file_makes_one_tenant_with_argo_cd(tenant: Object, tmp_path: Path) -> None:
    values = values_for_argo_cd(tenant)
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    rendered = render(tmp_path / "values.yaml")
    [ingress] = rendered.of("Ingress")
    assert ingress["spec"]["rules"][0]["host"] == tenant["host"]
    servers = {component for component, _ in rendered.pods()} & {"postgresql", "nats"}
    assert servers == (set() if tenant["backends"] == "shared" else {"postgresql", "nats"})
    for key, value in tenant["values"].items():
        assert key in values
        if key == "firstAdministrator":
            username = rendered.environment("standalone")["YUNSONG_GATEWAY_FIRST_ADMINISTRATOR"]
            assert username == value["username"]


@pytest.mark.parametrize("name", tenants.sharing())
def test_a_sharing_tenant_finds_its_users_and_its_secrets(name: str, tmp_path: Path) -> None:
    tenant = next(each for each in tenants.tenants() if each["name"] == name)
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values_for_argo_cd(tenant)))
    rendered = render(tmp_path / "values.yaml")
    [job] = [each for each in kustomize("shared") if each["metadata"]["name"] == f"{name}-roles"]
    made = {
        each["name"]: each.get("value", each.get("valueFrom"))
        for each in pod_of(job)["spec"]["containers"][0]["env"]
    }
    migrating = rendered.environment("migrate")
    accounts = tenants.accounts()
    for service in SERVICES:
        variable = service.variable("DATABASE_URL")
        ours, theirs = made[variable], migrating[variable]
        assert theirs.replace("postgres-rw.yunsong-shared:", "postgres-rw:") == ours
        password = service.variable("DATABASE_PASSWORD")
        assert migrating[password]["secretKeyRef"] == made[password]["secretKeyRef"]
        user = rendered.environment("standalone")[service.variable("NATS_URL")].split("//")[1].split(":")[0]
        assert f'{{user: "{user}", password:' in accounts


def test_argo_cds_set_is_what_its_reference_names() -> None:
    [each] = yaml.safe_load_all((K8S / "argo-cd" / "applicationset.yaml").read_text())
    custom_resources.validate(each)
    [generator] = each["spec"]["generators"]
    [files] = generator["git"]["files"]
    assert list(ROOT.glob(files["path"])) == sorted(tenants.FOLDER.glob("*.yaml"))
    assert (ROOT / each["spec"]["template"]["spec"]["source"]["path"] / "Chart.yaml").is_file()


def test_one_file_makes_one_tenant_with_flux(tmp_path: Path) -> None:
    objects = list(yaml.safe_load_all((K8S / "flux" / "resourceset.yaml").read_text()))
    providers = [yaml.safe_load(path.read_text()) for path in (K8S / "flux" / "tenants").glob("*.yaml")]
    for each in (*objects, *providers):
        custom_resources.validate(each)
    [resource_set] = [each for each in objects if each["kind"] == "ResourceSet"]
    [source] = resource_set["spec"]["inputsFrom"]
    for provider in providers:
        assert source["selector"]["matchLabels"].items() <= provider["metadata"]["labels"].items()
        inputs: dict[str, Any] = provider["spec"]["defaultValues"]
        text = resource_set["spec"]["resourcesTemplate"]
        for name, value in inputs.items():
            text = text.replace(f"<< inputs.{name} >>", value)
        assert "<<" not in text
        namespace, release = yaml.safe_load_all(text)
        kubernetes_api.validate(namespace, KUBERNETES[0])
        custom_resources.validate(release)
        (tmp_path / "values.yaml").write_text(yaml.safe_dump(release["spec"]["values"]))
        [ingress] = render(tmp_path / "values.yaml").of("Ingress")
        assert ingress["spec"]["rules"][0]["host"] == inputs["host"]
