"""Unit tests are pure: none of them talks to anything."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that connects is an integration test."""

    def refuse(_self: socket.socket, address: object) -> NoReturn:
        raise AssertionError(f"a unit test connects to {address!r}; put it into tests/integration")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
