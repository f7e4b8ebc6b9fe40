"""Where webhooks may go: not into the network that the gateway stands in (SSRF)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from yunsong_common.errors import InvalidArgument, Violation


class TargetRefused(Exception):
    """The address leads to where webhooks may not go, or nowhere."""


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved address: the request goes to `ip`, so that a name cannot change its mind after the check."""

    scheme: str
    host: str
    port: int
    ip: str
    path: str

    @property
    def url(self) -> str:
        ip = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{self.scheme}://{ip}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        default = 443 if self.scheme == "https" else 80
        return self.host if self.port == default else f"{self.host}:{self.port}"


async def resolve(url: str, *, allow_private: bool) -> Target:
    """Raises TargetRefused."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
    except ValueError as error:
        raise TargetRefused("the address is not valid") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise TargetRefused("the address must be http or https, without a user")
    try:
        async with asyncio.timeout(5):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise TargetRefused(f"the name {host} does not resolve") from error
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    for address in addresses:
        if not allow_private and not _is_public(address):
            raise TargetRefused(f"the name {host} leads to {address}, which is not a public address")
    if not addresses:
        raise TargetRefused(f"the name {host} does not resolve")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, addresses[0], path)


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        parsed = mapped
    return parsed.is_global and not parsed.is_multicast


async def check(url: str, *, allow_private: bool) -> None:
    """Raises InvalidArgument / WEBHOOK_URL_REFUSED."""
    try:
        await resolve(url, allow_private=allow_private)
    except TargetRefused as error:
        raise InvalidArgument(
            reason="WEBHOOK_URL_REFUSED",
            message=f"The webhook's address is refused: {error}.",
            violations=[Violation(field="webhook.url", reason="WEBHOOK_URL_REFUSED", description=str(error))],
        ) from error
