"""Encryption of credentials: AES-256-GCM, bound to the inbox they belong to.

A sealed value is a nonce of 12 bytes and the ciphertext with its tag; the key's id is stored beside it, so
that the key can be changed while values under the key of before still open.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from yunsong_common.errors import Internal

_NONCE = 12


class Vault:
    """Seals with the current key, opens with it and those of before."""

    def __init__(self, key: str, previous: Sequence[str] = ()) -> None:
        derived = [_derive(each) for each in (key, *previous)]
        self._ciphers = {_id_of(each): AESGCM(each) for each in derived}
        self.key_id = _id_of(derived[0])

    def seal(self, secrets: Mapping[str, str], owner: str) -> bytes:
        """Encrypts a set of credentials of `owner`, the inbox's id, under the current key."""
        nonce = os.urandom(_NONCE)
        plain = json.dumps(dict(secrets), ensure_ascii=False).encode()
        return nonce + self._ciphers[self.key_id].encrypt(nonce, plain, owner.encode())

    def open(self, sealed: bytes, key_id: str, owner: str) -> dict[str, str]:
        """Decrypts.

        Raises `Internal` (CREDENTIALS_UNREADABLE) for a key that is not configured or another owner.
        """
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Internal(
                reason="CREDENTIALS_UNREADABLE",
                message=f"credentials are encrypted with the key {key_id}, which is not configured; "
                "name it in YUNSONG_CHANNEL_ADAPTER_PREVIOUS_ENCRYPTION_KEYS",
                inbox_id=owner,
            )
        try:
            plain = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], owner.encode())
        except InvalidTag as error:
            raise Internal(
                reason="CREDENTIALS_UNREADABLE",
                message="credentials do not decrypt: they were changed or belong to another inbox",
                inbox_id=owner,
            ) from error
        opened: dict[str, str] = json.loads(plain)
        return opened


def _derive(key: str) -> bytes:
    # The setting is a text of any length; the cipher wants exactly 32 bytes.
    return HKDF(SHA256(), 32, salt=None, info=b"yunsong channel credentials v1").derive(key.encode())


def _id_of(derived: bytes) -> str:
    return hashlib.sha256(b"key id:" + derived).hexdigest()[:16]
