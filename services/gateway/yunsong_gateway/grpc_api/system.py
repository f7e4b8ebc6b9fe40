"""SystemService: the audit log, the services' state, dead letters, descriptions of files."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.struct_pb2 import Struct

from yunsong.auth.v1 import principal_pb2
from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc, model_pb2
from yunsong.ops.v1 import ops_pb2, ops_pb2_grpc
from yunsong_common.db import Database
from yunsong_common.errors import NotFound, YunsongError
from yunsong_common.grpc import Channels, current_principal
from yunsong_common.settings import SERVICES
from yunsong_gateway.files.rights import FileRights
from yunsong_gateway.files.store import Files
from yunsong_gateway.grpc_api import pages
from yunsong_gateway.identity import audit
from yunsong_gateway.times import stamp

_ASK_S = 3.0


class SystemApi(gateway_pb2_grpc.SystemServiceServicer):
    """See gateway.proto."""

    def __init__(
        self,
        database: Database,
        channels: Channels,
        files: Files,
        rights: FileRights,
        *,
        public_url: str,
        version: str,
    ) -> None:
        self._database = database
        self._channels = channels
        self._files = files
        self._rights = rights
        self._public_url = public_url.rstrip("/")
        self._version = version

    async def ListAuditEntries(
        self, request: gateway_pb2.ListAuditEntriesRequest, context: Any
    ) -> gateway_pb2.ListAuditEntriesResponse:
        size = request.page_size or pages.DEFAULT_SIZE
        async with self._database.read() as tx:
            found = await audit.page(
                tx,
                before=pages.after(request.page_token) or None,
                actor_id=request.actor_id,
                operation=request.operation,
                size=size + 1,
            )
        return gateway_pb2.ListAuditEntriesResponse(
            audit_entries=[_audit_message(entry) for entry in found[:size]],
            next_page_token=pages.token(found[size - 1].id) if len(found) > size else "",
        )

    async def GetSystemState(
        self, request: gateway_pb2.GetSystemStateRequest, context: Any
    ) -> gateway_pb2.SystemState:
        states = await asyncio.gather(*(self._state_of(service) for service in SERVICES))
        return gateway_pb2.SystemState(version=self._version, services=states)

    async def _state_of(self, service: str) -> gateway_pb2.ServiceState:
        try:
            heads = await self._ops(service).GetHeads(ops_pb2.GetHeadsRequest(), timeout=_ASK_S)
        except YunsongError as error:
            return gateway_pb2.ServiceState(name=service, ready=False, error=error.reason)
        return gateway_pb2.ServiceState(
            name=service,
            version=heads.version,
            ready=True,
            consumers=[
                gateway_pb2.ConsumerState(
                    name=f"{head.consumer}/{head.stream}", pending=min(head.pending, 2**32 - 1)
                )
                for head in heads.heads
            ],
            dead_letters=min(sum(head.dead for head in heads.heads), 2**32 - 1),
            outbox_pending=min(heads.unpublished, 2**32 - 1),
            schema_version=heads.schema_version,
            nats_connected=heads.nats_connected,
            database_version=heads.database_version,
        )

    def _ops(self, service: str) -> ops_pb2_grpc.OpsServiceStub:
        if service not in SERVICES:
            raise NotFound(
                reason="SERVICE_UNKNOWN",
                message=f"There is no service {service!r}; there are {', '.join(SERVICES)}.",
            )
        return ops_pb2_grpc.OpsServiceStub(self._channels.to(service))

    async def ListDeadLetters(
        self, request: gateway_pb2.ListDeadLettersRequest, context: Any
    ) -> gateway_pb2.ListDeadLettersResponse:
        answer = await self._ops(request.service).ListDeadLetters(
            ops_pb2.ListDeadLettersRequest(page_size=request.page_size, page_token=request.page_token)
        )
        return gateway_pb2.ListDeadLettersResponse(
            dead_letters=[
                gateway_pb2.DeadLetter(
                    id=letter.event_id,
                    consumer=letter.consumer,
                    subject=letter.subject,
                    attempts=letter.attempts,
                    error=letter.error,
                    created_at=letter.dead_at,
                )
                for letter in answer.dead_letters
            ],
            next_page_token=answer.next_page_token,
        )

    async def ReplayDeadLetter(
        self, request: gateway_pb2.ReplayDeadLetterRequest, context: Any
    ) -> gateway_pb2.ReplayDeadLetterResponse:
        listed = await self._find_letter(request.service, request.dead_letter_id)
        await self._ops(request.service).ReplayDeadLetter(
            ops_pb2.ReplayDeadLetterRequest(consumer=listed.consumer, event_id=listed.event_id),
            metadata=self._channels.as_principal(current_principal()),
        )
        return gateway_pb2.ReplayDeadLetterResponse()

    async def _find_letter(self, service: str, event_id: str) -> ops_pb2.DeadLetter:
        """The dead letter of an event: its id is the event's."""
        token = ""
        while True:
            answer = await self._ops(service).ListDeadLetters(
                ops_pb2.ListDeadLettersRequest(page_size=200, page_token=token)
            )
            for letter in answer.dead_letters:
                if letter.event_id == event_id:
                    return letter
            token = answer.next_page_token
            if not token:
                raise NotFound(reason="DEAD_LETTER_UNKNOWN", message=f"There is no dead letter {event_id}.")

    async def GetFile(self, request: gateway_pb2.GetFileRequest, context: Any) -> model_pb2.File:
        principal = current_principal()
        file = self._files.message(await self._rights.readable(principal, request.file_id))
        if principal.kind == principal_pb2.ACTOR_KIND_SERVICE:
            # Services hand the address on to others, who know nothing of a path alone.
            file.url = f"{self._public_url}{file.url}"
        return file


def _audit_message(entry: audit.Entry) -> model_pb2.AuditEntry:
    request = Struct()
    request.update(entry.request)
    return model_pb2.AuditEntry(
        id=entry.id,
        occurred_at=stamp(entry.occurred_at),
        actor_kind=entry.actor_kind,
        actor_id=entry.actor_id,
        actor_name=entry.actor_name,
        operation=entry.operation,
        resource=entry.resource,
        request=request,
        outcome=entry.outcome,
        client_address=entry.client_address,
    )
