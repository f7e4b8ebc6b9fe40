"""The bounds of the `field` option as checks of one value: the door and the service that is called refuse the same."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import re2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from yunsong.options.v1 import options_pb2
from yunsong_common.ids import is_uuid

Problem = tuple[str, str]  # (reason, description)
Check = Callable[[Any], Problem | None]

_EMAIL = re.compile(r"[^@\s\x00-\x1f\"(),:;<>\[\\\]]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-[A-Za-z0-9]{5,8})*")
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_SLUG = re.compile(r"[a-z][a-z0-9_.-]*")
# Of these a mask may name a key: what they hold is not in the contract.
_OPEN = frozenset(("google.protobuf.Struct", "google.protobuf.Value"))


def value_check(
    field: FieldDescriptor, rules: options_pb2.FieldRules, *, is_entry: bool = False
) -> Check | None:
    """What the rules refuse of a value of this field; with `is_entry`, of one entry of it. None when they refuse nothing.

    An empty text, or the zero of a number, is "not set" where the field cannot tell the two apart; an entry is always set.
    """
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_check(rules, is_entry=is_entry, may_be_unset=not is_entry and not field.has_presence)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes_check(rules)
    if field.enum_type is not None or field.message_type is not None:
        return None
    if field.type == FieldDescriptor.TYPE_BOOL:
        return None
    return _number_check(
        rules, zero_is_unset=not (is_entry or field.has_presence or rules.required or field.is_repeated)
    )


def count_problem(count: int, rules: options_pb2.FieldRules) -> Problem | None:
    """What the rules refuse of the size of a list or map."""
    if rules.max_items and count > rules.max_items:
        return "TOO_MANY", f"holds {count} entries; at most {rules.max_items} are allowed"
    if count < rules.min_items:
        return "TOO_FEW", f"holds {count} entries; at least {rules.min_items} are needed"
    return None


RulesOf = Callable[[FieldDescriptor], options_pb2.FieldRules | None]


def wrong_mask_paths(scope: Descriptor, paths: Iterable[str], rules_of: RulesOf) -> Iterator[str]:
    """Those paths of an update mask about `scope` that name no field, or one that only the server sets."""
    return (path for path in paths if not _can_change(scope, path, rules_of))


def _can_change(scope: Descriptor, path: str, rules_of: RulesOf) -> bool:
    holder: Descriptor | None = scope
    names = path.split(".")
    for index, name in enumerate(names):
        field = holder.fields_by_name.get(name) if holder is not None else None
        rules = rules_of(field) if field is not None else None
        if field is None or (rules is not None and rules.output_only):
            return False
        if index < len(names) - 1 and field.message_type is not None:
            if field.message_type.full_name in _OPEN:
                return True
            if field.is_repeated:
                return False
        holder = field.message_type
    return True


def _text_check(rules: options_pb2.FieldRules, *, is_entry: bool, may_be_unset: bool) -> Check | None:
    low, high = rules.min_length, rules.max_length
    form = _FORMATS.get(rules.format)
    pattern = re2.compile(rules.pattern) if rules.pattern else None
    if not (low or high or form or pattern):
        return None

    def check(text: str) -> Problem | None:
        if not text and may_be_unset:
            return None
        problem = _length_problem(len(text), low, high, "characters")
        if problem is not None or (not text and not is_entry):
            return problem
        if form and not form[0](text):
            return "FORMAT", f"is not {form[1]}"
        if pattern and not pattern.fullmatch(text):
            return "PATTERN", f"does not match the expression {rules.pattern}"
        return None

    return check


def _bytes_check(rules: options_pb2.FieldRules) -> Check | None:
    low, high = rules.min_length, rules.max_length
    if not (low or high):
        return None
    return lambda value: _length_problem(len(value), low, high, "bytes")


def _length_problem(length: int, low: int, high: int, unit: str) -> Problem | None:
    if length < low:
        return "TOO_SHORT", f"holds {length} {unit}; at least {low} are needed"
    if high and length > high:
        return "TOO_LONG", f"holds {length} {unit}; at most {high} are allowed"
    return None


def _number_check(rules: options_pb2.FieldRules, *, zero_is_unset: bool) -> Check | None:
    low = rules.min if rules.HasField("min") else None
    high = rules.max if rules.HasField("max") else None
    if low is None and high is None:
        return None

    def check(value: float) -> Problem | None:
        if value == 0 and zero_is_unset:
            return None
        # Turned round, so that "not a number" is refused too.
        if low is not None and not value >= low:
            return "TOO_SMALL", f"is {value}; the smallest allowed value is {low:.15g}"
        if high is not None and not value <= high:
            return "TOO_LARGE", f"is {value}; the largest allowed value is {high:.15g}"
        return None

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


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


_FORMATS: dict[int, tuple[Callable[[str], object], str]] = {
    options_pb2.UUID: (is_uuid, "a UUID such as 0192d3a4-5b6c-7d8e-9f01-23456789abcd"),
    options_pb2.EMAIL: (lambda text: len(text) <= 254 and _EMAIL.fullmatch(text), "an e-mail address"),
    options_pb2.URL: (_is_url, "an absolute http or https address"),
    options_pb2.TIME_ZONE: (lambda text: text in _time_zones(), "an IANA time zone such as Asia/Shanghai"),
    options_pb2.LOCALE: (_LOCALE.fullmatch, "a language tag such as zh-CN"),
    options_pb2.DATE: (_is_date, "a date, YYYY-MM-DD"),
    options_pb2.TIME_OF_DAY: (_TIME_OF_DAY.fullmatch, "a time of day, HH:MM"),
    options_pb2.COLOR: (_COLOR.fullmatch, "a colour, #RRGGBB"),
    options_pb2.SLUG: (
        _SLUG.fullmatch,
        "a lower-case name that starts with a letter and holds letters, digits, '_', '-' and '.'",
    ),
}
