"""Where the bot may call: not into the network that it stands in, unless the operator allows it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

ALLOW = "YUNSONG_BOT_EXTERNAL_BOT_ALLOW_PRIVATE"
_LOOK_S = 5.0


class AddressRefused(Exception):
    """The address leads where the bot may not call, or nowhere; the text says which."""


async def public_address(url: str) -> str:
    """The IP address to connect to. Raises `AddressRefused`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        async with asyncio.timeout(_LOOK_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, TimeoutError):
        raise AddressRefused(f"the name {host} has no address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not is_public(address):
            raise AddressRefused(
                f"the name {host} leads to {address}, which is not a public address; to allow it, set {ALLOW}=true"
            )
    if not addresses:
        raise AddressRefused(f"the name {host} has no address")
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet, also behind IPv4-in-IPv6 notations."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if isinstance(address, ipaddress.IPv6Address) and address in ipaddress.ip_network("64:ff9b::/96"):
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.is_global and not address.is_multicast
