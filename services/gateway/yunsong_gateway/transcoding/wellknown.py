"""JSON forms of the well-known types, on the way in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

MAX_VALUE_DEPTH = 32


class Text(str):
    """A value that came as text (path or query) and may stand for a number or a truth value."""

    __slots__ = ()


class Invalid(Exception):
    """A JSON value that cannot become the field's value."""

    def __init__(self, reason: str, description: str) -> None:
        super().__init__(description)
        self.reason = reason
        self.description = description


def kind_of(value: Any) -> str:
    """The JSON name of a value's kind, for a sentence."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_MASK_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*", re.ASCII)
_MAX_DURATION_S = 315_576_000_000


def _timestamp(target: Any, value: Any) -> None:
    match = _RFC3339.fullmatch(_text(value, "an RFC 3339 time"))
    if match is None:
        raise Invalid("FORMAT", "is not an RFC 3339 time such as 2026-01-31T09:30:00Z")
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
        seconds = int((moment - _EPOCH).total_seconds())
    except (ValueError, OverflowError) as error:
        raise Invalid("FORMAT", f"is not a moment that exists: {value[:40]}") from error
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        raise Invalid("FORMAT", "is outside the years 1 to 9999")
    target.seconds = seconds
    target.nanos = int((fraction or "0").ljust(9, "0"))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799


def _duration(target: Any, value: Any) -> None:
    match = _DURATION.fullmatch(_text(value, "a duration"))
    if match is None:
        raise Invalid("FORMAT", "is not a duration in seconds such as 1.5s")
    sign = -1 if match[1] else 1
    seconds = int(match[2])
    if seconds > _MAX_DURATION_S:
        raise Invalid("TOO_LARGE", f"is longer than {_MAX_DURATION_S} seconds")
    target.seconds = sign * seconds
    target.nanos = sign * int((match[3] or "0").ljust(9, "0"))


def _field_mask(target: Any, value: Any) -> None:
    text = _text(value, "field names separated by commas")
    for path in filter(None, text.split(",")):
        if not _MASK_PATH.fullmatch(path):
            raise Invalid("FORMAT", f"holds {path[:60]!r}, which is no snake_case field name")
        target.paths.append(path)


def _struct(target: Any, value: Any) -> None:
    _fill_struct(target, value, 0)


def _fill_struct(target: Any, value: Any, depth: int) -> None:
    if type(value) is not dict:
        raise Invalid("TYPE", f"must be an object, not {kind_of(value)}")
    for key, entry in value.items():
        if "\x00" in key:
            raise Invalid("INVALID_CHARACTER", "holds the character U+0000, which cannot be stored")
        _fill_value(target.fields[key], entry, depth + 1)


def _list_value(target: Any, value: Any) -> None:
    _fill_list(target, value, 0)


def _fill_list(target: Any, value: Any, depth: int) -> None:
    if not isinstance(value, list):
        raise Invalid("TYPE", f"must be a list, not {kind_of(value)}")
    for entry in value:
        _fill_value(target.values.add(), entry, depth + 1)


def _value(target: Any, value: Any) -> None:
    _fill_value(target, value, 0)


def _fill_value(target: Any, value: Any, depth: int) -> None:
    if depth > MAX_VALUE_DEPTH:
        raise Invalid("TOO_DEEP", f"is nested deeper than {MAX_VALUE_DEPTH} levels")
    if value is None:
        target.null_value = 0
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, str):
        if "\x00" in value:
            raise Invalid("INVALID_CHARACTER", "holds the character U+0000, which cannot be stored")
        target.string_value = value
    elif isinstance(value, (int, float)):
        target.number_value = value
    elif isinstance(value, list):
        target.list_value.SetInParent()
        _fill_list(target.list_value, value, depth)
    else:
        target.struct_value.SetInParent()
        _fill_struct(target.struct_value, value, depth)


def _empty(target: Any, value: Any) -> None:
    del target
    if value:
        raise Invalid("TYPE", "must be an empty object")


def _bool_value(target: Any, value: Any) -> None:
    if type(value) is not bool:
        raise Invalid("TYPE", f"must be true or false, not {kind_of(value)}")
    target.value = value


def _string_value(target: Any, value: Any) -> None:
    target.value = _text(value, "text")


def _number_value(target: Any, value: Any) -> None:
    try:
        target.value = float(value) if "." in str(value) else int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid("TYPE", f"must be a number, not {kind_of(value)}") from error


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise Invalid("TYPE", f"must be {what}, not {kind_of(value)}")
    return value


READERS: dict[str, Callable[[Any, Any], None]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Value": _value,
    "google.protobuf.ListValue": _list_value,
    "google.protobuf.Empty": _empty,
    "google.protobuf.BoolValue": _bool_value,
    "google.protobuf.StringValue": _string_value,
    **dict.fromkeys(
        (
            f"google.protobuf.{name}Value"
            for name in ("Int32", "UInt32", "Int64", "UInt64", "Float", "Double")
        ),
        _number_value,
    ),
}
