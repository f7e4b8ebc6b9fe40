"""The bounds of the `field` option as checks of one value, compiled from the rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import re2

from yunsong.options.v1 import options_pb2

Problem = tuple[str, str]  # (reason, description)
Check = Callable[[Any], Problem | None]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\"(),:;<>\[\\\]]+@[^@\s.]+(\.[^@\s.]+)*")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-[A-Za-z0-9]{5,8})*")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_SLUG = re.compile(r"[a-z][a-z0-9_.-]*")


def _url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in text
    except ValueError:
        return False


def _date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


FORMATS: dict[int, tuple[Callable[[str], object], str]] = {
    options_pb2.UUID: (_UUID.fullmatch, "a UUID such as 0192d3a4-5b6c-7d8e-9f01-23456789abcd"),
    options_pb2.EMAIL: (lambda text: len(text) <= 254 and _EMAIL.fullmatch(text), "an e-mail address"),
    options_pb2.URL: (_url, "an absolute http or https address"),
    options_pb2.TIME_ZONE: (lambda text: text in _zones(), "an IANA time zone such as Asia/Shanghai"),
    options_pb2.LOCALE: (_LOCALE.fullmatch, "a language tag such as zh-CN"),
    options_pb2.DATE: (_date, "a date, YYYY-MM-DD"),
    options_pb2.TIME_OF_DAY: (_TIME.fullmatch, "a time of day, HH:MM"),
    options_pb2.COLOR: (_COLOR.fullmatch, "a colour, #RRGGBB"),
    options_pb2.SLUG: (
        _SLUG.fullmatch,
        "a lower-case name that starts with a letter and holds letters, digits, '_', '-' and '.'",
    ),
}


def text_check(rules: options_pb2.FieldRules, *, is_entry: bool = False) -> Check | None:
    """Length, format and pattern of a text. The empty text is "not set": only `required` refuses it, but an entry is set."""
    low, high = rules.min_length, rules.max_length
    form = FORMATS.get(rules.format)
    pattern = re2.compile(rules.pattern) if rules.pattern else None
    if not (low or high or form or pattern):
        return None

    def check(text: str) -> Problem | None:
        if not text and not is_entry:
            return None
        if low and len(text) < low:
            return "TOO_SHORT", f"holds {len(text)} characters; at least {low} are needed"
        if high and len(text) > high:
            return "TOO_LONG", f"holds {len(text)} characters; at most {high} are allowed"
        if form and not form[0](text):
            return "FORMAT", f"is not {form[1]}"
        if pattern and not pattern.fullmatch(text):
            return "PATTERN", f"does not match the expression {rules.pattern}"
        return None

    return check


def bytes_check(rules: options_pb2.FieldRules) -> Check | None:
    high = rules.max_length
    if not high:
        return None

    def check(value: bytes) -> Problem | None:
        if len(value) > high:
            return "TOO_LONG", f"holds {len(value)} bytes; at most {high} are allowed"
        return None

    return check


def number_check(rules: options_pb2.FieldRules) -> Check | None:
    low = rules.min if rules.HasField("min") else None
    high = rules.max if rules.HasField("max") else None
    if low is None and high is None:
        return None

    def check(value: float) -> Problem | None:
        if low is not None and value < low:
            return "TOO_SMALL", f"is {value}; the smallest allowed value is {low:.15g}"
        if high is not None and value > high:
            return "TOO_LARGE", f"is {value}; the largest allowed value is {high:.15g}"
        return None

    return check
