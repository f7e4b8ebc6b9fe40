"""Encryption of a stream under the backup's key: AES-256-GCM in chunks, as in the STREAM construction (Hoang, Reyhanitabar,
Rogaway, Vizár 2015): each chunk's nonce holds its number and whether it is the last, so none can be dropped, swapped or added.

A sealed stream is a mark, a random salt, and chunks of 64 KiB with a tag of 16 bytes each. Its key is derived from the
backup's key, the salt and the stream's name.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from yunsong_standalone.backup.errors import Damaged

_MARK = b"YSB1"
_SALT = 16
_CHUNK = 64 * 1024
_TAG = 16


class BackupKey:
    """What seals a backup. The text has 32 characters or more and lives outside of the backup."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self.id = fingerprint(text)

    def derive(self, salt: bytes, name: str) -> bytes:
        return HKDF(SHA256(), 32, salt=salt, info=f"yunsong backup {name}".encode()).derive(self._text)

    def mac(self, content: bytes) -> str:
        """Proves that whoever wrote the content had the key."""
        return hmac.new(self.derive(b"", "manifest"), content, "sha256").hexdigest()


def fingerprint(key: str) -> str:
    """Tells whether two keys are the same one without holding either."""
    return hashlib.sha256(b"yunsong key fingerprint:" + key.encode()).hexdigest()[:16]


def sealed_size(size: int) -> int:
    """The bytes that a stream of this size takes when it is sealed."""
    chunks = max(1, -(-size // _CHUNK))
    return len(_MARK) + _SALT + size + chunks * _TAG


class Sealer:
    """Seals one stream: `feed` what comes, then `finish`."""

    def __init__(self, key: BackupKey, name: str) -> None:
        salt = os.urandom(_SALT)
        self._cipher = AESGCM(key.derive(salt, name))
        self._head = _MARK + salt
        self._number = 0
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        self._rest += data
        out = bytearray(self._take_head())
        # The last chunk is marked as such, so a full one waits until more has come.
        while len(self._rest) > _CHUNK:
            out += self._seal(bytes(self._rest[:_CHUNK]), last=False)
            del self._rest[:_CHUNK]
        return bytes(out)

    def finish(self) -> bytes:
        return self._take_head() + self._seal(bytes(self._rest), last=True)

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def _seal(self, chunk: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), chunk, None)
        self._number += 1
        return sealed


class Opener:
    """Opens what a Sealer made under the same key and name. Raises Damaged."""

    def __init__(self, key: BackupKey, name: str) -> None:
        self._key = key
        self._name = name
        self._cipher: AESGCM | None = None
        self._number = 0
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        self._rest += data
        if self._cipher is None:
            if len(self._rest) < len(_MARK) + _SALT:
                return b""
            if self._rest[: len(_MARK)] != _MARK:
                raise Damaged(f"{self._name} is not sealed as this release seals")
            salt = bytes(self._rest[len(_MARK) : len(_MARK) + _SALT])
            del self._rest[: len(_MARK) + _SALT]
            self._cipher = AESGCM(self._key.derive(salt, self._name))
        out = bytearray()
        while len(self._rest) > _CHUNK + _TAG:
            out += self._open(bytes(self._rest[: _CHUNK + _TAG]), last=False)
            del self._rest[: _CHUNK + _TAG]
        return bytes(out)

    def finish(self) -> bytes:
        return self._open(bytes(self._rest), last=True)

    def _open(self, chunk: bytes, *, last: bool) -> bytes:
        if self._cipher is None:
            raise Damaged(f"{self._name} ends before it begins")
        try:
            plain = self._cipher.decrypt(_nonce(self._number, last=last), chunk, None)
        except InvalidTag:
            raise Damaged(
                f"{self._name} does not open: it was changed or cut, or sealed under another key"
            ) from None
        self._number += 1
        return plain


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
