"""Access tokens of staff and contacts: short-lived, signed with a key of this release (JWT, HS256)."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt

from yunsong_common.errors import Unauthenticated
from yunsong_gateway.identity.vault import derive

_ALGORITHM = "HS256"
_STAFF, _CONTACT = "s", "c"


@dataclass(frozen=True, slots=True)
class StaffClaims:
    user_id: str
    session_id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class ContactClaims:
    contact_id: str
    inbox_id: str
    external_id: str
    session_id: str
    name: str
    verified: bool
    expires_at: float


class Tokens:
    """Makes and reads access tokens."""

    def __init__(self, release_key: str, *, staff_s: int, contact_s: int) -> None:
        self._key = derive(release_key, "access tokens")
        self.staff_s = staff_s
        self.contact_s = contact_s

    def staff(self, user_id: str, session_id: str) -> str:
        claims = {"k": _STAFF, "sub": user_id, "sid": session_id, "exp": int(time.time()) + self.staff_s}
        return jwt.encode(claims, self._key, _ALGORITHM)

    def contact(
        self, contact_id: str, inbox_id: str, external_id: str, session_id: str, name: str, *, verified: bool
    ) -> str:
        claims = {
            "k": _CONTACT,
            "sub": contact_id,
            "inb": inbox_id,
            "ext": external_id,
            "sid": session_id,
            "nam": name,
            "ver": verified,
            "exp": int(time.time()) + self.contact_s,
        }
        return jwt.encode(claims, self._key, _ALGORITHM)

    def read(self, token: str) -> StaffClaims | ContactClaims:
        """Raises Unauthenticated for a token that is wrong or has ended."""
        try:
            claims = jwt.decode(token, self._key, [_ALGORITHM], options={"require": ["exp", "sub", "sid"]})
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated(
                reason="TOKEN_EXPIRED", message="The token has ended; renew the session."
            ) from error
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(
                reason="TOKEN_INVALID", message="The token is not valid; sign in again."
            ) from error
        if claims.get("k") == _STAFF:
            return StaffClaims(claims["sub"], claims["sid"], claims["exp"])
        if claims.get("k") == _CONTACT:
            return ContactClaims(
                claims["sub"],
                claims["inb"],
                claims["ext"],
                claims["sid"],
                claims["nam"],
                bool(claims["ver"]),
                claims["exp"],
            )
        raise Unauthenticated(reason="TOKEN_INVALID", message="The token is not valid; sign in again.")
