"""Page tokens: opaque to callers, checked when they come back."""

from __future__ import annotations

import base64
import binascii

from yunsong_common.errors import InvalidArgument

DEFAULT_SIZE = 50


def token_of(position: str) -> str:
    """The token that continues after a position."""
    return base64.urlsafe_b64encode(b"1" + position.encode()).decode().rstrip("=")


def position_of(token: str) -> str:
    """The position of a token; empty for the first page. Raises `InvalidArgument` (PAGE_TOKEN_INVALID)."""
    if not token:
        return ""
    try:
        plain = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        plain = ""
    # PostgreSQL takes no NUL in a text.
    if not plain.startswith("1") or "\0" in plain:
        raise InvalidArgument(
            reason="PAGE_TOKEN_INVALID",
            message="page_token is not one that this operation gave; begin again without it",
        )
    return plain[1:]
