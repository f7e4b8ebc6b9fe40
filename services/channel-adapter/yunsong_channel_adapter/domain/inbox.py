"""An inbox: one configured point of contact, and what its settings must hold together."""

from __future__ import annotations

import base64
import datetime as dt
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from yunsong_common.errors import FailedPrecondition, Violation

_ORIGIN = re.compile(
    r"(?:https?|capacitor|ionic)://(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?"
    r"|https?://\[[0-9a-f:.]+\](?::[0-9]{1,5})?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Inbox:
    """One configured point of contact. Times in seconds; 0 switches a timer off."""

    id: str
    name: str
    channel: str
    key: str
    enabled: bool = True
    bot_enabled: bool = False
    queue_id: str = ""
    allowed_origins: tuple[str, ...] = ()
    identity_required: bool = False
    reopen_window_s: int = 0
    idle_reminder_s: int = 0
    idle_close_s: int = 0
    greeting: Mapping[str, str] = field(default_factory=dict)
    widget: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    required_skills: Mapping[str, int] = field(default_factory=dict)
    created_at: dt.datetime | None = None
    rev: int = 1

    def admits(self, origin: str) -> bool:
        """Whether a page of this origin may use the inbox. An app sends none, and none is always admitted."""
        if not origin or not self.allowed_origins:
            return True
        asked = normal_origin(origin)
        return any(_matches(asked, allowed) for allowed in self.allowed_origins)

    def must_take_messages(self) -> None:
        """Raises `FailedPrecondition` when the inbox is switched off."""
        if not self.enabled:
            raise FailedPrecondition(
                reason="INBOX_DISABLED",
                message=f"the inbox “{self.name}” is switched off; enable it to take messages",
                inbox_id=self.id,
            )


def new_key() -> str:
    """A new public key: it names an inbox and proves nothing, but must not be guessable by counting."""
    return secrets.token_urlsafe(18)


def new_secret(form: Literal["hex", "standard_webhooks"]) -> str:
    """A new secret of 256 bits."""
    if form == "standard_webhooks":
        return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


def normal_origin(origin: str) -> str:
    """The same origin as browsers write it: lower case, without a default port or a trailing slash."""
    scheme, separator, host = origin.strip().rstrip("/").lower().partition("://")
    if not separator:
        return scheme
    bare, colon, port = host.rpartition(":")
    if colon and port == _DEFAULT_PORTS.get(scheme):
        host = bare
    return f"{scheme}://{host}"


def normal_origins(origins: Iterable[str]) -> tuple[str, ...]:
    """Origins in the browsers' form, each once, in their order."""
    return tuple(dict.fromkeys(normal_origin(origin) for origin in origins))


def origin_violations(origins: Sequence[str]) -> list[Violation]:
    """Entries that are no origin."""
    return [
        Violation(
            field=f"inbox.allowed_origins[{index}]",
            description=f'"{origin}" is no origin; write a scheme and a host, such as "https://shop.example" '
            'or "https://*.shop.example"',
            reason="ORIGIN_INVALID",
        )
        for index, origin in enumerate(origins)
        if not _ORIGIN.fullmatch(normal_origin(origin))
    ]


def skill_violations(skills: Mapping[str, int]) -> list[Violation]:
    """Levels outside of 1 to 5."""
    return [
        Violation(
            field=f"inbox.required_skills.{name}",
            description=f"the level {level} is not between 1 and 5",
            reason="SKILL_LEVEL_INVALID",
        )
        for name, level in skills.items()
        if not 1 <= level <= 5
    ]


def _matches(origin: str, allowed: str) -> bool:
    scheme, _, host = allowed.partition("://*.")
    if not host:
        return origin == allowed
    return origin.startswith(f"{scheme}://") and origin.endswith(f".{host}")
