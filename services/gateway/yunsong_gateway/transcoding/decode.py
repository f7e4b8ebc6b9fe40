# ruff: noqa: ARG001 - readers of one field share one signature
"""JSON values to protobuf: one compiled decoder per message type, which reports every violation at once.

The input is what `orjson` gives, with the path's and the query's values put in as `Text` (see `binding.py`), so one
pass checks all of a request. Differences from proto3 JSON: names are snake_case only, enum values are lower case
without the type's prefix, an unknown field is an error, and a 64-bit integer may be a number or text.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2
from yunsong_common.errors import Violation
from yunsong_gateway.transcoding import checks, enums, wellknown
from yunsong_gateway.transcoding.contract import Contract
from yunsong_gateway.transcoding.scalars import (
    FLOAT_TYPES,
    INT_BOUNDS,
    SAFE_INTEGER,
    is_map,
    is_repeated,
    message_type_of,
)
from yunsong_gateway.transcoding.wellknown import Invalid, Text

MAX_DEPTH = 32
MAX_VIOLATIONS = 100
_FLOAT_MAX = 3.4028234663852886e38
_NO_RULES = options_pb2.FieldRules()

Convert = Callable[[Any], Any]  # a JSON value to a Python value; raises Invalid


class PathText(Text):
    """A value out of the path: it may set an `output_only` field such as an id."""


class Report:
    """The violations found so far; it stops listing after `MAX_VIOLATIONS`."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add(self, path: str, reason: str, description: str) -> None:
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(Violation(field=path, description=description, reason=reason))


@dataclass(slots=True)
class _Field:
    name: str
    required: bool
    output_only: bool
    oneof: str | None
    implicit: bool  # a plain scalar: its default value counts as not set
    read: Callable[[Message, Any, str, Report, int], None]


class Decoders:
    """The decoders of one contract, compiled when first used."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._compiled: dict[str, _MessageDecoder] = {}

    def decode(
        self, message: Message, value: Any, *, partial: tuple[str, frozenset[str]] | None = None
    ) -> list[Violation]:
        """Fills `message` from a JSON object; returns what is wrong with it.

        `partial` names a field and those of its members that an update mask lists: of that field only these
        are required.
        """
        report = Report()
        descriptor: Any = message.DESCRIPTOR
        self.for_type(descriptor).read(message, value, "", report, 0, partial)
        return report.violations

    def for_type(self, descriptor: Descriptor) -> _MessageDecoder:
        found = self._compiled.get(descriptor.full_name)
        if found is None:
            found = self._compiled[descriptor.full_name] = _MessageDecoder(self, descriptor)
        return found

    def rules_of(self, field: FieldDescriptor) -> options_pb2.FieldRules:
        return self._contract.rules.get(field.full_name, _NO_RULES)


class _MessageDecoder:
    def __init__(self, decoders: Decoders, descriptor: Descriptor) -> None:
        self._decoders = decoders
        self._descriptor = descriptor
        self._fields: dict[str, _Field] | None = None  # compiled late: types may be recursive

    def fields(self) -> dict[str, _Field]:
        if self._fields is None:
            self._fields = {
                field.name: _compile_field(self._decoders, field) for field in self._descriptor.fields
            }
        return self._fields

    def read(
        self,
        message: Message,
        value: Any,
        path: str,
        report: Report,
        depth: int,
        partial: tuple[str, frozenset[str]] | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        if type(value) is not dict:
            report.add(path, "TYPE", f"must be an object, not {wellknown.kind_of(value)}")
            return
        if depth > MAX_DEPTH:
            report.add(path, "TOO_DEEP", f"is nested deeper than {MAX_DEPTH} levels")
            return
        fields = self.fields()
        prefix = f"{path}." if path else ""
        chosen: dict[str, str] = {}
        given: set[str] = set()
        for key, entry in value.items():
            field = fields.get(key)
            if field is None:
                report.add(prefix + key[:100], "UNKNOWN_FIELD", "is not a field of this request")
                continue
            if entry is None or (field.output_only and type(entry) is not PathText):
                continue
            if field.oneof is not None:
                other = chosen.setdefault(field.oneof, key)
                if other != key:
                    report.add(prefix + key, "ONEOF", f"excludes {prefix}{other}; give only one of them")
                    continue
            if not field.implicit or entry or entry is False:
                given.add(key)
            if partial is not None and partial[0] == key:
                self._read_partial(message, entry, prefix + key, report, depth, partial[1])
            else:
                field.read(message, entry, prefix + key, report, depth)
        for name, field in fields.items():
            if field.required and name not in given and (only is None or name in only):
                report.add(prefix + name, "REQUIRED", "is required")

    def _read_partial(
        self, message: Message, entry: Any, path: str, report: Report, depth: int, only: frozenset[str]
    ) -> None:
        name = path.rpartition(".")[2]
        member = self._descriptor.fields_by_name[name]
        target = getattr(message, name)
        target.SetInParent()
        decoder = self._decoders.for_type(message_type_of(member))
        decoder.read(target, entry, path, report, depth + 1, None, only)


def _compile_field(decoders: Decoders, field: FieldDescriptor) -> _Field:
    rules = decoders.rules_of(field)
    oneof = field.containing_oneof
    if is_map(field):
        read = _map_reader(decoders, field, rules)
    elif is_repeated(field):
        read = _list_reader(decoders, field, rules)
    elif field.message_type is not None and field.message_type.full_name not in wellknown.READERS:
        read = _message_reader(decoders, field)
    elif field.message_type is not None:
        read = _well_known_reader(field)
    else:
        read = _scalar_reader(field, rules)
    return _Field(
        name=field.name,
        required=rules.required,
        output_only=rules.output_only,
        oneof=oneof.name if oneof is not None and len(oneof.fields) > 1 else None,
        implicit=not field.has_presence,
        read=read,
    )


_Reader = Callable[[Message, Any, str, Report, int], None]


def _scalar_reader(field: FieldDescriptor, rules: options_pb2.FieldRules) -> _Reader:
    name = field.name
    convert = _converter(field)
    check = _check(field, rules)

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        try:
            converted = convert(value)
        except Invalid as error:
            report.add(path, error.reason, error.description)
            return
        if check is not None:
            problem = check(converted)
            if problem is not None:
                report.add(path, *problem)
                return
        setattr(message, name, converted)

    return read


def _message_reader(decoders: Decoders, field: FieldDescriptor) -> _Reader:
    name = field.name
    decoder = decoders.for_type(message_type_of(field))

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        target = getattr(message, name)
        target.SetInParent()
        decoder.read(target, value, path, report, depth + 1)

    return read


def _well_known_reader(field: FieldDescriptor) -> _Reader:
    name = field.name
    fill = wellknown.READERS[message_type_of(field).full_name]

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        target = getattr(message, name)
        target.SetInParent()
        try:
            fill(target, value)
        except Invalid as error:
            report.add(path, error.reason, error.description)

    return read


def _list_reader(decoders: Decoders, field: FieldDescriptor, rules: options_pb2.FieldRules) -> _Reader:
    name = field.name
    read_entry = _entry_reader(decoders, field, rules)

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        entries = [value] if isinstance(value, Text) else value
        if not isinstance(entries, list):
            report.add(path, "TYPE", f"must be a list, not {wellknown.kind_of(value)}")
            return
        if _count_is_wrong(len(entries), rules, path, report):
            return
        target = getattr(message, name)
        for index, entry in enumerate(entries):
            read_entry(target, entry, f"{path}[{index}]", report, depth)

    return read


def _entry_reader(
    decoders: Decoders, field: FieldDescriptor, rules: options_pb2.FieldRules
) -> Callable[[Any, Any, str, Report, int], None]:
    if field.message_type is not None:
        fill = wellknown.READERS.get(field.message_type.full_name)
        if fill is None:
            decoder = decoders.for_type(field.message_type)
            return lambda target, entry, path, report, depth: decoder.read(
                target.add(), entry, path, report, depth + 1
            )

        def read_well_known(target: Any, entry: Any, path: str, report: Report, depth: int) -> None:
            try:
                fill(target.add(), entry)
            except Invalid as error:
                report.add(path, error.reason, error.description)

        return read_well_known
    convert = _converter(field)
    check = _check(field, rules, is_entry=True)

    def read_scalar(target: Any, entry: Any, path: str, report: Report, depth: int) -> None:
        try:
            converted = convert(entry)
        except Invalid as error:
            report.add(path, error.reason, error.description)
            return
        problem = check(converted) if check is not None else None
        if problem is not None:
            report.add(path, *problem)
        else:
            target.append(converted)

    return read_scalar


def _map_reader(decoders: Decoders, field: FieldDescriptor, rules: options_pb2.FieldRules) -> _Reader:
    name = field.name
    key_field = message_type_of(field).fields_by_name["key"]
    value_field = message_type_of(field).fields_by_name["value"]
    convert_key = _converter(key_field)
    read_value = _map_value_reader(decoders, value_field, rules)

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        if type(value) is not dict:
            report.add(path, "TYPE", f"must be an object, not {wellknown.kind_of(value)}")
            return
        if _count_is_wrong(len(value), rules, path, report):
            return
        target = getattr(message, name)
        for key, entry in value.items():
            entry_path = f"{path}.{key[:100]}"
            try:
                converted = convert_key(Text(key))
            except Invalid as error:
                report.add(entry_path, error.reason, f"has a wrong key: {error.description}")
                continue
            read_value(target, converted, entry, entry_path, report, depth)

    return read


def _map_value_reader(
    decoders: Decoders, field: FieldDescriptor, rules: options_pb2.FieldRules
) -> Callable[[Any, Any, Any, str, Report, int], None]:
    if field.message_type is not None:
        fill = wellknown.READERS.get(field.message_type.full_name)
        decoder = decoders.for_type(field.message_type) if fill is None else None

        def read_message(target: Any, key: Any, entry: Any, path: str, report: Report, depth: int) -> None:
            try:
                if decoder is not None:
                    decoder.read(target[key], entry, path, report, depth + 1)
                elif fill is not None:
                    fill(target[key], entry)
            except Invalid as error:
                report.add(path, error.reason, error.description)

        return read_message
    convert = _converter(field)
    check = _check(field, rules, is_entry=True)

    def read_scalar(target: Any, key: Any, entry: Any, path: str, report: Report, depth: int) -> None:
        try:
            converted = convert(entry)
        except Invalid as error:
            report.add(path, error.reason, error.description)
            return
        problem = check(converted) if check is not None else None
        if problem is not None:
            report.add(path, *problem)
        else:
            target[key] = converted

    return read_scalar


def _count_is_wrong(count: int, rules: options_pb2.FieldRules, path: str, report: Report) -> bool:
    if rules.max_items and count > rules.max_items:
        report.add(path, "TOO_MANY", f"holds {count} entries; at most {rules.max_items} are allowed")
        return True
    if count < rules.min_items:
        report.add(path, "TOO_FEW", f"holds {count} entries; at least {rules.min_items} are needed")
        return True
    return False


def _check(
    field: FieldDescriptor, rules: options_pb2.FieldRules, *, is_entry: bool = False
) -> checks.Check | None:
    if field.type == FieldDescriptor.TYPE_STRING:
        return checks.text_check(rules, is_entry=is_entry)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return checks.bytes_check(rules)
    if field.type in INT_BOUNDS or field.type in FLOAT_TYPES:
        return checks.number_check(rules)
    return None


def _converter(field: FieldDescriptor) -> Convert:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _to_text
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _to_bool
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _to_bytes
    if field.enum_type is not None:
        numbers = {name: number for number, name in enums.json_names(field.enum_type).items()}
        return lambda value: _to_enum(value, numbers)
    if field.type in FLOAT_TYPES:
        bound = _FLOAT_MAX if field.type == FieldDescriptor.TYPE_FLOAT else None
        return lambda value: _to_float(value, bound)
    low, high = INT_BOUNDS[field.type]
    return lambda value: _to_int(value, low, high)


def _to_text(value: Any) -> str:
    if type(value) is not str and not isinstance(value, Text):
        raise Invalid("TYPE", f"must be text, not {wellknown.kind_of(value)}")
    if "\x00" in value:
        raise Invalid("INVALID_CHARACTER", "holds the character U+0000, which cannot be stored")
    return str(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, Text) and value in ("true", "false"):
        return value == "true"
    if type(value) is not bool:
        raise Invalid("TYPE", f"must be true or false, not {wellknown.kind_of(value)}")
    return value


def _to_bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Invalid("TYPE", f"must be base64 text, not {wellknown.kind_of(value)}")
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("FORMAT", "is not base64") from error


def _to_enum(value: Any, numbers: dict[str, int]) -> int:
    if not isinstance(value, str):
        raise Invalid("TYPE", f"must be text, not {wellknown.kind_of(value)}")
    number = numbers.get(value)
    if number is None:
        allowed = ", ".join(name for name, known in numbers.items() if known != 0)
        raise Invalid("ENUM", f"is {value[:60]!r}; allowed are: {allowed}")
    return number


def _to_float(value: Any, bound: float | None) -> float:
    if isinstance(value, Text):
        try:
            number = float(value)
        except ValueError as error:
            raise Invalid("TYPE", f"must be a number, not {value[:60]!r}") from error
        if not math.isfinite(number):
            raise Invalid("TYPE", "must be a finite number")
    elif type(value) in (int, float):
        try:
            number = float(value)
        except OverflowError as error:
            raise Invalid("TOO_LARGE", "is outside the range of the field") from error
    else:
        raise Invalid("TYPE", f"must be a number, not {wellknown.kind_of(value)}")
    if bound is not None and abs(number) > bound:
        raise Invalid("TOO_LARGE", "is outside the range of the field")
    return number


def _to_int(value: Any, low: int, high: int) -> int:
    if type(value) is int:
        number = value
    elif isinstance(value, str) and (isinstance(value, Text) or high == SAFE_INTEGER):
        digits = value[1:] if value[:1] == "-" else value
        if not digits.isascii() or not digits.isdigit() or len(digits) > 20:
            raise Invalid("TYPE", f"must be a whole number, not {value[:60]!r}")
        number = int(value)
    elif type(value) is float and value.is_integer():
        number = int(value)
    else:
        raise Invalid("TYPE", f"must be a whole number, not {wellknown.kind_of(value)}")
    if not low <= number <= high:
        reason = "TOO_SMALL" if number < low else "TOO_LARGE"
        raise Invalid(reason, f"is {number}; allowed is {low} to {high}")
    return number
