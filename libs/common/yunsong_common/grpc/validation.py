"""Field rules of the contract: compiled once per message type, then a few checks per message, every violation at once."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import re2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_common.ids import is_uuid

_MAX_VIOLATIONS = 100
_MAX_DEPTH = 32

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_SLUG = re.compile(r"[a-z][a-z0-9_.-]*")

# Gives (reason, description) for what is wrong with a value, or None.
Problem = tuple[str, str]
ValueCheck = Callable[[Any], Problem | None]


def violations_of(message: Message) -> list[Violation]:
    """Everything that the message's field options refuse, by path. With a non-empty `update_mask`, only what the mask names."""
    plan = _plan(message.DESCRIPTOR)
    if not plan:
        return []
    found: list[Violation] = []
    _check(message, plan, "", found, 0)
    return _within_mask(message, found) if found else found


def validate(message: Message) -> None:
    """Raises `InvalidArgument` (INVALID_FIELDS) with every violation."""
    found = violations_of(message)
    if found:
        raise InvalidArgument(
            reason="INVALID_FIELDS",
            message="; ".join(f"{item.field}: {item.description}" for item in found[:3]),
            violations=found[:_MAX_VIOLATIONS],
        )


def clear_output_only(message: Message) -> None:
    """Clears the fields that only the server sets, at every depth; for requests from outside."""
    for field, value in message.ListFields():
        rules = _rules(field)
        if rules is not None and rules.output_only:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in _children(field, value):
                clear_output_only(child)


@dataclass(frozen=True, slots=True)
class _FieldPlan:
    """What is checked of one field."""

    name: str
    required: bool
    # The value that means "not set" where the message cannot tell; None for numbers, whose zero is a value.
    empty: str | bytes | int | None
    presence: bool  # the message knows whether it was set
    is_list: bool  # repeated, or a map
    is_map: bool
    message: Descriptor | None  # descend: some field below has rules
    min_items: int
    max_items: int
    checks: tuple[ValueCheck, ...]  # of the value, or of each entry


@lru_cache(maxsize=4096)
def _plan(descriptor: Descriptor) -> tuple[_FieldPlan, ...]:
    return tuple(plan for field in descriptor.fields if (plan := _field_plan(field)) is not None)


def _field_plan(field: FieldDescriptor) -> _FieldPlan | None:
    rules = _rules(field) or options_pb2.FieldRules()
    if rules.output_only:
        return None  # the server ignores it, so it cannot be wrong
    is_map = _is_map(field)
    value_field = _value_field(field)
    descend = value_field.message_type if value_field.message_type is not None else None
    if descend is not None and not _has_rules(descend):
        descend = None
    checks = tuple(_checks(value_field, rules))
    if not (rules.required or rules.min_items or rules.max_items or checks or descend):
        return None
    return _FieldPlan(
        name=field.name,
        required=rules.required,
        empty=_empty(field),
        presence=field.has_presence,
        is_list=field.is_repeated,
        is_map=is_map,
        message=descend,
        min_items=rules.min_items,
        max_items=rules.max_items,
        checks=checks,
    )


@lru_cache(maxsize=4096)
def _has_rules(descriptor: Descriptor) -> bool:
    seen: set[str] = set()
    stack = [descriptor]
    while stack:
        current = stack.pop()
        if current.full_name in seen:
            continue
        seen.add(current.full_name)
        for field in current.fields:
            rules = _rules(field)
            if rules is not None and not rules.output_only:
                return True
            if field.message_type is not None and (rules is None or not rules.output_only):
                stack.append(field.message_type)
    return False


def _check(
    message: Message, plan: tuple[_FieldPlan, ...], path: str, found: list[Violation], depth: int
) -> None:
    for field in plan:
        value = getattr(message, field.name)
        if field.is_list:
            if value or field.required or field.min_items:
                _check_list(field, value, path + field.name, found, depth)
        elif field.presence and not message.HasField(field.name):
            if field.required:
                found.append(Violation(path + field.name, "is required", "REQUIRED"))
        elif field.message is not None:
            _descend(field.message, value, path + field.name, found, depth)
        elif field.empty is not None and value == field.empty and not field.presence:
            if field.required:
                found.append(Violation(path + field.name, "is required", "REQUIRED"))
        else:
            _run(field.checks, value, path + field.name, found)


def _check_list(field: _FieldPlan, value: Any, path: str, found: list[Violation], depth: int) -> None:
    count = len(value)
    if field.required and not count:
        found.append(Violation(path, "is required", "REQUIRED"))
    elif count < field.min_items:
        found.append(
            Violation(path, f"has {count} entries; at least {field.min_items} are needed", "TOO_FEW_ITEMS")
        )
    if field.max_items and count > field.max_items:
        found.append(
            Violation(path, f"has {count} entries; at most {field.max_items} are allowed", "TOO_MANY_ITEMS")
        )
        return
    if not field.checks and field.message is None:
        return
    for key, entry in value.items() if field.is_map else enumerate(value):
        place = f"{path}[{key}]"
        if field.message is not None:
            _descend(field.message, entry, place, found, depth)
        _run(field.checks, entry, place, found)


def _run(checks: tuple[ValueCheck, ...], value: Any, path: str, found: list[Violation]) -> None:
    found += [
        Violation(path, problem[1], problem[0]) for check in checks if (problem := check(value)) is not None
    ]


def _descend(descriptor: Descriptor, value: Message, path: str, found: list[Violation], depth: int) -> None:
    if depth >= _MAX_DEPTH:
        found.append(Violation(path, f"is nested deeper than {_MAX_DEPTH} levels", "TOO_DEEP"))
        return
    _check(value, _plan(descriptor), f"{path}.", found, depth + 1)


def _checks(field: FieldDescriptor, rules: options_pb2.FieldRules) -> Iterator[ValueCheck]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if rules.min_length or rules.max_length:
            unit = "bytes" if field.type == FieldDescriptor.TYPE_BYTES else "characters"
            yield _length(rules.min_length, rules.max_length, unit)
        if rules.format:
            yield _format(rules.format)
        if rules.pattern:
            yield _pattern(rules.pattern)
    elif field.enum_type is not None:
        numbers = frozenset(value.number for value in field.enum_type.values)
        yield _known_enum(numbers)
    elif kind not in (FieldDescriptor.CPPTYPE_MESSAGE, FieldDescriptor.CPPTYPE_BOOL) and (
        rules.HasField("min") or rules.HasField("max")
    ):
        yield _range(
            rules.min if rules.HasField("min") else None,
            rules.max if rules.HasField("max") else None,
            zero_is_unset=not field.has_presence and not rules.required and not field.is_repeated,
        )


def _length(low: int, high: int, unit: str) -> ValueCheck:
    def check(value: str | bytes) -> Problem | None:
        length = len(value)
        if length < low:
            return "TOO_SHORT", f"has {length} {unit}; at least {low} are needed"
        if high and length > high:
            return "TOO_LONG", f"has {length} {unit}; at most {high} are allowed"
        return None

    return check


def _range(low: float | None, high: float | None, *, zero_is_unset: bool) -> ValueCheck:
    def check(value: float) -> Problem | None:
        if value == 0 and zero_is_unset:
            return None  # the field has no way to tell zero from not set
        if low is not None and not value >= low:
            return "TOO_SMALL", f"is {value:g}; at least {low:g} is needed"
        if high is not None and not value <= high:
            return "TOO_LARGE", f"is {value:g}; at most {high:g} is allowed"
        return None

    return check


def _known_enum(numbers: frozenset[int]) -> ValueCheck:
    def check(value: int) -> Problem | None:
        return None if value in numbers else ("UNKNOWN_VALUE", f"has no value {value}")

    return check


def _pattern(pattern: str) -> ValueCheck:
    expression = re2.compile(pattern)

    def check(value: str) -> Problem | None:
        return None if expression.fullmatch(value) else ("PATTERN", f"does not match {pattern}")

    return check


def _format(number: int) -> ValueCheck:
    test, wanted = _FORMATS[number]

    def check(value: str) -> Problem | None:
        return None if not value or test(value) else ("FORMAT", f"is not {wanted}")

    return check


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and " " not in text
            and (parts.port or 1) > 0
        )
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_FORMATS: dict[int, tuple[Callable[[str], Any], str]] = {
    options_pb2.UUID: (is_uuid, "a UUID in its canonical form"),
    options_pb2.EMAIL: (lambda text: len(text) <= 254 and _EMAIL.fullmatch(text), "an e-mail address"),
    options_pb2.URL: (_is_url, "an absolute http or https address"),
    options_pb2.TIME_ZONE: (
        lambda text: text in _time_zones(),
        'an IANA time zone name such as "Asia/Shanghai"',
    ),
    options_pb2.LOCALE: (_LOCALE.fullmatch, 'a language tag such as "zh-CN"'),
    options_pb2.DATE: (_is_date, "a date in the form YYYY-MM-DD"),
    options_pb2.TIME_OF_DAY: (_TIME_OF_DAY.fullmatch, "a time of day in the form HH:MM"),
    options_pb2.COLOR: (_COLOR.fullmatch, "a colour in the form #RRGGBB"),
    options_pb2.SLUG: (
        _SLUG.fullmatch,
        'a name of lower-case letters, digits, "_", "-" and ".", starting with a letter',
    ),
}


def _within_mask(message: Message, found: list[Violation]) -> list[Violation]:
    """Drops what an update does not touch: violations inside the resource that are outside of the mask."""
    mask_field = message.DESCRIPTOR.fields_by_name.get("update_mask")
    if (
        mask_field is None
        or mask_field.message_type is None
        or mask_field.message_type.full_name != "google.protobuf.FieldMask"
    ):
        return found
    paths = list(message.update_mask.paths)  # type: ignore[attr-defined]
    if not paths or "*" in paths:
        return found
    kept = []
    for item in found:
        _, dot, below = item.field.partition(".")
        if not dot or any(below == path or below.startswith((f"{path}.", f"{path}[")) for path in paths):
            kept.append(item)
    return kept


def _rules(field: FieldDescriptor) -> options_pb2.FieldRules | None:
    options = field.GetOptions()
    return options.Extensions[options_pb2.field] if options.HasExtension(options_pb2.field) else None


def _value_field(field: FieldDescriptor) -> FieldDescriptor:
    """The field itself, or what a map's entries hold."""
    if field.message_type is not None and _is_map(field):
        value: FieldDescriptor = field.message_type.fields_by_name["value"]
        return value
    return field


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _empty(field: FieldDescriptor) -> str | bytes | int | None:
    if field.enum_type is not None:
        return 0
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return b"" if field.type == FieldDescriptor.TYPE_BYTES else ""
    return None


def _children(field: FieldDescriptor, value: Any) -> Iterator[Message]:
    if _is_map(field):
        if _value_field(field).message_type is not None:
            yield from value.values()
    elif field.is_repeated:
        yield from value
    else:
        yield value
