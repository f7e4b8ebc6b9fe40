"""The conversation service over gRPC."""

from __future__ import annotations

from dataclasses import dataclass

from yunsong.conversation.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    internal_pb2,
    internal_pb2_grpc,
    model_pb2,
)
from yunsong_common.errors import Kind, NotFound, YunsongError
from yunsong_common.grpc import Channels
from yunsong_router.facts import fact_of
from yunsong_router.handlers.intake import Fact
from yunsong_router.repository.commands import Command

# Shorter than a command's claim, so that nobody else sends it while this one waits.
_TIMEOUT_S = 5.0
_STATES = {
    "queued": model_pb2.CONVERSATION_STATE_QUEUED,
    "off_hours": model_pb2.CONVERSATION_STATE_OFF_HOURS,
    "resolved": model_pb2.CONVERSATION_STATE_RESOLVED,
}


@dataclass(slots=True)
class GrpcConversations:
    """The adapter behind `handlers.conversations.Conversations`."""

    channels: Channels

    async def assign(self, command: Command) -> int:
        """SetAssignment."""
        response = await self._internal().SetAssignment(
            internal_pb2.SetAssignmentRequest(
                conversation_id=command.conversation_id,
                assignment_id=command.id,
                epoch=command.epoch,
                agent_id=command.agent_id or "",
                agent_name=command.agent_name,
                queue_id=command.queue_id or "",
                reason=command.reason,
                actor_id=command.actor_id or "",
            ),
            timeout=_TIMEOUT_S,
        )
        return response.rev

    async def move(self, command: Command, *, note: str = "", required_agent_id: str = "") -> tuple[int, int]:
        """MoveConversation."""
        response = await self._internal().MoveConversation(
            internal_pb2.MoveConversationRequest(
                conversation_id=command.conversation_id,
                to_state=_STATES[command.to_state],
                epoch=command.epoch,
                reason=command.reason,
                queue_id=command.queue_id or "",
                queue_name=command.queue_name,
                required_agent_id=required_agent_id,
                actor_id=command.actor_id or "",
                note=note,
                command_id=command.id,
            ),
            timeout=_TIMEOUT_S,
        )
        return response.rev, response.epoch

    async def read(self, conversation_id: str) -> Fact | None:
        """GetConversation."""
        stub = conversation_pb2_grpc.ConversationServiceStub(self.channels.conversation)
        try:
            conversation = await stub.GetConversation(
                conversation_pb2.GetConversationRequest(conversation_id=conversation_id), timeout=_TIMEOUT_S
            )
        except NotFound:
            return None
        except YunsongError as error:
            if error.kind is Kind.PERMISSION_DENIED:
                return None
            raise
        return fact_of(conversation, "refused")

    def _internal(self) -> internal_pb2_grpc.ConversationInternalServiceStub:
        return internal_pb2_grpc.ConversationInternalServiceStub(self.channels.conversation)
