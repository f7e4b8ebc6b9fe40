"""`DispatchService`."""

from __future__ import annotations

from dataclasses import dataclass

from yunsong.router.v1 import events_pb2, model_pb2, router_pb2, router_pb2_grpc
from yunsong_common.db import Database
from yunsong_common.grpc import current_principal
from yunsong_router import wire
from yunsong_router.handlers import boards
from yunsong_router.handlers.dispatching import Asker, Dispatch


@dataclass
class DispatchService(router_pb2_grpc.DispatchServiceServicer):
    """Moves of work items by people."""

    database: Database
    dispatch: Dispatch

    async def AcceptOffer(
        self, request: router_pb2.AcceptOfferRequest, context: object
    ) -> model_pb2.WorkItem:
        """Accepts an offer."""
        return wire.work_item(await self.dispatch.accept(request.work_item_id, _asker()))

    async def DeclineOffer(
        self, request: router_pb2.DeclineOfferRequest, context: object
    ) -> model_pb2.WorkItem:
        """Declines an offer."""
        return wire.work_item(await self.dispatch.decline(request.work_item_id, _asker(), request.reason))

    async def PickConversation(
        self, request: router_pb2.PickConversationRequest, context: object
    ) -> model_pb2.WorkItem:
        """Takes a waiting conversation out of turn."""
        return wire.work_item(await self.dispatch.pick(request.conversation_id, _asker()))

    async def TransferConversation(
        self, request: router_pb2.TransferConversationRequest, context: object
    ) -> model_pb2.WorkItem:
        """Gives a conversation to another queue or agent."""
        item = await self.dispatch.transfer(
            request.conversation_id,
            _asker(),
            queue_id=request.queue_id,
            agent_id=request.agent_id,
            note=request.note,
        )
        return wire.work_item(item)

    async def TakeOverConversation(
        self, request: router_pb2.TakeOverConversationRequest, context: object
    ) -> model_pb2.WorkItem:
        """Takes a conversation over from its agent."""
        return wire.work_item(await self.dispatch.take_over(request.conversation_id, _asker()))

    async def GetWait(self, request: router_pb2.GetWaitRequest, context: object) -> events_pb2.QueuePosition:
        """Where a conversation stands in its queue."""
        async with self.database.read() as tx:
            return await boards.position(tx, request.conversation_id)

    async def AssignStarted(
        self, request: router_pb2.AssignStartedRequest, context: object
    ) -> model_pb2.WorkItem:
        """Gives a conversation to the agent who starts it."""
        item = await self.dispatch.assign_started(
            request.conversation_id, request.agent_id, request.channel, request.contact_name, request.epoch
        )
        return wire.work_item(item)


def _asker() -> Asker:
    principal = current_principal()
    return Asker(
        principal.actor_id, principal.display_name, "conversation.supervise" in principal.permissions
    )
