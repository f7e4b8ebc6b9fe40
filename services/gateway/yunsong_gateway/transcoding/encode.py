"""Protobuf to JSON values: one compiled encoder per message type.

Every plain scalar is always present, so an answer's shape is stable; an unset message or optional scalar is null, and
the members of a oneof appear only when set. Fields marked `secret` are never written.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong_gateway.transcoding import enums
from yunsong_gateway.transcoding.contract import Contract
from yunsong_gateway.transcoding.scalars import is_map, is_repeated, message_type_of

ToJson = Callable[[Any], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Encoders:
    """The encoders of one contract, compiled when first used."""

    def __init__(self, contract: Contract, *, show_secrets: bool = False) -> None:
        self._contract = contract
        self._show_secrets = show_secrets
        self._compiled: dict[str, ToJson] = {}

    def encode(self, message: Message) -> Any:
        descriptor: Any = message.DESCRIPTOR
        return self.for_type(descriptor)(message)

    def for_type(self, descriptor: Descriptor) -> ToJson:
        name = descriptor.full_name
        found = self._compiled.get(name)
        if found is None:
            found = _WELL_KNOWN.get(name) or self._compile(descriptor)
            self._compiled[name] = found
        return found

    def _compile(self, descriptor: Descriptor) -> ToJson:
        writer = _Writer()
        self._compiled[descriptor.full_name] = writer.write  # a recursive type finds itself here
        plain: list[str] = []
        for field in descriptor.fields:
            rules = self._contract.rules.get(field.full_name)
            if rules is not None and rules.secret and not self._show_secrets:
                continue
            to_json = self._for_field(field)
            if field.containing_oneof is not None and not _is_synthetic(field):
                writer.members.append((field.name, to_json))
            elif field.has_presence:
                writer.optional.append((field.name, to_json))
            elif to_json is _same:
                plain.append(field.name)
            else:
                writer.always.append((field.name, to_json))
        writer.read_plain(plain)
        return writer.write

    def _for_field(self, field: FieldDescriptor) -> ToJson:
        if is_map(field):
            value_of = self._for_value(message_type_of(field).fields_by_name["value"])
            return lambda entries: {str(key): value_of(entries[key]) for key in sorted(entries)}
        to_json = self._for_value(field)
        if is_repeated(field):
            if to_json is _same:
                return list
            return lambda values: [to_json(value) for value in values]
        return to_json

    def _for_value(self, field: FieldDescriptor) -> ToJson:
        if field.message_type is not None:
            return self.for_type(field.message_type)
        if field.enum_type is not None:
            names = enums.json_names(field.enum_type)
            return lambda number: names.get(number, number)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return lambda value: base64.b64encode(value).decode()
        return _same


class _Writer:
    """Writes messages of one type. Plain fields, most of them, are fetched in one call."""

    __slots__ = ("_get", "_names", "always", "members", "optional")

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._get: Callable[[Any], tuple[Any, ...]] | None = None
        self.always: list[tuple[str, ToJson]] = []
        self.optional: list[tuple[str, ToJson]] = []
        self.members: list[tuple[str, ToJson]] = []

    def read_plain(self, names: list[str]) -> None:
        if len(names) > 1:  # attrgetter of a single name gives no tuple
            self._names, self._get = tuple(names), attrgetter(*names)
        else:
            self.always += [(name, _same) for name in names]

    def write(self, message: Any) -> dict[str, Any]:
        get = self._get
        out = dict(zip(self._names, get(message), strict=True)) if get is not None else {}
        for name, to_json in self.always:
            out[name] = to_json(getattr(message, name))
        has = message.HasField
        for name, to_json in self.optional:
            out[name] = to_json(getattr(message, name)) if has(name) else None
        for name, to_json in self.members:
            if has(name):
                out[name] = to_json(getattr(message, name))
        return out


def _same(value: Any) -> Any:
    return value


def _is_synthetic(field: FieldDescriptor) -> bool:
    """A proto3 `optional` scalar stands in a oneof of its own, named after it."""
    oneof = field.containing_oneof
    return bool(oneof is not None and len(oneof.fields) == 1 and oneof.name == f"_{field.name}")


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def timestamp(value: Any) -> str:
    """RFC 3339 in UTC, with no, three, six or nine digits of a second."""
    return f"{_second(value.seconds)}{_fraction(value.nanos)}Z"


def duration(value: Any) -> str:
    sign = "-" if value.seconds < 0 or value.nanos < 0 else ""
    return f"{sign}{abs(value.seconds)}{_fraction(abs(value.nanos))}s"


def _fraction(nanos: int) -> str:
    if nanos == 0:
        return ""
    digits = f"{nanos:09d}"
    if digits.endswith("000000"):
        return f".{digits[:3]}"
    return f".{digits[:6]}" if digits.endswith("000") else f".{digits}"


def struct(value: Any) -> dict[str, Any]:
    return {key: json_value(value.fields[key]) for key in value.fields}


def json_value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    inner = getattr(value, kind)
    if kind == "struct_value":
        return struct(inner)
    if kind == "list_value":
        return json_list(inner)
    if kind == "number_value" and inner == int(inner) and abs(inner) < 2**53:
        return int(inner)
    return inner


def json_list(value: Any) -> list[Any]:
    return [json_value(entry) for entry in value.values]


def _wrapped(value: Any) -> Any:
    return value.value


_WELL_KNOWN: dict[str, ToJson] = {
    "google.protobuf.Timestamp": timestamp,
    "google.protobuf.Duration": duration,
    "google.protobuf.FieldMask": lambda mask: ",".join(mask.paths),
    "google.protobuf.Struct": struct,
    "google.protobuf.Value": json_value,
    "google.protobuf.ListValue": json_list,
    "google.protobuf.Empty": lambda _: {},
    "google.protobuf.BoolValue": _wrapped,
    "google.protobuf.StringValue": _wrapped,
    "google.protobuf.Int32Value": _wrapped,
    "google.protobuf.UInt32Value": _wrapped,
    "google.protobuf.DoubleValue": _wrapped,
    "google.protobuf.FloatValue": _wrapped,
    "google.protobuf.Int64Value": _wrapped,
    "google.protobuf.UInt64Value": _wrapped,
    "google.protobuf.BytesValue": lambda value: base64.b64encode(value.value).decode(),
}
