"""Who a contact is, and how a website or an app proves it.

Proved users and anonymous visitors have external ids in two namespaces, so a visitor who chooses an id
cleverly never becomes someone else.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from yunsong_common.errors import InvalidArgument, PermissionDenied

# 128 bits as base64url have 22 characters; a shorter id could be guessed, and the id is all that a visitor
# has.
_VISITOR_ID_MIN = 22
_MAX_EXTERNAL_ID = 200
_CLOCK_SKEW_S = 30
_CLAIM_LENGTHS = {"name": 100, "email": 254, "phone": 32}


@dataclass(frozen=True, slots=True)
class Claim:
    """What the page says about its user; empty where it says nothing."""

    visitor_id: str = ""
    user_id: str = ""
    user_hash: str = ""
    user_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the contact is for an inbox."""

    external_id: str
    verified: bool
    claims: Mapping[str, str] = field(default_factory=dict)
    # Who the same browser was before it signed in.
    previous_external_id: str = ""


def identify(claim: Claim, secrets: Iterable[str], *, required: bool) -> Identity:
    """Who it is, after checking the proof under any of the inbox's identity secrets.

    Raises `PermissionDenied` (IDENTITY_PROOF_INVALID, IDENTITY_REQUIRED) and `InvalidArgument`
    (VISITOR_ID_WEAK).
    """
    previous = visitor_external_id(claim.visitor_id) if claim.visitor_id else ""
    if claim.user_token:
        user_id, claims = _from_token(claim, tuple(secrets))
        return Identity(user_external_id(user_id), True, claims, previous)
    if claim.user_id:
        if not any(_hash_fits(claim, secret) for secret in secrets):
            raise _invalid("the user hash is missing or wrong for this user id")
        return Identity(user_external_id(claim.user_id), True, {}, previous)
    if claim.user_hash:
        raise _invalid("a user hash needs the user id that it was made from")
    if required:
        raise PermissionDenied(
            reason="IDENTITY_REQUIRED",
            message="this inbox is for signed-in users: send user_id with user_hash, or user_token",
        )
    return Identity(visitor_external_id(claim.visitor_id), False)


def user_external_id(user_id: str) -> str:
    """The external id of a user whom the business knows."""
    direct = f"user:{user_id}"
    if len(direct) <= _MAX_EXTERNAL_ID:
        return direct
    return "user-sha256:" + hashlib.sha256(user_id.encode()).hexdigest()


def visitor_external_id(visitor_id: str) -> str:
    """The external id of a visitor; the id itself works like a password and is not stored."""
    if len(visitor_id) < _VISITOR_ID_MIN:
        raise InvalidArgument(
            reason="VISITOR_ID_WEAK",
            message=f"visitor_id needs 128 random bits as text, at least {_VISITOR_ID_MIN} characters; "
            f"this one has {len(visitor_id)}",
        )
    return "visitor:" + hashlib.sha256(visitor_id.encode()).hexdigest()


def identity_of_user(external_id: str) -> str:
    """The id that the business knows; for a visitor or an outside channel's user, the external id itself."""
    return external_id.removeprefix("user:")


def _hash_fits(claim: Claim, secret: str) -> bool:
    expected = hmac.new(secret.encode(), claim.user_id.encode(), "sha256").hexdigest()
    return hmac.compare_digest(expected.encode(), claim.user_hash.strip().lower().encode())


def _from_token(claim: Claim, secrets: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    payload = _decode(claim.user_token, secrets)
    user_id = payload["sub"]
    if not isinstance(user_id, str) or not 1 <= len(user_id) <= _MAX_EXTERNAL_ID:
        raise _invalid(f'the token\'s "sub" must be a text of 1 to {_MAX_EXTERNAL_ID} characters')
    if claim.user_id and claim.user_id != user_id:
        raise _invalid("user_id is not the one that the token is about")
    claims = {
        name: value[:length]
        for name, length in _CLAIM_LENGTHS.items()
        if isinstance(value := payload.get(name), str) and value
    }
    return user_id, claims


def _decode(token: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    failure: Exception | None = None
    for secret in secrets:
        try:
            decoded: dict[str, Any] = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                leeway=_CLOCK_SKEW_S,
                options={"require": ["sub", "exp"], "verify_aud": False, "verify_iss": False},
            )
        except jwt.InvalidSignatureError as error:
            failure = error
        except jwt.InvalidTokenError as error:
            # The signature fits this secret or the token cannot be read at all: another secret does not help.
            raise _invalid(f"the user token is not accepted: {error}") from error
        else:
            return decoded
    raise _invalid("the user token's signature is wrong") from failure


def _invalid(message: str) -> PermissionDenied:
    return PermissionDenied(reason="IDENTITY_PROOF_INVALID", message=message)
