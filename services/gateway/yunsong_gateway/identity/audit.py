"""The audit log: every operation that the contract marks as audited, before it runs and with its outcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from google.protobuf.message import Message

from yunsong.auth.v1 import principal_pb2
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import YunsongError
from yunsong_common.ids import new_id
from yunsong_gateway.transcoding.binding import Binding
from yunsong_gateway.transcoding.encode import Encoders

_STARTED = "started"  # stays when the process died before the outcome was known
_MAX_REQUEST = 32_768


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of `audit_entries`."""

    id: str
    occurred_at: dt.datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    operation: str
    resource: dict[str, str]
    request: dict[str, Any]
    outcome: str
    client_address: str


class AuditLog:
    """Runs audited calls. The line is written first: what cannot be logged is not done."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def audited(
        self,
        principal: principal_pb2.Principal,
        binding: Binding,
        message: Message,
        invoke: Callable[[], Awaitable[Message]],
    ) -> Message:
        entry_id = UUID(new_id())
        await self._begin(entry_id, principal, binding, message)
        try:
            answer = await invoke()
        except YunsongError as error:
            await self._end(entry_id, error.reason)
            raise
        await self._end(entry_id, "ok")
        return answer

    async def _begin(
        self, entry_id: UUID, principal: principal_pb2.Principal, binding: Binding, message: Message
    ) -> None:
        request = Encoders(binding.learned.contract).encode(message)
        resource = {name: str(_value_at(message, name)) for name, _, _ in binding.template.variables}
        body = orjson.dumps(request)
        if len(body) > _MAX_REQUEST:
            body = orjson.dumps({"truncated": body[:_MAX_REQUEST].decode(errors="replace")})
        kind = principal_pb2.ActorKind.Name(principal.kind).removeprefix("ACTOR_KIND_").lower()
        async with self._database.transaction() as tx:
            await tx.raw.execute(
                "INSERT INTO audit_entries (id, occurred_at, actor_kind, actor_id, actor_name, operation, resource, "
                "request, outcome, client_address) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9, $10)",
                entry_id,
                await tx.now(),
                kind,
                principal.actor_id,
                principal.display_name,
                binding.rpc[1:],
                orjson.dumps(resource).decode(),
                body.decode(),
                _STARTED,
                principal.client_address,
            )

    async def _end(self, entry_id: UUID, outcome: str) -> None:
        async with self._database.transaction() as tx:
            await tx.raw.execute("UPDATE audit_entries SET outcome = $2 WHERE id = $1", entry_id, outcome)


def _value_at(message: Any, path: str) -> Any:
    for name in path.split("."):
        message = getattr(message, name)
    return message


async def page(
    tx: Transaction, *, before: str | None, actor_id: str, operation: str, size: int
) -> list[Entry]:
    """Entries, newest first, older than the entry `before`."""
    pattern = "%" + operation.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = await tx.raw.fetch(
        "SELECT id, occurred_at, actor_kind, actor_id, actor_name, operation, resource::text, request::text, outcome, "
        "client_address FROM audit_entries WHERE ($1::uuid IS NULL OR id < $1) AND ($2 = '' OR actor_id = $2) "
        "AND ($3 = '%%' OR operation ILIKE $3) ORDER BY id DESC LIMIT $4",
        UUID(before) if before else None,
        actor_id,
        pattern,
        size,
    )
    return [
        Entry(
            **{
                **dict(row),
                "id": str(row["id"]),
                "resource": orjson.loads(row["resource"]),
                "request": orjson.loads(row["request"]),
            }
        )
        for row in rows
    ]
