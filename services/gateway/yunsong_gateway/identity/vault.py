"""Keys derived from the release's key, tokens, and encryption of what must be readable again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken

from yunsong_common.errors import Internal


def derive(release_key: str, purpose: str) -> bytes:
    """A key of its own for each purpose (HMAC-SHA-256 as a one-step KDF, NIST SP 800-108)."""
    return hmac.digest(release_key.encode(), f"yunsong gateway {purpose}".encode(), "sha256")


def new_token() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a random token: it has enough entropy for a plain hash."""
    return hashlib.sha256(token.encode()).digest()


class Vault:
    """Encrypts small secrets at rest (AES-128-CBC with HMAC, as Fernet)."""

    def __init__(self, release_key: str) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(derive(release_key, "vault")))

    def lock(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def unlock(self, locked: bytes) -> str:
        """Raises Internal when the release's key is not the one that locked it."""
        try:
            return self._fernet.decrypt(locked).decode()
        except InvalidToken as error:
            raise Internal(
                reason="SECRET_UNREADABLE",
                message="A stored secret cannot be decrypted; was the release key replaced?",
            ) from error
