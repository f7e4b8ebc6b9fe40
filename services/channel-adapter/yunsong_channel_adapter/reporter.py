"""Tells the conversation service how far outgoing messages have come, in batches, until it has accepted each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import grpc

from yunsong.conversation.v1 import internal_pb2, internal_pb2_grpc, message_pb2
from yunsong_channel_adapter.repository import reports
from yunsong_channel_adapter.repository.reports import Report
from yunsong_common.db import Database
from yunsong_common.errors import InvalidArgument

LOG = logging.getLogger(__name__)

_BATCH = 500
_SOON_S, _IDLE_S = 0.02, 1.0


class Reporter:
    """Reads reports, sends them, deletes them. Sending one twice does no harm: a state never goes back."""

    def __init__(self, database: Database, channel: grpc.aio.Channel) -> None:
        self._database = database
        self._stub = internal_pb2_grpc.ConversationInternalServiceStub(channel)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Says that there may be something to report."""
        self._wake.set()

    async def run(self) -> None:
        """Runs until cancelled; an error ends it, and the runtime starts it again after a pause."""
        pause = _SOON_S
        while True:
            woken = self._wake.is_set()
            self._wake.clear()
            sent = await self.report()
            pause = _SOON_S if woken or sent else min(pause * 2, _IDLE_S)
            if sent == _BATCH:
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def report(self) -> int:
        """Sends one batch; returns how many reports it held."""
        async with self._database.read() as tx:
            batch = await reports.oldest(tx, _BATCH)
        if batch:
            await self._send(batch)
        return len(batch)

    async def _send(self, batch: Sequence[Report]) -> None:
        try:
            await self._stub.SetDeliveryStates(
                internal_pb2.SetDeliveryStatesRequest(reports=[_message(each) for each in batch])
            )
        except InvalidArgument as error:
            if len(batch) > 1:
                # One that is refused does not hold up the others.
                for each in batch:
                    await self._send([each])
                return
            LOG.error("a report is refused and dropped: %s", error, extra={"message_id": batch[0].message_id})  # noqa: TRY400
        async with self._database.transaction() as tx:
            await reports.delete(tx, batch)


def _message(report: Report) -> internal_pb2.DeliveryReport:
    return internal_pb2.DeliveryReport(
        conversation_id=report.conversation_id,
        message_id=report.message_id,
        delivery_state=message_pb2.DeliveryState.Value(f"DELIVERY_STATE_{report.state}"),
        error=report.error,
        external_id=report.external_id,
    )
