"""A business' share of a shared PostgreSQL and NATS, out of its file in deploy/k8s/tenants: account, roles, secrets."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.chart.chart import ROOT, Object
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.permissions import publishable_subjects

FOLDER = ROOT / "deploy" / "k8s" / "tenants"
NAMESPACE = "yunsong-shared"
_HEAD = "# Made out of the files in deploy/k8s/tenants by `python -m tests.chart.generated`; change those instead.\n"
_STREAMS = {"max_mem": "64MB", "max_file": "4GB"}


def tenants() -> list[Object]:
    """Every business' file, by name."""
    return [yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yaml"))]


def sharing() -> list[str]:
    return [each["name"] for each in tenants() if each["backends"] == "shared"]


def accounts() -> str:
    """NATS' accounts, one for each business; its users are those of the chart's own server."""
    lines = [_HEAD, "accounts {\n"]
    for name in sharing():
        limits = ", ".join(f"{key}: {value}" for key, value in _STREAMS.items())
        lines.append(f'  "{name}" {{\n    jetstream: {{{limits}}}\n    users: [\n')
        lines.append(f'      {{user: "{name}", password: ${_variable(name)}}}\n')
        for service in SERVICES:
            subjects = json.dumps(list(publishable_subjects(service)))
            lines.append(
                f'      {{user: "{name}_{service.identifier}", password: ${_variable(name, service.identifier)}, permissions: {{\n'
                f'        subscribe: {{allow: [">"]}}\n        publish: {{allow: {subjects}}}\n      }}}}\n'
            )
        lines.append("    ]\n  }\n")
    return "".join([*lines, "}\n"])


def nats_passwords() -> str:
    """The variables that accounts.conf names, for the servers' pods."""
    variables = []
    for name in sharing():
        variables.append(_from_secret(_variable(name), f"{name}-nats", "password"))
        variables += [
            _from_secret(_variable(name, service.identifier), f"{name}-nats", f"{service.name}-password")
            for service in SERVICES
        ]
    patch = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "nats", "namespace": NAMESPACE},
        "spec": {"template": {"spec": {"containers": [{"name": "nats", "env": variables}]}}},
    }
    return _HEAD + yaml.safe_dump(patch, sort_keys=False)


def objects() -> str:
    """What makes each business' secrets, in both namespaces, and its database and roles."""
    found = [each for name in sharing() for each in _objects(name)]
    return _HEAD + "---\n".join(yaml.safe_dump(each, sort_keys=False, width=1000) for each in found)


def _objects(name: str) -> list[Object]:
    account = f"{name}-secrets"
    names = [f"{name}-database", f"{name}-nats"]
    keys = {"password": "{random}", **{f"{service.name}-password": "{random}" for service in SERVICES}}
    plan = [{"name": each, "copy_to": name, "values": keys} for each in names]
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted", "yunsong/tenant": "true"},
        },
    }
    create = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
    read = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]}
    return [
        namespace,
        {**_object("v1", "ServiceAccount", account), "automountServiceAccountToken": False},
        *_allowed(account, NAMESPACE, [create, read]),
        *_allowed(account, name, [create]),
        _job(
            f"{name}-secrets", ["secrets"], [{"name": "YUNSONG_SECRETS", "value": json.dumps(plan)}], account
        ),
        _job(f"{name}-roles", ["migrate", "--roles-only", "--wait=600"], _role_variables(name), ""),
    ]


def _allowed(account: str, namespace: str, rules: list[Object]) -> list[Object]:
    group = "rbac.authorization.k8s.io"
    return [
        {**_object(f"{group}/v1", "Role", account, namespace), "rules": rules},
        {
            **_object(f"{group}/v1", "RoleBinding", account, namespace),
            "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
        },
    ]


def _role_variables(name: str) -> list[Object]:
    """The superuser's URL and the business' own, put together of passwords."""
    role = name.replace("-", "_")
    found = [
        _from_secret("ADMIN_PASSWORD", "postgres-superuser", "password"),
        {
            "name": "YUNSONG_DATABASE_ADMIN_URL",
            "value": "postgresql://postgres:$(ADMIN_PASSWORD)@postgres-rw:5432/postgres",
        },
    ]
    own = [("", role, "password")] + [
        (f"{service.identifier.upper()}_", f"{role}_{service.identifier}", f"{service.name}-password")
        for service in SERVICES
    ]
    for prefix, user, key in own:
        password = f"YUNSONG_{prefix}DATABASE_PASSWORD"
        found.append(_from_secret(password, f"{name}-database", key))
        found.append(
            {
                "name": f"YUNSONG_{prefix}DATABASE_URL",
                "value": f"postgresql://{user}:$({password})@postgres-rw:5432/{role}",
            }
        )
    return found


def _job(name: str, arguments: list[str], env: list[Object], account: str) -> Object:
    identity: Object = {"serviceAccountName": account} if account else {}
    container = {
        "name": "yunsong",
        "image": "yunsong-standalone",
        "command": ["yunsong"],
        "args": arguments,
        "env": [{"name": "YUNSONG_HOME", "value": "/tmp/yunsong"}, *env],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        **identity,
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": bool(account),
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    spec = {"backoffLimit": 10, "ttlSecondsAfterFinished": 600, "template": {"spec": pod}}
    return {**_object("batch/v1", "Job", name), "spec": spec}


def _object(version: str, kind: str, name: str, namespace: str = NAMESPACE) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _from_secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _variable(name: str, service: str = "") -> str:
    return "_".join(part for part in (name, service, "PASSWORD") if part).replace("-", "_").upper()
