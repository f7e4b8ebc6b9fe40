"""`yunsong secrets`: makes a copy's secrets in its Kubernetes namespace, once.

A secret that is there already stays as it is, whatever it holds, so this may run before every release. The token of the pod needs one
right alone, to create secrets: it can neither read nor change any.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import ssl
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

VARIABLE = "YUNSONG_SECRETS"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_RANDOM = "random"
_LENGTH = 48
_REFERENCE = re.compile(r"\{([a-z0-9][a-z0-9-]*)\}")
_TIMEOUT_S = 15.0


class SecretsFailed(Exception):
    """The secrets could not be made; the text says which and why."""


def make_secrets(plan: str, account: Path = _ACCOUNT) -> list[str]:
    """Create what the plan names and is not there yet; says of each what became of it. Raises SecretsFailed.

    The plan is a JSON list of `{"name": …, "labels": {…}, "values": {key: template}}`. In a template `{random}` stands for 48 random
    letters and digits, and `{key}` for another value of the same secret. With `"copy_to": namespace` another namespace gets the same
    secret; for that the token must also be able to read the first one.
    """
    try:
        wanted = [
            (
                _secret(each["name"], each.get("labels", {}), fill(each["values"])),
                str(each.get("copy_to", "")),
            )
            for each in json.loads(plan)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SecretsFailed(f"{VARIABLE} holds no plan that can be read: {error!r}") from error
    try:
        namespace = (account / "namespace").read_text("utf-8").strip()
        token = (account / "token").read_text("utf-8").strip()
    except OSError as error:
        raise SecretsFailed(f"there is no service account in {account}: {error.strerror}") from error
    with httpx.Client(
        base_url=_api(),
        headers={"Authorization": f"Bearer {token}"},
        verify=_trust(account),
        timeout=_TIMEOUT_S,
        trust_env=False,
    ) as api:
        said = []
        for secret, copy_to in wanted:
            said.append(_create(api, namespace, secret))
            if copy_to:
                said.append(_copy(api, namespace, secret, copy_to))
        return said


def fill(templates: Mapping[str, str]) -> dict[str, str]:
    """The values of one secret. Raises KeyError for a reference to no value, ValueError for one to itself."""
    values: dict[str, str] = {}

    def value_of(key: str, asking: tuple[str, ...]) -> str:
        if key in asking:
            raise ValueError(f"{' -> '.join((*asking, key))} goes round")
        if key not in values:
            values[key] = _REFERENCE.sub(
                lambda found: random_text() if found[1] == _RANDOM else value_of(found[1], (*asking, key)),
                templates[key],
            )
        return values[key]

    return {key: value_of(key, ()) for key in templates}


def random_text() -> str:
    """48 letters and digits, a letter first: what looks like a number is read as one in some servers' configuration."""
    letters = string.ascii_letters
    return secrets.choice(letters) + "".join(
        secrets.choice(letters + string.digits) for _ in range(_LENGTH - 1)
    )


def secrets_command() -> int:
    """Make what the plan in `YUNSONG_SECRETS` names; prints what became of each, and no value."""
    try:
        for line in make_secrets(os.environ.get(VARIABLE, "")):
            print(line)
    except SecretsFailed as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


def _secret(name: str, labels: Mapping[str, str], values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": dict(labels)},
        "type": "Opaque",
        "stringData": dict(values),
    }


def _create(api: httpx.Client, namespace: str, secret: Mapping[str, Any]) -> str:
    name = secret["metadata"]["name"]
    try:
        answer = api.post(f"/api/v1/namespaces/{namespace}/secrets", json=secret)
    except httpx.HTTPError as error:
        raise SecretsFailed(f"the Kubernetes API does not answer at {api.base_url}: {error}") from error
    if answer.status_code == httpx.codes.CONFLICT:
        return f"{name}: is there already, stays as it is"
    if not answer.is_success:
        raise SecretsFailed(f"{name} was not made: {answer.status_code} {_message(answer)}")
    return f"{name}: made"


def _copy(api: httpx.Client, namespace: str, secret: Mapping[str, Any], to: str) -> str:
    """What is there counts, not what was just made up: it may have been there before."""
    name = secret["metadata"]["name"]
    try:
        answer = api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    except httpx.HTTPError as error:
        raise SecretsFailed(f"the Kubernetes API does not answer at {api.base_url}: {error}") from error
    if not answer.is_success:
        raise SecretsFailed(f"{name} cannot be read: {answer.status_code} {_message(answer)}")
    same = {key: value for key, value in secret.items() if key != "stringData"} | {
        "data": answer.json()["data"]
    }
    return f"{to}/{_create(api, to, same)}"


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _api() -> str:
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    if not host:
        raise SecretsFailed("KUBERNETES_SERVICE_HOST is not set: this command runs in a cluster's pod")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def _trust(account: Path) -> ssl.SSLContext:
    authority = account / "ca.crt"
    return ssl.create_default_context(cafile=str(authority) if authority.is_file() else None)
