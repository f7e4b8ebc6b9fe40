"""The signed principal that every call carries."""

from __future__ import annotations

import base64
import hmac
import time
from collections import OrderedDict

from yunsong.auth.v1 import principal_pb2
from yunsong_common.errors import Unauthenticated

METADATA_KEY = "x-yunsong-principal"
LIFETIME_S = 60
# A principal signed by a machine whose clock is ahead of ours by this much is still taken.
_CLOCK_SKEW_S = 10
_CACHE = 10_000


def sign(principal: principal_pb2.Principal, key: str | bytes, *, now: float | None = None) -> str:
    """Signs a principal: base64url(claims) "." base64url(HMAC-SHA-256). Sets `issued_at`, so the result lives 60 seconds."""
    claims = principal_pb2.Principal()
    claims.CopyFrom(principal)
    claims.issued_at = int(time.time() if now is None else now)
    payload = base64.urlsafe_b64encode(claims.SerializeToString()).rstrip(b"=")
    return f"{payload.decode()}.{_mac(payload, _key(key))}"


def verify(token: str, key: str | bytes, *, now: float | None = None) -> principal_pb2.Principal:
    """Gives the principal of a token. Raises `Unauthenticated` when the signature or the time is wrong."""
    payload, _, signature = token.partition(".")
    if not token.isascii() or not hmac.compare_digest(_mac(payload.encode(), _key(key)), signature):
        raise Unauthenticated(reason="PRINCIPAL_INVALID", message="the caller's signature is wrong")
    try:
        claims = principal_pb2.Principal.FromString(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        )
    except Exception as error:
        raise Unauthenticated(
            reason="PRINCIPAL_INVALID", message="the caller's claims cannot be read"
        ) from error
    _check_time(claims.issued_at, time.time() if now is None else now)
    if claims.kind == principal_pb2.ACTOR_KIND_UNSPECIFIED:
        raise Unauthenticated(reason="PRINCIPAL_INVALID", message="the caller's claims name no kind of actor")
    return claims


class Verifier:
    """`verify` with a memory: the same token is checked once. Callers reuse a token for some seconds."""

    def __init__(self, key: str | bytes) -> None:
        self._key = _key(key)
        self._seen: OrderedDict[str, principal_pb2.Principal] = OrderedDict()

    def verify(self, token: str) -> principal_pb2.Principal:
        """As the function `verify`. The result is shared: do not change it."""
        claims = self._seen.get(token)
        if claims is not None:
            _check_time(claims.issued_at, time.time())
            return claims
        claims = verify(token, self._key)
        self._seen[token] = claims
        if len(self._seen) > _CACHE:
            self._seen.popitem(last=False)
        return claims


class Signer:
    """`sign` with a memory: the same principal gets the same token for ten seconds, so that the callee verifies it once."""

    def __init__(self, key: str | bytes, *, reuse_s: float = 10.0) -> None:
        self._key = _key(key)
        self._reuse_s = reuse_s
        self._tokens: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def sign(self, principal: principal_pb2.Principal) -> str:
        """As the function `sign`; `issued_at` of the argument does not matter."""
        claims = principal_pb2.Principal()
        claims.CopyFrom(principal)
        claims.ClearField("issued_at")
        identity = claims.SerializeToString(deterministic=True)
        now = time.time()
        known = self._tokens.get(identity)
        if known is not None and now - known[0] < self._reuse_s:
            return known[1]
        token = sign(claims, self._key, now=now)
        self._tokens[identity] = (now, token)
        self._tokens.move_to_end(identity)
        if len(self._tokens) > _CACHE:
            self._tokens.popitem(last=False)
        return token


def service_principal(service: str) -> principal_pb2.Principal:
    """The principal of a service that acts on its own behalf."""
    return principal_pb2.Principal(
        kind=principal_pb2.ACTOR_KIND_SERVICE, actor_id=service, display_name=service, caller=service
    )


def _key(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


def _mac(payload: bytes, key: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, payload, "sha256")).rstrip(b"=").decode()


def _check_time(issued_at: int, now: float) -> None:
    if not issued_at - _CLOCK_SKEW_S <= now <= issued_at + LIFETIME_S:
        raise Unauthenticated(
            reason="PRINCIPAL_EXPIRED",
            message=f"the caller's claims are older than {LIFETIME_S} s or from the future; the services' clocks may differ",
        )
