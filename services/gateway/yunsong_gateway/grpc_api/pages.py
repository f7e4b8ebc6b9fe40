"""Page tokens: where the next page begins, opaque to the client."""

from __future__ import annotations

import base64
import binascii

from yunsong_common.errors import InvalidArgument, Violation

DEFAULT_SIZE = 50


def after(token: str) -> str:
    """What a token stands for; empty for the first page. Raises InvalidArgument / PAGE_TOKEN_INVALID."""
    if not token:
        return ""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument(
            reason="PAGE_TOKEN_INVALID",
            message="The page token is not one that this list gave.",
            violations=[Violation(field="page_token", reason="FORMAT", description="is not a page token")],
        ) from error


def token(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).rstrip(b"=").decode()
