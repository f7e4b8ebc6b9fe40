"""Seals what the database must not show: AES-256-GCM under a key derived from the release's (RFC 5869)."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


class Seal:
    """Seals and opens short texts. The empty text stays empty."""

    def __init__(self, release_key: str) -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"yunsong bot settings v1")
        self._cipher = AESGCM(derive.derive(release_key.encode()))

    def seal(self, text: str) -> bytes:
        if not text:
            return b""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), None)

    def open(self, sealed: bytes) -> str:
        """Raises `cryptography.exceptions.InvalidTag` when the release's key has changed since."""
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode() if sealed else ""
