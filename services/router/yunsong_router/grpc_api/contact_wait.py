"""`ContactWaitService`."""

from __future__ import annotations

from dataclasses import dataclass

from yunsong.conversation.v1 import contact_door_pb2, contact_door_pb2_grpc
from yunsong.router.v1 import events_pb2, router_pb2, router_pb2_grpc
from yunsong_common.db import Database
from yunsong_common.grpc import Channels, current_principal
from yunsong_router.handlers import boards


@dataclass
class ContactWaitService(router_pb2_grpc.ContactWaitServiceServicer):
    """A contact's own wait."""

    database: Database
    channels: Channels

    async def GetMyWait(
        self, request: router_pb2.GetMyWaitRequest, context: object
    ) -> events_pb2.QueuePosition:
        """Where the contact's own conversation stands in its queue."""
        # Whose conversation it is, only its owner knows: it answers in the contact's name, or refuses.
        await contact_door_pb2_grpc.ContactConversationServiceStub(
            self.channels.conversation
        ).GetMyConversation(
            contact_door_pb2.GetMyConversationRequest(conversation_id=request.conversation_id),
            metadata=self.channels.as_principal(current_principal()),
        )
        async with self.database.read() as tx:
            return await boards.position(tx, request.conversation_id)
