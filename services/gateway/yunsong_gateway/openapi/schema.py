"""Message types as JSON Schema 2020-12, which is what OpenAPI 3.1 uses.

A type that is sent and received gets two schemas: `Queue` for answers, where every plain field is present, and
`QueueInput` for requests, where only what the contract requires is required and what the server sets is left out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from yunsong.options.v1 import options_pb2
from yunsong_gateway.transcoding import enums
from yunsong_gateway.transcoding.contract import Contract
from yunsong_gateway.transcoding.scalars import FLOAT_TYPES, INT_BOUNDS, is_map, is_repeated, message_type_of

Schema = dict[str, Any]

_NO_RULES = options_pb2.FieldRules()
_ANY: Schema = {}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$",
        "examples": ["1.5s"],
    },
    "google.protobuf.FieldMask": {
        "type": "string",
        "description": "Names of fields in snake_case, separated by commas.",
        "examples": ["name,priority"],
    },
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": _ANY,
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Empty": {"type": "object", "additionalProperties": False},
    "google.protobuf.BoolValue": {"type": ["boolean", "null"]},
    "google.protobuf.StringValue": {"type": ["string", "null"]},
    **{
        f"google.protobuf.{name}Value": {"type": ["integer", "null"]}
        for name in ("Int32", "UInt32", "Int64", "UInt64")
    },
    **{f"google.protobuf.{name}Value": {"type": ["number", "null"]} for name in ("Float", "Double")},
}
_FORMATS: dict[int, Schema] = {
    options_pb2.UUID: {"format": "uuid"},
    options_pb2.EMAIL: {"format": "email"},
    options_pb2.URL: {"format": "uri"},
    options_pb2.TIME_ZONE: {"examples": ["Asia/Shanghai"]},
    options_pb2.LOCALE: {"examples": ["zh-CN"]},
    options_pb2.DATE: {"format": "date"},
    options_pb2.TIME_OF_DAY: {"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"},
    options_pb2.COLOR: {"pattern": "^#[0-9A-Fa-f]{6}$"},
    options_pb2.SLUG: {"pattern": "^[a-z][a-z0-9_.-]*$"},
}


class Schemas:
    """Collects the component schemas that a document refers to."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._owners: dict[str, str] = {}

    def ref(self, descriptor: Descriptor, contract: Contract, *, is_input: bool) -> Schema:
        known = _WELL_KNOWN.get(descriptor.full_name)
        if known is not None:
            return dict(known)
        name = self._name(descriptor) + ("Input" if is_input else "")
        if name not in self.components:
            self.components[name] = {}  # stands for the type while a recursive one is built
            self.components[name] = self.object(descriptor, contract, is_input=is_input)
        return {"$ref": f"#/components/schemas/{name}"}

    def object(
        self,
        descriptor: Descriptor,
        contract: Contract,
        *,
        is_input: bool,
        without: Collection[str] = (),
    ) -> Schema:
        """The schema of a message's JSON object; `without` leaves out fields that travel elsewhere."""
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for field in descriptor.fields:
            rules = contract.rules.get(field.full_name, _NO_RULES)
            if field.name in without or (rules.secret if not is_input else rules.output_only):
                continue
            properties[field.name] = self.field(field, contract, is_input=is_input)
            is_member = field.containing_oneof is not None and len(field.containing_oneof.fields) > 1
            if rules.required if is_input else not is_member:
                required.append(field.name)
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if is_input:
            schema["additionalProperties"] = False
        comment = contract.comments.get(descriptor.full_name)
        if comment:
            schema["description"] = comment
        return schema

    def field(self, field: FieldDescriptor, contract: Contract, *, is_input: bool) -> Schema:
        rules = contract.rules.get(field.full_name, _NO_RULES)
        if is_map(field):
            value = message_type_of(field).fields_by_name["value"]
            schema: Schema = {
                "type": "object",
                "additionalProperties": self._value(value, rules, contract, is_input=is_input),
            }
            if rules.max_items:
                schema["maxProperties"] = rules.max_items
        elif is_repeated(field):
            entry = options_pb2.FieldRules()
            entry.CopyFrom(rules)
            entry.required = bool(rules.format or rules.pattern)  # an entry that is there is not "not set"
            schema = {"type": "array", "items": self._value(field, entry, contract, is_input=is_input)}
            if rules.max_items:
                schema["maxItems"] = rules.max_items
            if rules.min_items or (rules.required and is_input):
                schema["minItems"] = max(rules.min_items, 1)
        else:
            schema = self._value(field, rules, contract, is_input=is_input)
            if field.has_presence and not is_input and not _is_member(field):
                schema = _nullable(schema)
        return self._describe(schema, field, rules, contract)

    def _describe(
        self,
        schema: Schema,
        field: FieldDescriptor,
        rules: options_pb2.FieldRules,
        contract: Contract,
    ) -> Schema:
        comment = contract.comments.get(field.full_name)
        if comment:
            schema = {**schema, "description": comment}
        if rules.output_only:
            schema = {**schema, "readOnly": True}
        if rules.secret:
            schema = {**schema, "writeOnly": True}
        if field.full_name in contract.deprecated:
            schema = {**schema, "deprecated": True}
        if rules.example:
            schema = {**schema, "examples": [_example(rules.example)]}
        return schema

    def _value(
        self,
        field: FieldDescriptor,
        rules: options_pb2.FieldRules,
        contract: Contract,
        *,
        is_input: bool,
    ) -> Schema:
        if field.message_type is not None:
            return self.ref(field.message_type, contract, is_input=is_input)
        if field.enum_type is not None:
            return self._enum(field.enum_type, contract)
        if field.type == FieldDescriptor.TYPE_STRING:
            return _text(rules, is_input=is_input)
        if field.type == FieldDescriptor.TYPE_BOOL:
            return {"type": "boolean"}
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        return _number(field, rules)

    def _enum(self, enum: EnumDescriptor, contract: Contract) -> Schema:
        name = self._name(enum)
        if name not in self.components:
            names = enums.json_names(enum)
            lines = [contract.comments.get(enum.full_name, "")]
            for value in enum.values:
                comment = contract.comments.get(f"{enum.full_name}.{value.name}")
                if comment:
                    lines.append(f"- `{names[value.number]}`: {comment}")
            self.components[name] = {
                "type": "string",
                "enum": list(dict.fromkeys(names.values())),
                "description": "\n".join(filter(None, lines)),
            }
        return {"$ref": f"#/components/schemas/{name}"}

    def _name(self, descriptor: Descriptor | EnumDescriptor) -> str:
        """The short name, or one with the package's where another type holds that already."""
        short = descriptor.name
        holder = descriptor.containing_type
        while holder is not None:
            short = holder.name + short
            holder = holder.containing_type
        if self._owners.setdefault(short, descriptor.full_name) == descriptor.full_name:
            return short
        package = descriptor.file.package.split(".")
        return "".join(part.capitalize() for part in package if part not in ("yunsong", "v1")) + short


def _is_member(field: FieldDescriptor) -> bool:
    return field.containing_oneof is not None and len(field.containing_oneof.fields) > 1


def _nullable(schema: Schema) -> Schema:
    kind = schema.get("type")
    if isinstance(kind, str):
        return {**schema, "type": [kind, "null"]}
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _text(rules: options_pb2.FieldRules, *, is_input: bool) -> Schema:
    schema: Schema = {"type": "string"}
    if not is_input:
        return schema
    if rules.min_length or rules.required:
        schema["minLength"] = max(rules.min_length, 1 if rules.required else 0)
    if rules.max_length:
        schema["maxLength"] = rules.max_length
    form = _FORMATS.get(rules.format, {})
    if rules.required or "examples" in form:
        schema.update(form)
    elif form:  # the empty text means "not set" and is allowed
        schema = {"anyOf": [{**schema, **form}, {"const": ""}]}
    if rules.pattern:
        pattern = f"^(?:{rules.pattern})$"
        schema["pattern"] = pattern if rules.required else f"{pattern}|^$"
    return schema


def _number(field: FieldDescriptor, rules: options_pb2.FieldRules) -> Schema:
    is_float = field.type in FLOAT_TYPES
    schema: Schema = {"type": "number" if is_float else "integer"}
    if not is_float:
        low, high = INT_BOUNDS[field.type]
        schema["minimum"], schema["maximum"] = low, high
    if rules.HasField("min"):
        schema["minimum"] = rules.min if is_float else int(rules.min)
    if rules.HasField("max"):
        schema["maximum"] = rules.max if is_float else int(rules.max)
    return schema


def _example(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
