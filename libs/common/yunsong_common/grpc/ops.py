"""The operator's view of a service's consumers, as gRPC; every service has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yunsong.ops.v1 import ops_pb2, ops_pb2_grpc
from yunsong_common.bus.connection import Bus
from yunsong_common.bus.consumer import Consumer
from yunsong_common.bus.dead_letters import DeadLetter, list_dead_letters, replay_dead_letter
from yunsong_common.db.database import Database
from yunsong_common.db.migrations import schema_state
from yunsong_common.errors import InvalidArgument, NotFound
from yunsong_common.ids import is_uuid


class OpsServicer(ops_pb2_grpc.OpsServiceServicer):
    """Dead letters and heads of one service."""

    def __init__(self, database: Database, consumers: Sequence[Consumer], bus: Bus, version: str) -> None:
        self._database = database
        self._consumers = consumers
        self._bus = bus
        self._version = version

    async def ListDeadLetters(
        self, request: ops_pb2.ListDeadLettersRequest, _context: Any
    ) -> ops_pb2.ListDeadLettersResponse:
        """Lists what was given up."""
        size = request.page_size or 50
        found = await list_dead_letters(
            self._database, limit=size + 1, after=_after(request.page_token), waiting=request.include_waiting
        )
        page = found[:size]
        token = f"{page[-1].event_id}/{page[-1].consumer}" if len(found) > size else ""
        return ops_pb2.ListDeadLettersResponse(
            dead_letters=[_message(item) for item in page], next_page_token=token
        )

    async def ReplayDeadLetter(
        self, request: ops_pb2.ReplayDeadLetterRequest, _context: Any
    ) -> ops_pb2.ReplayDeadLetterResponse:
        """Makes one due at once."""
        if not await replay_dead_letter(self._database, request.consumer, request.event_id):
            raise NotFound(
                reason="DEAD_LETTER_UNKNOWN",
                message=f"consumer {request.consumer} has no dead letter {request.event_id}",
            )
        return ops_pb2.ReplayDeadLetterResponse()

    async def GetHeads(self, _request: ops_pb2.GetHeadsRequest, _context: Any) -> ops_pb2.GetHeadsResponse:
        """Counts what waits."""
        schema = self._database.schema
        async with self._database.read() as tx:
            counts = await tx.raw.fetch(
                "SELECT consumer, split_part(subject, '.', 2) AS package, count(*) FILTER (WHERE dead_at IS NULL) AS waiting, "  # noqa: S608
                f'count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead FROM "{schema}".dead_letters GROUP BY 1, 2'
            )
            unpublished = await tx.raw.fetchval(
                f'SELECT count(*) FROM "{schema}".outbox WHERE published_at IS NULL'  # noqa: S608
            )
            server = await tx.raw.fetchval("SHOW server_version")
        by_consumer = {(row["consumer"], f"YUNSONG_{row['package'].upper()}"): row for row in counts}
        heads = []
        for consumer in sorted(self._consumers, key=lambda item: (item.name, item.stream)):
            row = by_consumer.get((consumer.name, consumer.stream))
            heads.append(
                ops_pb2.ConsumerHead(
                    consumer=consumer.name,
                    stream=consumer.stream,
                    pending=await consumer.pending(),
                    waiting=row["waiting"] if row else 0,
                    dead=row["dead"] if row else 0,
                )
            )
        state = await schema_state(self._database)
        return ops_pb2.GetHeadsResponse(
            heads=heads,
            unpublished=unpublished,
            version=self._version,
            schema_version=state.current if state else 0,
            # Distributions add their own name: "16.4 (Debian 16.4-1)".
            database_version=server.split(" ")[0],
            nats_connected=self._bus.connected,
        )


def _after(token: str) -> tuple[str, str] | None:
    if not token:
        return None
    event_id, _, consumer = token.partition("/")
    if not is_uuid(event_id):
        raise InvalidArgument(
            reason="PAGE_TOKEN_INVALID", message="page_token is not one that this method gave"
        )
    return event_id, consumer


def _message(item: DeadLetter) -> ops_pb2.DeadLetter:
    message = ops_pb2.DeadLetter(
        consumer=item.consumer,
        event_id=item.event_id,
        subject=item.subject,
        attempts=item.attempts,
        error=item.error,
    )
    message.first_failed_at.FromDatetime(item.first_failed_at)
    if item.next_attempt_at is not None:
        message.next_attempt_at.FromDatetime(item.next_attempt_at)
    if item.dead_at is not None:
        message.dead_at.FromDatetime(item.dead_at)
    return message
