"""Reports."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from yunsong.qa.v1 import model_pb2, qa_pb2, qa_pb2_grpc
from yunsong_common.db import Database
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_qa import wire
from yunsong_qa.grpc_api import paging
from yunsong_qa.handlers.recording import rebuild
from yunsong_qa.repository import reports

_LONGEST = dt.timedelta(days=400)
_ZONE = "Asia/Shanghai"
_COUNTS = (
    "conversations", "bot_resolved", "handoffs", "assigned", "abandoned", "resolved", "csat_count", "inspections",
    "contact_messages", "agent_messages", "bot_messages", "transfers",
)  # fmt: skip
_MEASURES = (
    "abandonment_rate", "wait_avg_s", "wait_p90_s", "first_response_avg_s", "first_response_p90_s", "handling_avg_s",
    "service_level", "csat_avg", "inspection_avg",
)  # fmt: skip
_TIMES = ("wait_s", "first_response_s", "handling_s", "csat_score", "inspection_score")


class ReportServicer(qa_pb2_grpc.ReportServiceServicer):
    """Figures of conversations, alone and summed up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def GetSummary(self, request: qa_pb2.GetSummaryRequest, context: Any) -> model_pb2.Report:
        del context
        period = _period(request)
        async with self._database.read(snapshot=True) as tx:
            rows = await reports.summary(tx.raw, period, reports.Grouping(request.group_by))
            complete_until = await reports.complete_until(tx.raw)
        report = model_pb2.Report(rows=[_row(row, ZoneInfo(period.time_zone)) for row in rows])
        if complete_until is not None:
            report.complete_until.FromDatetime(complete_until)
        return report

    async def ListConversationFigures(
        self, request: qa_pb2.ListConversationFiguresRequest, context: Any
    ) -> qa_pb2.ListConversationFiguresResponse:
        del context
        size = paging.size(request.page_size)
        async with self._database.read() as tx:
            found = await reports.page(
                tx.raw,
                conversation_id=request.conversation_id,
                before=paging.place(request.page_token),
                limit=size + 1,
            )
        page = found[:size]
        return qa_pb2.ListConversationFiguresResponse(
            conversations=[_figures(row) for row in page],
            next_page_token=(
                paging.token(page[-1]["created_at"], str(page[-1]["conversation_id"]))
                if len(found) > size
                else ""
            ),
        )

    async def RebuildProjections(
        self, request: qa_pb2.RebuildProjectionsRequest, context: Any
    ) -> qa_pb2.RebuildProjectionsResponse:
        del request, context
        rebuilt = await rebuild(self._database)
        return qa_pb2.RebuildProjectionsResponse(facts=rebuilt.facts, conversations=rebuilt.conversations)


def _period(request: qa_pb2.GetSummaryRequest) -> reports.Period:
    start, end = wire.at(getattr(request, "from")), wire.at(request.to)
    problem = ""
    if end <= start:
        problem = "must be after `from`"
    elif end - start > _LONGEST:
        problem = f"must be at most {_LONGEST.days} days after `from`"
    if problem:
        raise InvalidArgument(
            reason="PERIOD_INVALID",
            message=f"to: {problem}",
            violations=[Violation("to", problem, "PERIOD_INVALID")],
        )
    return reports.Period(
        start=start,
        end=end,
        time_zone=request.time_zone or _ZONE,
        queue_id=request.queue_id,
        agent_id=request.agent_id,
        inbox_id=request.inbox_id,
    )


def _row(row: asyncpg.Record, zone: ZoneInfo) -> model_pb2.ReportRow:
    key = row["key"]
    if isinstance(key, dt.datetime):
        # With the offset, so that the hour that a clock change repeats has two keys.
        key = key.astimezone(zone).isoformat(timespec="minutes")
    values: dict[str, Any] = {name: row[name] or 0 for name in _COUNTS}
    values |= {name: float(row[name] or 0) for name in _MEASURES}
    return model_pb2.ReportRow(key=key, name=row["name"], **values)


def _figures(row: asyncpg.Record) -> model_pb2.ConversationFigures:
    figures = model_pb2.ConversationFigures(
        conversation_id=str(row["conversation_id"]),
        queue_id=str(row["queue_id"] or ""),
        agent_id=str(row["agent_id"] or ""),
        inbox_id=str(row["inbox_id"] or ""),
        wrap_up_category=row["category"],
        handed_off=row["handed_off"],
        abandoned=row["abandoned"],
        messages=row["messages"],
        transfers=row["transfers"],
        **{name: row[name] for name in _TIMES if row[name] is not None},
    )
    figures.created_at.FromDatetime(row["created_at"])
    if row["resolved_at"] is not None:
        figures.resolved_at.FromDatetime(row["resolved_at"])
    return figures
