"""Passwords: argon2id off the event loop, and what makes one too weak."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from yunsong_common.errors import InvalidArgument, ResourceExhausted, Violation

T = TypeVar("T")

_MIN, _MAX = 10, 200
_MAX_WAITING = 64  # sign-ins in line for the hasher
_ALPHABET = (
    "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else
)
_COMMON = (
    "password",
    "passw0rd",
    "qwertyuiop",
    "1234567890",
    "0123456789",
    "1q2w3e4r5t",
    "iloveyou",
    "letmein",
    "welcome",
    "administrator",
    "woaini1314",
    "5201314",
    "88888888",
    "66666666",
)


class Passwords:
    """Hashes and verifies with argon2id at RFC 9106's second recommended setting for memory (64 MiB, 3 passes).

    Two threads, so a wave of sign-ins takes at most 128 MiB and never the event loop.
    """

    def __init__(self, *, memory_kib: int = 65536, passes: int = 3) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._waiting = 0
        # Verified when the user is unknown, so that an answer's time does not tell which names exist.
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        return await self._run(self._hash, password)

    async def verify(self, stored: str, password: str) -> bool:
        """Whether the password is right; an empty `stored` costs the same and is never right."""
        if not stored:
            if self._decoy is None:
                self._decoy = await self.hash(generate())
            await self._run(self._verify, self._decoy, password)
            return False
        return await self._run(self._verify, stored, password)

    def needs_rehash(self, stored: str) -> bool:
        return bool(stored) and self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= _MAX_WAITING:
            raise ResourceExhausted(
                reason="TOO_MANY_ATTEMPTS", message="Too many sign-ins at once; try again.", retry_after_s=2
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def generate() -> str:
    """A password of about 93 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


def check_strength(password: str, username: str, field: str) -> None:
    """Raises InvalidArgument / PASSWORD_WEAK that says what to do."""
    lowered = password.lower()
    problem = ""
    if not _MIN <= len(password) <= _MAX:
        problem = f"must have {_MIN} to {_MAX} characters"
    elif username and username.lower() in lowered:
        problem = "must not contain the user's name"
    elif len(set(password)) < 5:
        problem = "must have at least five different characters"
    elif any(common in lowered and len(lowered) < len(common) + 5 for common in _COMMON):
        problem = "is close to one that many people use"
    if problem:
        raise InvalidArgument(
            reason="PASSWORD_WEAK",
            message=f"The password {problem}.",
            violations=[Violation(field=field, reason="PASSWORD_WEAK", description=problem)],
        )
