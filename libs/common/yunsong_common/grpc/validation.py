"""Field rules of the contract: compiled once per message type, then a few checks per message, every violation at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_common.grpc.rules import Check, Problem, count_problem, value_check, wrong_mask_paths

_MAX_VIOLATIONS = 100
_MAX_DEPTH = 32
_MASK = "google.protobuf.FieldMask"


def violations_of(message: Message) -> list[Violation]:
    """Everything that the message's field options refuse, by path.

    With a non-empty `update_mask`, only what the mask names, and the paths in it that name nothing that can be changed.
    """
    plan = _plan(message.DESCRIPTOR)
    if not plan:
        return []
    found: list[Violation] = []
    _check(message, plan, "", found, 0)
    mask = _mask_paths(message)
    if not mask:
        return found
    return _within_mask(mask, found) + [
        Violation("update_mask", f"names {path[:60]!r}, which cannot be changed", "UNKNOWN_FIELD")
        for path in wrong_mask_paths(_mask_scope(message.DESCRIPTOR), mask, _rules)
    ]


def validate(message: Message) -> None:
    """Raises `InvalidArgument` (INVALID_REQUEST) with every violation."""
    found = violations_of(message)
    if found:
        raise InvalidArgument(
            reason="INVALID_REQUEST",
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
    rules: options_pb2.FieldRules
    checks: tuple[Check, ...]  # of the value, or of each entry


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
    if descend is not None and (rules.own_answers or not _has_rules(descend)):
        descend = None
    checks = tuple(_checks(value_field, rules, is_entry=field.is_repeated))
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
        rules=rules,
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
            if value or field.required or field.rules.min_items:
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
    if field.required and not value:
        found.append(Violation(path, "is required", "REQUIRED"))
    elif problem := count_problem(len(value), field.rules):
        found.append(Violation(path, problem[1], problem[0]))
        if problem[0] == "TOO_MANY":
            return
    if not field.checks and field.message is None:
        return
    for key, entry in value.items() if field.is_map else enumerate(value):
        place = f"{path}[{key}]"
        if field.message is not None:
            _descend(field.message, entry, place, found, depth)
        _run(field.checks, entry, place, found)


def _run(checks: tuple[Check, ...], value: Any, path: str, found: list[Violation]) -> None:
    found += [
        Violation(path, problem[1], problem[0]) for check in checks if (problem := check(value)) is not None
    ]


def _descend(descriptor: Descriptor, value: Message, path: str, found: list[Violation], depth: int) -> None:
    if depth >= _MAX_DEPTH:
        found.append(Violation(path, f"is nested deeper than {_MAX_DEPTH} levels", "TOO_DEEP"))
        return
    _check(value, _plan(descriptor), f"{path}.", found, depth + 1)


def _checks(field: FieldDescriptor, rules: options_pb2.FieldRules, *, is_entry: bool) -> Iterator[Check]:
    if field.enum_type is not None:
        yield _known_enum(frozenset(value.number for value in field.enum_type.values))
        return
    check = value_check(field, rules, is_entry=is_entry)
    if check is not None:
        yield check


def _known_enum(numbers: frozenset[int]) -> Check:
    def check(value: int) -> Problem | None:
        return None if value in numbers else ("UNKNOWN_VALUE", f"has no value {value}")

    return check


def _mask_paths(message: Message) -> list[str]:
    field = message.DESCRIPTOR.fields_by_name.get("update_mask")
    if field is None or field.message_type is None or field.message_type.full_name != _MASK:
        return []
    return list(message.update_mask.paths)  # type: ignore[attr-defined]


@lru_cache(maxsize=1024)
def _mask_scope(request: Descriptor) -> Descriptor:
    """What a request's mask is about: the one message that it carries, or else the request itself."""
    carried = [
        field.message_type
        for field in request.fields
        if field.message_type is not None
        and not field.is_repeated
        and field.message_type.file.package != "google.protobuf"
    ]
    return carried[0] if len(carried) == 1 else request


def _within_mask(paths: list[str], found: list[Violation]) -> list[Violation]:
    """Drops what an update does not touch: violations inside the resource that are outside of the mask."""
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
