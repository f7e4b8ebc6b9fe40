"""The schemas of Kubernetes' own API, strict: a field that it does not know is an error.

They are those of the package kubernetes-validate, whose own function reads megabytes of them anew for every object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
from referencing import Registry, Resource


def validate(each: Mapping[str, Any], version: str) -> None:
    """Raises jsonschema.ValidationError, or FileNotFoundError for a kind that this version has not."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", each["apiVersion"])
    _validator(version, f"{each['kind'].lower()}-{group}.json").validate(each)


@cache
def _validator(version: str, file: str) -> jsonschema.Draft202012Validator:
    schema = _read(version, file)
    return jsonschema.Draft202012Validator(
        schema, registry=Resource.from_contents(schema) @ _definitions(version)
    )


@cache
def _definitions(version: str) -> Registry[Any]:
    registry: Registry[Any] = Resource.from_contents(_read(version, "_definitions.json")) @ Registry()
    return registry.crawl()


def _read(version: str, file: str) -> Any:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    return json.loads((folder / file).read_text("utf-8"))
