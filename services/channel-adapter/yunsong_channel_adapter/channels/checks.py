"""What the built-in channels check alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import SplitResult, urlsplit

from yunsong_plugin_api import Credentials

_SECRET_LENGTH = 32


def identity_secret_problems(credentials: Credentials, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Credentials that the channel does not have, and an identity secret that is too short to hold."""
    for name in credentials:
        if name not in known:
            yield f"credentials.{name}", f"there is no such credential; known are {', '.join(sorted(known))}"
    secret = credentials.get("identity_secret")
    if secret is not None and len(secret) < _SECRET_LENGTH:
        yield "credentials.identity_secret", f"must have at least {_SECRET_LENGTH} characters"


def url_problem(url: object) -> str:
    """Why this is no address that messages can be sent to; empty when it is one."""
    if not isinstance(url, str) or not url:
        return "is needed: the address that messages are sent to"
    if len(url) > 2000:
        return "must have at most 2000 characters"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"is no address: {error}"
    return _part_problem(parts)


def _part_problem(parts: SplitResult) -> str:
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return 'must be an absolute http or https address, such as "https://shop.example/hook"'
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or a password"
    if parts.fragment:
        return "must not have a fragment"
    if any(ord(character) <= 32 or ord(character) > 126 for character in parts.geturl()):
        return "must be plain ASCII; write other characters percent-encoded and the host in punycode"
    return ""
