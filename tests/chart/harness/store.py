"""The namespace's objects, as an API server keeps them: what can't be changed can't be changed."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator, Mapping
from typing import Any

Object = dict[str, Any]

# What the API refuses to change, by kind: everything in spec but these, or these alone.
_MUTABLE_SPEC = {
    "StatefulSet": {"replicas", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit",
                    "persistentVolumeClaimRetentionPolicy", "ordinals"},
    "PersistentVolumeClaim": {"resources"},
    "Job": {"activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "suspend", "parallelism"},
}  # fmt: skip
_IMMUTABLE_SPEC = {"Deployment": {"selector"}, "Service": {"clusterIP"}}


class Conflict(Exception):
    """The API would refuse this write; the text says which field."""


class Store:
    """Objects by kind and name, of one namespace."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}

    def put(self, found: Object) -> None:
        """Creates or replaces. Raises Conflict."""
        key = (found["kind"], found["metadata"]["name"])
        if known := self._objects.get(key):
            _check_change(known, found)
        self._objects[key] = copy.deepcopy(found)

    def create(self, found: Object) -> None:
        """Raises Conflict when it is there."""
        if self.get(found["kind"], found["metadata"]["name"]) is not None:
            raise Conflict(f"{found['kind']}/{found['metadata']['name']} already exists")
        self.put(found)

    def get(self, kind: str, name: str) -> Object | None:
        return self._objects.get((kind, name))

    def remove(self, kind: str, name: str) -> None:
        self._objects.pop((kind, name), None)

    def of(self, kind: str) -> Iterator[Object]:
        yield from (found for (known, _), found in self._objects.items() if known == kind)

    def text_of(self, kind: str, name: str) -> Mapping[str, str] | None:
        """The content of a Secret or ConfigMap as variables see it."""
        content = self.content_of(kind, name)
        return None if content is None else {key: value.decode("utf-8") for key, value in content.items()}

    def content_of(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """The content of a Secret or ConfigMap as files see it."""
        found = self.get(kind, name)
        if found is None:
            return None
        data: Mapping[str, str] = found.get("data") or {}
        if kind == "Secret":
            content = {key: base64.b64decode(value) for key, value in data.items()}
            return content | {key: value.encode() for key, value in (found.get("stringData") or {}).items()}
        binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
        return {key: value.encode() for key, value in data.items()} | binary


def _check_change(known: Object, found: Object) -> None:
    kind, name = found["kind"], found["metadata"]["name"]
    before, after = known.get("spec") or {}, found.get("spec") or {}
    fixed = _IMMUTABLE_SPEC.get(kind, set())
    if kind in _MUTABLE_SPEC:
        fixed = (set(before) | set(after)) - _MUTABLE_SPEC[kind]
    for field in sorted(fixed):
        if before.get(field) != after.get(field):
            raise Conflict(f"{kind}/{name}: spec.{field} can't be changed after creation")
    if known.get("immutable") and {**known, "metadata": 0} != {**found, "metadata": 0}:
        raise Conflict(f"{kind}/{name} is immutable")
