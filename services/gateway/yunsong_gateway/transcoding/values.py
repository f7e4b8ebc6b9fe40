"""JSON values of scalar fields as Python values."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from yunsong_gateway.transcoding import enums, wellknown
from yunsong_gateway.transcoding.scalars import FLOAT_TYPES, INT_BOUNDS, SAFE_INTEGER
from yunsong_gateway.transcoding.wellknown import Invalid, Text

_FLOAT_MAX = 3.4028234663852886e38

Convert = Callable[[Any], Any]  # a JSON value to a Python value; raises Invalid


def converter(field: FieldDescriptor) -> Convert:
    """What reads a JSON value for this field, or for one entry of it."""
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
