"""Fixtures that every suite may use; the parts they start live in tests/support."""

from __future__ import annotations

pytest_plugins = ["tests.support.servers"]
