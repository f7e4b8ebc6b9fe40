"""Page tokens: where the last page ended, opaque to callers."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import uuid

from yunsong_common.errors import InvalidArgument, Violation

_DEFAULT = 50


def size(page_size: int) -> int:
    """The page size, or the usual one."""
    return page_size or _DEFAULT


def token(created_at: dt.datetime, row_id: str) -> str:
    """The token of the page after a row."""
    place = json.dumps([created_at.isoformat(), row_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def place(page_token: str) -> tuple[dt.datetime, str] | None:
    """The row that a page begins after; None for the first page. Raises InvalidArgument / PAGE_TOKEN_INVALID."""
    if not page_token:
        return None
    try:
        text = base64.urlsafe_b64decode(page_token + "=" * (-len(page_token) % 4))
        created_at, row_id = json.loads(text)
        moment = dt.datetime.fromisoformat(created_at).astimezone(dt.UTC)
        return moment, str(uuid.UUID(row_id))
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        raise InvalidArgument(
            reason="PAGE_TOKEN_INVALID",
            message="the page token is not one that this list gave",
            violations=[
                Violation(
                    "page_token", "must be the next_page_token of the last answer", "PAGE_TOKEN_INVALID"
                )
            ],
        ) from None
