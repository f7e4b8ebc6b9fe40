"""The `Idempotency-Key`: a repeated call gives the first answer, another body under the same key is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import Column, DateTime, Index, LargeBinary, MetaData, Table, Text, func

from yunsong_common.db.database import Transaction
from yunsong_common.errors import Aborted, InvalidArgument

R = TypeVar("R", bound=Message)


def idempotency_table(metadata: MetaData) -> Table:
    """Declares `idempotency_keys` in a service's metadata."""
    return Table(
        "idempotency_keys",
        metadata,
        Column("principal", Text, primary_key=True),
        Column("method", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("request_hash", LargeBinary, nullable=False),
        Column("response", LargeBinary),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("idempotency_keys_created_at", "created_at"),
    )


async def once(
    tx: Transaction,
    *,
    key: str,
    principal: str,
    method: str,
    request: Message,
    response: type[R],
    effect: Callable[[], Awaitable[R]],
) -> R:
    """Runs `effect` unless this principal already called this method under this key; then gives the stored answer.

    Everything is in the transaction `tx`, so key and effect stand or fall together. An empty `key` just runs the effect. Raises
    `InvalidArgument` (IDEMPOTENCY_KEY_REUSED) for another body and `Aborted` while the first call is still running.
    """
    if not key:
        return await effect()
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    inserted = await tx.raw.fetchval(
        "INSERT INTO idempotency_keys (principal, method, key, request_hash) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING RETURNING 1",
        principal, method, key, digest,
    )  # fmt: skip
    if inserted is None:
        return await _stored(tx, principal, method, key, digest, response)
    answer = await effect()
    await tx.raw.execute(
        "UPDATE idempotency_keys SET response = $4 WHERE principal = $1 AND method = $2 AND key = $3",
        principal, method, key, answer.SerializeToString(),
    )  # fmt: skip
    return answer


async def _stored(
    tx: Transaction, principal: str, method: str, key: str, digest: bytes, response: type[R]
) -> R:
    row = await tx.raw.fetchrow(
        "SELECT request_hash, response FROM idempotency_keys WHERE principal = $1 AND method = $2 AND key = $3",
        principal, method, key,
    )  # fmt: skip
    if row is None or row["response"] is None:
        raise Aborted(
            reason="IDEMPOTENCY_KEY_IN_USE",
            message="a call with this Idempotency-Key is still running; try again",
            retry_after_s=1.0,
        )
    if row["request_hash"] != digest:
        raise InvalidArgument(
            reason="IDEMPOTENCY_KEY_REUSED",
            message="this Idempotency-Key was used for another request; use a new key for a new request",
        )
    return response.FromString(row["response"])
