"""From a bearer token to a principal, with a short memory in front of PostgreSQL.

An end of a session or a change of rights is heard on the bus and forgets what it is about at once; without the bus it takes at
most `remember_s`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from yunsong.auth.v1 import principal_pb2
from yunsong.gateway.v1 import events_pb2
from yunsong_common.bus import LiveMessage
from yunsong_common.db import Database
from yunsong_common.errors import Unauthenticated
from yunsong_gateway.identity import accounts, api_keys
from yunsong_gateway.identity.roles import Permissions
from yunsong_gateway.identity.tokens import ContactClaims, StaffClaims, Tokens
from yunsong_gateway.identity.vault import token_hash

_MAX_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token is."""

    principal: principal_pb2.Principal
    expires_at: float = 0.0  # seconds since the epoch; 0 = while the session or key lives
    rate_per_minute: int = 0  # an API key's own limit
    external_id: str = ""  # a contact's identity in its inbox
    password_change_required: bool = False  # until then it may do next to nothing


class Authenticator:
    """Reads tokens of staff, contacts and integrations."""

    def __init__(
        self, database: Database, tokens: Tokens, permissions: Permissions, *, remember_s: float = 15.0
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._permissions = permissions
        self._remember_s = remember_s
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    async def identify(self, token: str) -> Identity:
        """Raises Unauthenticated for a token that is wrong, has ended or was revoked."""
        if token.startswith(api_keys.MARK):
            return await self._api_key(token)
        claims = self._tokens.read(token)
        if isinstance(claims, ContactClaims):
            return _contact(claims)
        return await self._staff(claims)

    def on_revoked(self, message: LiveMessage) -> None:
        """Forgets whoever's access was revoked."""
        actor_id = message.parse(events_pb2.AccessRevoked).actor_id
        for key, (_, identity) in list(self._known.items()):
            if identity.principal.actor_id == actor_id:
                del self._known[key]

    def forget_all(self) -> None:
        """After a reconnect to the bus: a revocation may have been missed."""
        self._known.clear()

    async def _staff(self, claims: StaffClaims) -> Identity:
        known = self._remembered(claims.session_id)
        if known is not None:
            return known
        async with self._database.read() as tx:
            row = await tx.raw.fetchrow(
                "SELECT u.display_name, u.roles, u.password_change_required FROM sessions s JOIN users u ON u.id = s.user_id "
                "WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND u.enabled",
                UUID(claims.session_id),
                UUID(claims.user_id),
            )
            if row is None:
                raise Unauthenticated(reason="SESSION_ENDED", message="The session has ended; sign in again.")
            held = await accounts.permissions_of(tx, row["roles"], self._permissions)
        principal = principal_pb2.Principal(
            kind=principal_pb2.ACTOR_KIND_STAFF,
            actor_id=claims.user_id,
            display_name=row["display_name"],
            permissions=sorted(held),
            session_id=claims.session_id,
        )
        if row["password_change_required"]:
            # Not remembered: the change opens the door at once, on every replica.
            return Identity(principal, password_change_required=True)
        return self._remember(claims.session_id, Identity(principal))

    async def _api_key(self, token: str) -> Identity:
        memory = token_hash(token).hex()
        known = self._remembered(memory)
        if known is not None:
            return known
        async with self._database.read() as tx:
            key = await api_keys.find(tx, token)
            if key is None:
                raise Unauthenticated(
                    reason="API_KEY_INVALID", message="The API key is not valid or has ended."
                )
            await api_keys.note_use(tx, key.id)
        principal = principal_pb2.Principal(
            kind=principal_pb2.ACTOR_KIND_API_KEY,
            actor_id=key.id,
            display_name=key.name,
            permissions=key.permissions,
            session_id=key.id,
        )
        return self._remember(memory, Identity(principal, rate_per_minute=key.rate_per_minute))

    def _remembered(self, key: str) -> Identity | None:
        known = self._known.get(key)
        if known is None or known[0] < time.monotonic():
            return None
        return known[1]

    def _remember(self, key: str, identity: Identity) -> Identity:
        self._known[key] = (time.monotonic() + self._remember_s, identity)
        self._known.move_to_end(key)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return identity


def _contact(claims: ContactClaims) -> Identity:
    principal = principal_pb2.Principal(
        kind=principal_pb2.ACTOR_KIND_CONTACT,
        actor_id=claims.contact_id,
        display_name=claims.name,
        inbox_id=claims.inbox_id,
        session_id=claims.session_id,
        verified=claims.verified,
    )
    return Identity(principal, expires_at=claims.expires_at, external_id=claims.external_id)


def anonymous() -> principal_pb2.Principal:
    return principal_pb2.Principal(kind=principal_pb2.ACTOR_KIND_ANONYMOUS)
