# ruff: noqa: ARG001 - readers of one field share one signature
"""What puts a JSON value into one field of a message, compiled from the field's type and rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2
from yunsong_common.errors import Violation
from yunsong_common.grpc.rules import count_problem, value_check
from yunsong_gateway.transcoding import wellknown
from yunsong_gateway.transcoding.scalars import message_type_of
from yunsong_gateway.transcoding.values import converter
from yunsong_gateway.transcoding.wellknown import Invalid, Text

MAX_VIOLATIONS = 100


class Report:
    """The violations found so far; it stops listing after `MAX_VIOLATIONS`.

    While `lenient`, only what cannot be read is a violation: the service that is called answers for the rules, entry by entry.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.lenient = False

    def add(self, path: str, reason: str, description: str) -> None:
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(Violation(field=path, description=description, reason=reason))

    def refuses(self, path: str, problem: tuple[str, str] | None) -> bool:
        """Adds a broken rule as (reason, description); False when there is none, or the value passes all the same."""
        if problem is None or self.lenient:
            return False
        self.add(path, *problem)
        return True


Reader = Callable[[Message, Any, str, Report, int], None]


class MessageReader(Protocol):
    """Reads a JSON object into a message."""

    def read(self, message: Message, value: Any, path: str, report: Report, depth: int) -> None: ...


class Types(Protocol):
    """The readers of the contract's messages."""

    def for_type(self, descriptor: Descriptor) -> MessageReader: ...


def scalar_reader(field: FieldDescriptor, rules: options_pb2.FieldRules) -> Reader:
    name = field.name
    convert = converter(field)
    check = value_check(field, rules)

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        try:
            converted = convert(value)
        except Invalid as error:
            report.add(path, error.reason, error.description)
            return
        if check is not None and report.refuses(path, check(converted)):
            return
        setattr(message, name, converted)

    return read


def message_reader(types: Types, field: FieldDescriptor) -> Reader:
    name = field.name
    decoder = types.for_type(message_type_of(field))

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        target = getattr(message, name)
        target.SetInParent()
        decoder.read(target, value, path, report, depth + 1)

    return read


def well_known_reader(field: FieldDescriptor) -> Reader:
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


def list_reader(types: Types, field: FieldDescriptor, rules: options_pb2.FieldRules) -> Reader:
    name = field.name
    read_entry = _entry_reader(types, field, rules)

    def read(message: Message, value: Any, path: str, report: Report, depth: int) -> None:
        entries = [value] if isinstance(value, Text) else value
        if not isinstance(entries, list):
            report.add(path, "TYPE", f"must be a list, not {wellknown.kind_of(value)}")
            return
        if _count_is_wrong(len(entries), rules, path, report):
            return
        target = getattr(message, name)
        outer, report.lenient = report.lenient, report.lenient or rules.own_answers
        for index, entry in enumerate(entries):
            read_entry(target, entry, f"{path}[{index}]", report, depth)
        report.lenient = outer

    return read


def _entry_reader(
    types: Types, field: FieldDescriptor, rules: options_pb2.FieldRules
) -> Callable[[Any, Any, str, Report, int], None]:
    if field.message_type is not None:
        fill = wellknown.READERS.get(field.message_type.full_name)
        if fill is None:
            decoder = types.for_type(field.message_type)
            return lambda target, entry, path, report, depth: decoder.read(
                target.add(), entry, path, report, depth + 1
            )

        def read_well_known(target: Any, entry: Any, path: str, report: Report, depth: int) -> None:
            try:
                fill(target.add(), entry)
            except Invalid as error:
                report.add(path, error.reason, error.description)

        return read_well_known
    convert = converter(field)
    check = value_check(field, rules, is_entry=True)

    def read_scalar(target: Any, entry: Any, path: str, report: Report, depth: int) -> None:
        try:
            converted = convert(entry)
        except Invalid as error:
            report.add(path, error.reason, error.description)
            return
        if check is None or not report.refuses(path, check(converted)):
            target.append(converted)

    return read_scalar


def map_reader(types: Types, field: FieldDescriptor, rules: options_pb2.FieldRules) -> Reader:
    name = field.name
    key_field = message_type_of(field).fields_by_name["key"]
    value_field = message_type_of(field).fields_by_name["value"]
    convert_key = converter(key_field)
    read_value = _map_value_reader(types, value_field, rules)

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
    types: Types, field: FieldDescriptor, rules: options_pb2.FieldRules
) -> Callable[[Any, Any, Any, str, Report, int], None]:
    if field.message_type is not None:
        fill = wellknown.READERS.get(field.message_type.full_name)
        decoder = types.for_type(field.message_type) if fill is None else None

        def read_message(target: Any, key: Any, entry: Any, path: str, report: Report, depth: int) -> None:
            try:
                if decoder is not None:
                    decoder.read(target[key], entry, path, report, depth + 1)
                elif fill is not None:
                    fill(target[key], entry)
            except Invalid as error:
                report.add(path, error.reason, error.description)

        return read_message
    convert = converter(field)
    check = value_check(field, rules, is_entry=True)

    def read_scalar(target: Any, key: Any, entry: Any, path: str, report: Report, depth: int) -> None:
        try:
            converted = convert(entry)
        except Invalid as error:
            report.add(path, error.reason, error.description)
            return
        if check is None or not report.refuses(path, check(converted)):
            target[key] = converted

    return read_scalar


def _count_is_wrong(count: int, rules: options_pb2.FieldRules, path: str, report: Report) -> bool:
    return report.refuses(path, count_problem(count, rules))
