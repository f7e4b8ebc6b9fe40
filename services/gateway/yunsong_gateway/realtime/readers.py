"""How each kind of topic is read from its owner: also the check that a principal may see it."""

from __future__ import annotations

from yunsong.auth.v1.principal_pb2 import Principal
from yunsong.conversation.v1 import (
    contact_door_pb2,
    contact_door_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
)
from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.errors import PermissionDenied
from yunsong_common.grpc import Channels
from yunsong_gateway.realtime import events
from yunsong_gateway.realtime.topics import NEWEST, Page, ReadAfter

_PAGE = 500


class Readers:
    """Reads what a subscriber has missed, by RPC."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._conversations = conversation_pb2_grpc.ConversationServiceStub(channels.conversation)
        self._own = contact_door_pb2_grpc.ContactConversationServiceStub(channels.conversation)
        self._agents = router_pb2_grpc.AgentServiceStub(channels.router)
        self._queues = router_pb2_grpc.QueueServiceStub(channels.router)

    def of(self, kind: str, entity_id: str) -> ReadAfter:
        """What reads a topic of this kind on behalf of a principal."""
        readers = {
            "conversation": self._read_conversation,
            "contact": self._read_own,
            "feed": self._read_feed,
            "queue": self._read_board,
            "alerts": self._read_nothing,
        }
        read = readers[kind]
        return lambda principal, after: read(principal, entity_id, after)

    async def _read_conversation(self, principal: Principal, entity_id: str, after: int) -> Page:
        metadata = self._channels.as_principal(principal)
        if after == NEWEST:
            conversation = await self._conversations.GetConversation(
                conversation_pb2.GetConversationRequest(conversation_id=entity_id), metadata=metadata
            )
            return Page([], conversation.rev)
        answer = await self._conversations.ReadChanges(
            conversation_pb2.ReadChangesRequest(conversation_id=entity_id, after_rev=after, page_size=_PAGE),
            metadata=metadata,
        )
        entries = [events.staff_change(change) for change in answer.changes]
        return Page(entries, answer.head_rev, answer.snapshot_required)

    async def _read_own(self, principal: Principal, entity_id: str, after: int) -> Page:
        metadata = self._channels.as_principal(principal)
        if after == NEWEST:
            conversation = await self._own.GetMyConversation(
                contact_door_pb2.GetMyConversationRequest(conversation_id=entity_id), metadata=metadata
            )
            return Page([], conversation.public_rev)
        answer = await self._own.ReadMyChanges(
            contact_door_pb2.ReadMyChangesRequest(
                conversation_id=entity_id, after_public_rev=after, page_size=_PAGE
            ),
            metadata=metadata,
        )
        entries = [events.contact_change(change) for change in answer.changes]
        return Page(entries, answer.head_public_rev, answer.snapshot_required)

    async def _read_feed(self, principal: Principal, entity_id: str, after: int) -> Page:
        if entity_id != principal.actor_id:
            raise PermissionDenied(reason="FEED_OF_ANOTHER", message="A feed belongs to its agent alone.")
        answer = await self._agents.ReadMyFeed(
            router_pb2.ReadMyFeedRequest(after_rev=max(after, 0), page_size=1 if after == NEWEST else _PAGE),
            metadata=self._channels.as_principal(principal),
        )
        if after == NEWEST:
            return Page([], answer.head_rev)
        return Page(
            [events.feed_entry(entry) for entry in answer.entries], answer.head_rev, answer.snapshot_required
        )

    async def _read_board(self, principal: Principal, entity_id: str, after: int) -> Page:
        """Boards have no log: the read is the check of the permission."""
        del after
        request = router_pb2.GetBoardRequest(queue_id="" if entity_id == "*" else entity_id)
        await self._queues.GetBoard(request, metadata=self._channels.as_principal(principal))
        return Page([], 0)

    async def _read_nothing(self, principal: Principal, entity_id: str, after: int) -> Page:
        del entity_id, after
        if "alert.read" not in principal.permissions:
            raise PermissionDenied(
                reason="PERMISSION_MISSING",
                message="Alerts need the permission alert.read.",
                permission="alert.read",
            )
        return Page([], 0)
