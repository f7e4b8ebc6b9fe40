"""Second factors: TOTP (RFC 6238) with codes that count once, and recovery codes."""

from __future__ import annotations

import secrets
from uuid import UUID

import pyotp

from yunsong_common.db import Transaction
from yunsong_gateway.identity.accounts import User
from yunsong_gateway.identity.vault import Vault, token_hash

_STEP_S = 30
_ISSUER = "Yunsong"
_RECOVERY_CODES = 10


def new_secret() -> str:
    return pyotp.random_base32()


def address(secret: str, username: str) -> str:
    """The otpauth:// address for a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=_ISSUER)


def matching_step(secret: str, code: str, now: float, after: int) -> int | None:
    """The time step a code belongs to, if it is a right one and later than `after`; a step to each side is allowed."""
    totp = pyotp.TOTP(secret)
    current = int(now // _STEP_S)
    for step in (current, current - 1, current + 1):
        if step > after and secrets.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Codes such as "4f2a-91bc-…": 64 bits each."""
    return ["-".join(secrets.token_hex(2) for _ in range(4)) for _ in range(_RECOVERY_CODES)]


def recovery_hash(code: str) -> str:
    return token_hash(code.strip().lower()).hex()


async def use_code(tx: Transaction, user: User, vault: Vault, code: str) -> bool:
    """Whether a code is right; it is then used up, in this transaction. `user` is locked."""
    if user.totp_secret is None:
        return False
    step = matching_step(
        vault.unlock(user.totp_secret), code, (await tx.now()).timestamp(), user.totp_last_step
    )
    if step is not None:
        await tx.raw.execute("UPDATE users SET totp_last_step = $2 WHERE id = $1", UUID(user.id), step)
        return True
    hashed = recovery_hash(code)
    if hashed in user.recovery_hashes:
        await tx.raw.execute(
            "UPDATE users SET recovery_hashes = array_remove(recovery_hashes, $2) WHERE id = $1",
            UUID(user.id),
            hashed,
        )
        return True
    return False
