"""Sessions of staff: sign-in with lock-out, refresh tokens that rotate, ends that close sockets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from yunsong.gateway.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_common.errors import NotFound, ResourceExhausted, Unauthenticated
from yunsong_common.ids import new_id
from yunsong_gateway.identity.vault import new_token, token_hash

_FREE_FAILURES = 5  # wrong sign-ins of one name before it waits
_LOCK_S, _MAX_LOCK_S = 30.0, 900.0  # the first wait; it doubles with every further failure
_LOST_ANSWER_S = 30.0  # so long may a refresh whose answer was lost be repeated
_FORGET_S = 3600.0  # after so long without a failure the count starts again


@dataclass(frozen=True, slots=True)
class Session:
    """One row of `sessions`."""

    id: str
    user_id: str
    created_at: dt.datetime
    renewed_at: dt.datetime
    client_address: str
    user_agent: str


async def check_not_locked(tx: Transaction, keys: list[str]) -> None:
    """Raises ResourceExhausted / TOO_MANY_ATTEMPTS while a name or an address has to wait."""
    now = await tx.now()
    until = await tx.raw.fetchval("SELECT max(locked_until) FROM sign_in_failures WHERE key = ANY ($1)", keys)
    if until is not None and until > now:
        wait = (until - now).total_seconds()
        raise ResourceExhausted(
            reason="TOO_MANY_ATTEMPTS",
            message=f"Too many wrong sign-ins; try again in {wait:.0f} s.",
            retry_after_s=wait,
        )


async def count_failure(tx: Transaction, key: str, free: int = _FREE_FAILURES) -> None:
    """Counts a wrong sign-in of a key (a name, an address); beyond `free` it has to wait, longer each time."""
    now = await tx.now()
    failures = await tx.raw.fetchval(
        "INSERT INTO sign_in_failures (key, failures, last_at) VALUES ($1, 1, $2) ON CONFLICT (key) DO UPDATE SET "
        "failures = CASE WHEN sign_in_failures.last_at < $3 THEN 1 ELSE sign_in_failures.failures + 1 END, last_at = $2 "
        "RETURNING failures",
        key,
        now,
        now - dt.timedelta(seconds=_FORGET_S),
    )
    if failures > free:
        wait = min(_LOCK_S * 2 ** min(failures - free - 1, 10), _MAX_LOCK_S)
        await tx.raw.execute(
            "UPDATE sign_in_failures SET locked_until = $2 WHERE key = $1",
            key,
            now + dt.timedelta(seconds=wait),
        )


async def forget_failures(tx: Transaction, key: str) -> None:
    await tx.raw.execute("DELETE FROM sign_in_failures WHERE key = $1", key)


async def begin(
    tx: Transaction, user_id: str, *, client_address: str, user_agent: str, lifetime: dt.timedelta
) -> tuple[str, str]:
    """Begins a session: (its id, the first refresh token)."""
    session_id = new_id()
    now = await tx.now()
    await tx.raw.execute(
        "INSERT INTO sessions (id, user_id, created_at, renewed_at, expires_at, client_address, user_agent) "
        "VALUES ($1, $2, $3, $3, $4, $5, $6)",
        UUID(session_id),
        UUID(user_id),
        now,
        now + lifetime,
        client_address[:100],
        user_agent[:300],
    )
    await tx.raw.execute("UPDATE users SET last_sign_in_at = $2 WHERE id = $1", UUID(user_id), now)
    return session_id, await _new_refresh_token(tx, session_id, now)


async def _new_refresh_token(tx: Transaction, session_id: str, now: dt.datetime) -> str:
    token = new_token()
    await tx.raw.execute(
        "INSERT INTO refresh_tokens (hash, session_id, created_at) VALUES ($1, $2, $3)",
        token_hash(token),
        UUID(session_id),
        now,
    )
    return token


class RefreshTokenReused(Unauthenticated):
    """A refresh token came twice: one of the two is a thief, so the session ends. Its effect must be committed."""


async def rotate(tx: Transaction, refresh_token: str, lifetime: dt.timedelta) -> tuple[str, str, str] | None:
    """Uses a refresh token once: (session id, user id, the next token), or None when it was used before.

    In that case the session has been ended in this transaction. A client whose answer was lost, as a page's is that is reloaded at
    that moment, may come once more with the same token for half a minute, as long as nobody used what it should have got: that
    one is void then, so there is never more than one way on. Raises Unauthenticated / REFRESH_TOKEN_INVALID.
    """
    now = await tx.now()
    row = await tx.raw.fetchrow(
        "SELECT t.used_at, s.id, s.user_id, s.ended_at, s.expires_at, "
        "EXISTS (SELECT 1 FROM refresh_tokens n WHERE n.session_id = s.id AND n.used_at > t.used_at) AS went_on "
        "FROM refresh_tokens t "
        "JOIN sessions s ON s.id = t.session_id WHERE t.hash = $1 FOR UPDATE OF s, t",
        token_hash(refresh_token),
    )
    if row is None or row["ended_at"] is not None or row["expires_at"] <= now:
        raise Unauthenticated(
            reason="REFRESH_TOKEN_INVALID", message="The refresh token is not valid; sign in again."
        )
    session_id, user_id = str(row["id"]), str(row["user_id"])
    if row["used_at"] is not None and (
        row["went_on"] or now - row["used_at"] > dt.timedelta(seconds=_LOST_ANSWER_S)
    ):
        await end(tx, user_id, session_id=session_id, reason="refresh_token_reused")
        return None
    # The token itself, and one that its first use made and that never arrived.
    await tx.raw.execute(
        "UPDATE refresh_tokens SET used_at = $2 WHERE session_id = $1 AND used_at IS NULL", row["id"], now
    )
    await tx.raw.execute(
        "UPDATE sessions SET renewed_at = $2, expires_at = $3 WHERE id = $1", row["id"], now, now + lifetime
    )
    return session_id, user_id, await _new_refresh_token(tx, session_id, now)


async def end(tx: Transaction, user_id: str, *, session_id: str = "", but: str = "", reason: str) -> int:
    """Ends one session of a user, or all but one; their sockets close once this commits. How many ended."""
    rows = await tx.raw.fetch(
        "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE user_id = $1 AND ended_at IS NULL "
        "AND ($4::uuid IS NULL OR id = $4) AND ($5::uuid IS NULL OR id <> $5) RETURNING id",
        UUID(user_id),
        await tx.now(),
        reason,
        UUID(session_id) if session_id else None,
        UUID(but) if but else None,
    )
    for row in rows:
        tx.publish_after_commit(
            events_pb2.AccessRevoked(actor_id=user_id, session_id=str(row["id"]), reason=reason)
        )
    return len(rows)


async def end_own(tx: Transaction, user_id: str, session_id: str) -> None:
    """Raises NotFound / SESSION_UNKNOWN."""
    if not await end(tx, user_id, session_id=session_id, reason="revoked"):
        raise NotFound(reason="SESSION_UNKNOWN", message=f"There is no session {session_id} of yours.")


async def live(tx: Transaction, user_id: str) -> list[Session]:
    rows = await tx.raw.fetch(
        "SELECT id, user_id, created_at, renewed_at, client_address, user_agent FROM sessions "
        "WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 ORDER BY created_at DESC LIMIT 200",
        UUID(user_id),
        await tx.now(),
    )
    return [_session(row) for row in rows]


def _session(row: Any) -> Session:
    values = dict(row)
    return Session(**{**values, "id": str(values["id"]), "user_id": str(values["user_id"])})


async def ended_among(tx: Transaction, session_ids: Collection[str]) -> set[str]:
    """Those of these sessions and API keys that have ended."""
    rows = await tx.raw.fetch(
        "SELECT id FROM sessions WHERE id = ANY ($1) AND ended_at IS NULL UNION ALL SELECT id FROM api_keys WHERE id = ANY ($1)",
        [UUID(one) for one in session_ids],
    )
    return set(session_ids) - {str(row["id"]) for row in rows}


async def prune(tx: Transaction, *, keep: dt.timedelta) -> None:
    """Forgets sessions that ended or ran out longer ago than `keep`, and old failures."""
    now = await tx.now()
    await tx.raw.execute("DELETE FROM sessions WHERE expires_at < $1 OR ended_at < $1", now - keep)
    await tx.raw.execute("DELETE FROM sign_in_failures WHERE last_at < $1", now - keep)
    await tx.raw.execute("DELETE FROM refresh_tokens WHERE used_at < $1", now - keep)
