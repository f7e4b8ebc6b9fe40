"""What the door tells its own operations about the HTTP client, beside the principal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

USER_AGENT = "x-yunsong-user-agent"
ORIGIN = "x-yunsong-origin"


def facts(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Metadata for a call to the gateway itself."""
    return (
        (USER_AGENT, _ascii(headers.get("user-agent", ""))),
        (ORIGIN, _ascii(headers.get("origin", ""))),
    )


def user_agent(context: Any) -> str:
    return _value(context.invocation_metadata(), USER_AGENT)


def origin(context: Any) -> str:
    return _value(context.invocation_metadata(), ORIGIN)


def _value(metadata: Iterable[Any] | None, name: str) -> str:
    for key, value in metadata or ():
        if key == name:
            return str(value)
    return ""


def _ascii(text: str) -> str:
    """gRPC metadata holds printable ASCII alone."""
    return "".join(character if " " <= character <= "~" else "?" for character in text[:300]).strip()
