"""Page tokens: where the next page goes on, opaque to callers."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import orjson

from yunsong_common.errors import InvalidArgument

Key = tuple[object, ...]


def page_size(asked: int, default: int, most: int) -> int:
    """How many entries a page has."""
    return min(asked or default, most)


def token_of(kind: str, key: Sequence[object]) -> str:
    """The token of the place behind `key`; `kind` says of which list and order."""
    values = [value.isoformat() if isinstance(value, dt.datetime) else value for value in key]
    return base64.urlsafe_b64encode(orjson.dumps([kind, *values])).rstrip(b"=").decode()


def key_of(kind: str, token: str, types: Sequence[type]) -> Key | None:
    """The place that a token names; None for the first page.

    `types` are datetime, int, str or UUID (as text). Raises INVALID_ARGUMENT / PAGE_TOKEN_INVALID.
    """
    if not token:
        return None
    try:
        found, *values = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if found == kind and len(values) == len(types):
            return tuple(_value(value, expected) for value, expected in zip(values, types, strict=True))
    except (ValueError, TypeError, binascii.Error):
        pass
    raise InvalidArgument(
        reason="PAGE_TOKEN_INVALID", message="the page_token is not one of this list; start again without it"
    )


def _value(value: object, expected: type) -> object:
    if expected is dt.datetime:
        moment = dt.datetime.fromisoformat(str(value))
        if moment.tzinfo is None:
            raise ValueError(value)
        return moment
    if expected is UUID:
        return str(UUID(str(value)))
    if expected is str:
        if not isinstance(value, str) or "\0" in value:
            raise TypeError(value)
        return value
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**31:
        raise TypeError(value)
    return value
