"""Identifiers: UUIDv7 (RFC 9562), so that a primary key grows with time."""

from __future__ import annotations

import os
import time
import uuid


def new_id() -> str:
    """A new UUIDv7 in its canonical text form: 48 bits of milliseconds, 74 random bits."""
    return str(new_uuid())


def new_uuid() -> uuid.UUID:
    """A new UUIDv7."""
    millis = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = millis << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76  # version 7
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    return uuid.UUID(int=value)


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its canonical form: lower-case hex with hyphens."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
