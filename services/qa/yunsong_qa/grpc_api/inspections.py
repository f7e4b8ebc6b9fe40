"""Inspections and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yunsong.qa.v1 import events_pb2, model_pb2, qa_pb2, qa_pb2_grpc
from yunsong_common.db import Database, Transaction
from yunsong_common.grpc import current_principal
from yunsong_qa import wire
from yunsong_qa.domain.inspections import Alert, Inspection
from yunsong_qa.grpc_api import paging
from yunsong_qa.handlers.inspecting import Inspector
from yunsong_qa.repository import alerts, facts, inspections


class InspectionServicer(qa_pb2_grpc.InspectionServiceServicer):
    """Reads from this service's own tables; a new inspection asks the conversation service."""

    def __init__(self, database: Database, inspector: Inspector) -> None:
        self._database = database
        self._inspector = inspector

    async def ListInspections(
        self, request: qa_pb2.ListInspectionsRequest, context: Any
    ) -> qa_pb2.ListInspectionsResponse:
        del context
        size = paging.size(request.page_size)
        async with self._database.read() as tx:
            found = await inspections.page(
                tx.raw,
                conversation_id=request.conversation_id,
                agent_id=request.agent_id,
                fatal_only=request.fatal_only,
                queue_id=request.queue_id,
                failed_only=request.failed_only,
                created_after=wire.at(request.created_after) if request.HasField("created_after") else None,
                created_before=wire.at(request.created_before)
                if request.HasField("created_before")
                else None,
                before=paging.place(request.page_token),
                limit=size + 1,
            )
            page = found[:size]
            names = await _names(tx, page)
        return qa_pb2.ListInspectionsResponse(
            inspections=[wire.inspection_to(one, names) for one in page],
            next_page_token=paging.token(page[-1].created_at, page[-1].id) if len(found) > size else "",
        )

    async def GetInspection(self, request: qa_pb2.GetInspectionRequest, context: Any) -> model_pb2.Inspection:
        del context
        async with self._database.read() as tx:
            inspection = await inspections.get(tx.raw, request.inspection_id)
            return wire.inspection_to(inspection, await _names(tx, [inspection]))

    async def InspectConversation(
        self, request: qa_pb2.InspectConversationRequest, context: Any
    ) -> model_pb2.Inspection:
        del context
        inspection = await self._inspector.inspect(request.conversation_id, request.scorecard_id)
        async with self._database.read() as tx:
            return wire.inspection_to(inspection, await _names(tx, [inspection]))

    async def ListAlerts(self, request: qa_pb2.ListAlertsRequest, context: Any) -> qa_pb2.ListAlertsResponse:
        del context
        size = paging.size(request.page_size)
        place = paging.place(request.page_token)
        async with self._database.read() as tx:
            found = await alerts.page(
                tx.raw,
                conversation_id=request.conversation_id,
                include_acknowledged=request.include_acknowledged,
                before=place[1] if place else "",
                limit=size + 1,
            )
            page = found[:size]
            names = await _names(tx, page)
        return qa_pb2.ListAlertsResponse(
            alerts=[wire.alert_to(alert, names) for alert in page],
            next_page_token=paging.token(page[-1].created_at, page[-1].id) if len(found) > size else "",
        )

    async def AcknowledgeAlert(
        self, request: qa_pb2.AcknowledgeAlertRequest, context: Any
    ) -> model_pb2.Alert:
        del context
        actor_id = current_principal().actor_id

        async def acknowledge(tx: Transaction) -> model_pb2.Alert:
            alert, changed = await alerts.acknowledge(tx.raw, request.alert_id, actor_id, await tx.now())
            if changed:
                tx.emit(events_pb2.AlertRaised(alert=wire.alert_to(alert)))
            return wire.alert_to(alert, await _names(tx, [alert]))

        return await self._database.run(acknowledge)


async def _names(tx: Transaction, found: Sequence[Alert | Inspection]) -> dict[str, str]:
    """What the agents and queues of these are called."""
    return await facts.names_of(tx.raw, (one for each in found for one in (each.agent_id, each.queue_id)))
