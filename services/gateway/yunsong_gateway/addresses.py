"""The client's address behind proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddress:
    """Believes X-Forwarded-For only as far as trusted proxies wrote it: from its right end."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted: list[_Network] = [ipaddress.ip_network(network, strict=False) for network in trusted]

    def of(self, scope: Any) -> str:
        client = scope.get("client")
        address = str(client[0]) if client else ""
        if not self._is_trusted(address):
            return address
        forwarded = [
            part.strip()
            for name, value in scope["headers"]
            if name == b"x-forwarded-for"
            for part in value.decode("latin-1").split(",")
        ]
        while forwarded and self._is_trusted(address):
            address = forwarded.pop()
        return address[:45]

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)
