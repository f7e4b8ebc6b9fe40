"""A container's environment as the kubelet makes it, out of secrets, config maps and the pod itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# A kind, a name, and whether its absence is an error; the keys' values, or None.
Find = Callable[[str, str], Mapping[str, str] | None]

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class Missing(Exception):
    """A secret, a config map or a key that is not optional is not there: the kubelet waits for it."""


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replaces `$(NAME)`; what is not known stays as it stands, `$$` is one `$`."""

    def replaced(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "$"
        return known.get(name, found[0])

    return _REFERENCE.sub(replaced, text)


def environment(
    container: Mapping[str, Any], image: Mapping[str, str], pod: Mapping[str, str], find: Find
) -> dict[str, str]:
    """The variables of a container: the image's, then envFrom in order, then env in order, which may refer to earlier ones.

    `pod` gives what `fieldRef` can name. Raises Missing.
    """
    own: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for kind, reference in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if reference in source:
                values = _find(find, kind, source[reference])
                own |= {source.get("prefix", "") + name: value for name, value in values.items()}
    for variable in container.get("env") or []:
        value = _value(variable, own, pod, find)
        if value is not None:
            own[variable["name"]] = value
    return {**image, **own}


def command(container: Mapping[str, Any], entrypoint: Sequence[str], arguments: Sequence[str],
            known: Mapping[str, str]) -> list[str]:  # fmt: skip
    """`command` replaces the image's entrypoint and its arguments, `args` its arguments alone."""
    first = container.get("command")
    rest = container.get("args")
    if first is None:
        first = entrypoint
        rest = arguments if rest is None else rest
    return [expand(str(each), known) for each in (*first, *(rest or ()))]


def _find(find: Find, kind: str, reference: Mapping[str, Any]) -> Mapping[str, str]:
    values = find(kind, reference["name"])
    if values is None:
        if not reference.get("optional"):
            raise Missing(f"{kind}/{reference['name']} is not there")
        return {}
    return values


def _value(
    variable: Mapping[str, Any], known: Mapping[str, str], pod: Mapping[str, str], find: Find
) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return expand(str(variable.get("value") or ""), known)
    if "fieldRef" in source:
        path = source["fieldRef"]["fieldPath"]
        if path not in pod:
            raise Missing(f"the harness can't say a pod's {path}")
        return pod[path]
    kind, reference = (
        ("Secret", source["secretKeyRef"]) if "secretKeyRef" in source else ("ConfigMap", source["configMapKeyRef"])
    )  # fmt: skip
    value = _find(find, kind, reference).get(reference["key"])
    if value is None and not reference.get("optional"):
        raise Missing(f"{kind}/{reference['name']} has no key {reference['key']}")
    return value
