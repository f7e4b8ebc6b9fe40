"""Which network addresses the product may call on a business's behalf: those of the public internet only."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 6052: the last 32 bits are the IPv4 address that the packet reaches.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# RFC 8215: the same for a network's own use, with the IPv4 address anywhere.
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")


def is_public(text: str) -> bool:
    """Whether an IP address leads to the public internet, whatever notation or tunnel it hides in."""
    address = _innermost(ipaddress.ip_address(text.partition("%")[0]))
    return address.is_global and not address.is_multicast and address not in _NAT64_LOCAL


def _innermost(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
