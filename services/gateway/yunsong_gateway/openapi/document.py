"""The OpenAPI 3.1 document of everything the door offers at the moment."""

from __future__ import annotations

import re
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from yunsong_common.errors import Kind
from yunsong_common.http import STATUS
from yunsong_gateway.openapi.direct import direct_paths
from yunsong_gateway.openapi.problem import PROBLEM
from yunsong_gateway.openapi.schema import Schema, Schemas
from yunsong_gateway.problems import MEDIA_TYPE
from yunsong_gateway.transcoding import wellknown
from yunsong_gateway.transcoding.binding import Binding
from yunsong_gateway.transcoding.catalogue import Routes
from yunsong_gateway.transcoding.scalars import is_map, message_type_of

_ERRORS = re.compile(r"\s*Errors?:\s*(.+)", re.DOTALL)
_ERROR_CODE = re.compile(r"\b([A-Z]+(?:_[A-Z]+)*)\s*/\s*([A-Z][A-Z0-9_]*(?:\s*,\s*[A-Z][A-Z0-9_]*(?!\s*/))*)")

_SECURITY_SCHEMES: Schema = {
    "staff": {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token of a member of staff, from POST /api/v1/sessions.",
    },
    "api_key": {"type": "http", "scheme": "bearer", "description": "An API key of an integration."},
    "contact": {"type": "http", "scheme": "bearer", "description": "The short token of a contact's session."},
}


class OpenApi:
    """Serves the document as bytes and builds it again only when the routes changed."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._built: tuple[int, bytes] | None = None

    def document(self, routes: Routes) -> bytes:
        if self._built is None or self._built[0] != routes.version:
            self._built = (routes.version, orjson.dumps(build(routes, self._version)))
        return self._built[1]


def build(routes: Routes, version: str) -> dict[str, Any]:
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    taken: set[str] = set()
    for binding in sorted(routes.bindings, key=lambda one: (one.template.text, one.http_method)):
        service = binding.method.containing_service
        tags[service.name] = binding.learned.contract.comments.get(service.full_name, "")
        path = re.sub(r"\{([^}=]+)=[^}]*\}", r"{\1}", binding.template.text)
        operation = _operation(binding, schemas, taken)
        paths.setdefault(path, {})[binding.http_method.lower()] = operation
    for path, operations in direct_paths().items():
        paths.setdefault(path, {}).update(operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Yunsong",
            "version": version,
            "description": "Customer service: conversations, routing, bot, quality. Names and enum values are "
            "snake_case, times RFC 3339 in UTC, 64-bit integers plain numbers up to 2^53 - 1. A field that is "
            "unknown is an error. A PATCH without `update_mask` changes the fields that its body holds.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in sorted(tags.items())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**dict(sorted(schemas.components.items())), "Problem": PROBLEM},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _operation(binding: Binding, schemas: Schemas, taken: set[str]) -> dict[str, Any]:
    contract = binding.learned.contract
    comment = contract.comments.get(binding.method.full_name, "")
    text, errors = _split_errors(comment)
    access = binding.access
    operation: dict[str, Any] = {
        "operationId": _operation_id(binding, taken),
        "tags": [binding.method.containing_service.name],
        "summary": text.split(". ")[0].rstrip("."),
        "description": text,
        "parameters": [*_path_parameters(binding, schemas), *_query_parameters(binding, schemas)],
        "responses": {**_success(binding, schemas), **_failures(errors)},
        "security": _security(binding),
    }
    body = _request_body(binding, schemas)
    if body:
        operation["requestBody"] = body
    if access.permission:
        operation["x-permission"] = access.permission
    if access.audited:
        operation["x-audited"] = True
    if access.idempotency_key:
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    if binding.method.full_name in contract.deprecated:
        operation["deprecated"] = True
    return operation


_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key gives the first call's answer again.",
    "schema": {"type": "string", "maxLength": 128},
}


def _operation_id(binding: Binding, taken: set[str]) -> str:
    name = binding.method.name
    for candidate in (name, f"{binding.method.containing_service.name}{name}"):
        if candidate not in taken:
            taken.add(candidate)
            return candidate
    number = 2
    while f"{name}{number}" in taken:
        number += 1
    taken.add(f"{name}{number}")
    return f"{name}{number}"


def _split_errors(comment: str) -> tuple[str, list[tuple[str, str]]]:
    """Takes "Errors: NOT_FOUND / QUEUE_UNKNOWN, …" off a comment: (text, [(kind, code)])."""
    match = _ERRORS.search(comment)
    if match is None:
        return comment, []
    found: list[tuple[str, str]] = []
    for kind, codes in _ERROR_CODE.findall(match[1]):
        found.extend((kind, code.strip()) for code in codes.split(","))
    return comment[: match.start()].strip(), found


def _failures(errors: list[tuple[str, str]]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for kind, code in errors:
        if kind in Kind.__members__:
            by_status.setdefault(str(STATUS[Kind[kind]]), []).append(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    failures = {
        status: {
            "description": ", ".join(f"`{code}`" for code in codes),
            "content": content,
            "x-codes": codes,
        }
        for status, codes in sorted(by_status.items())
    }
    failures["default"] = {"description": "Any other error.", "content": content}
    return failures


def _success(binding: Binding, schemas: Schemas) -> dict[str, Any]:
    if binding.to_json is None:
        return {"200": {"description": "The content.", "content": {"*/*": {"schema": {}}}}}
    contract, output = binding.learned.contract, binding.method.output_type
    if output.full_name == "google.protobuf.Empty":
        return {"204": {"description": "Done."}}
    if binding.response_body:
        schema = schemas.field(output.fields_by_name[binding.response_body], contract, is_input=False)
    else:
        schema = schemas.ref(output, contract, is_input=False)
    return {"200": {"description": "Success.", "content": {"application/json": {"schema": schema}}}}


def _security(binding: Binding) -> list[dict[str, list[str]]]:
    access = binding.access
    allowed: list[dict[str, list[str]]] = []
    if access.anonymous:
        allowed.append({})
    if access.permission or access.staff:
        allowed.append({"staff": []})
    if access.permission:
        allowed.append({"api_key": []})
    if access.contact:
        allowed.append({"contact": []})
    return allowed


def _path_parameters(binding: Binding, schemas: Schemas) -> list[Schema]:
    parameters = []
    for name, _, _ in binding.template.variables:
        field = _leaf(binding.method.input_type, name)
        schema = schemas.field(field, binding.learned.contract, is_input=True)
        description = schema.pop("description", "")
        schema.pop("readOnly", None)
        parameters.append(
            {"name": name, "in": "path", "required": True, "description": description, "schema": schema}
        )
    return parameters


def _leaf(message: Descriptor, path: str) -> FieldDescriptor:
    first, _, rest = path.partition(".")
    field = message.fields_by_name[first]
    return _leaf(message_type_of(field), rest) if rest else field


def _query_parameters(binding: Binding, schemas: Schemas) -> list[Schema]:
    if binding.body == "*":
        return []
    bound = {name for name, _, _ in binding.template.variables}
    return list(_parameters_of(binding, schemas, binding.method.input_type, "", bound | {binding.body}, 0))


def _parameters_of(
    binding: Binding, schemas: Schemas, message: Descriptor, prefix: str, without: set[str], depth: int
) -> list[Schema]:
    contract = binding.learned.contract
    found: list[Schema] = []
    for field in message.fields:
        name = prefix + field.name
        rules = contract.rules.get(field.full_name)
        if name in without or is_map(field) or (rules is not None and rules.output_only):
            continue
        inner = field.message_type
        if inner is not None and inner.full_name not in wellknown.READERS:
            if depth < 3 and not field.is_repeated:
                found += _parameters_of(binding, schemas, inner, f"{name}.", without, depth + 1)
            continue
        schema = schemas.field(field, contract, is_input=True)
        parameter: Schema = {"name": name, "in": "query", "description": schema.pop("description", "")}
        if rules is not None and rules.required and not prefix:
            parameter["required"] = True
        parameter["schema"] = schema
        found.append(parameter)
    return found


def _request_body(binding: Binding, schemas: Schemas) -> Schema | None:
    if not binding.body:
        return None
    contract, message = binding.learned.contract, binding.method.input_type
    if binding.is_raw_request:
        return {"content": {"*/*": {"schema": {}}}}
    if binding.body == "*":
        bound = {name for name, _, _ in binding.template.variables}
        schema = schemas.object(message, contract, is_input=True, without=bound)
        schema.pop("description", None)
        required = bool(schema.get("required"))
        if binding.http_method == "PATCH" and "update_mask" in schema.get("required", ()):
            schema["required"] = [name for name in schema["required"] if name != "update_mask"]
            if not schema["required"]:
                del schema["required"]
    else:
        field = message.fields_by_name[binding.body]
        schema = schemas.field(field, contract, is_input=True)
        rules = contract.rules.get(field.full_name)
        required = bool(rules and rules.required)
    return {"required": required, "content": {"application/json": {"schema": schema}}}
