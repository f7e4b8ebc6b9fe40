"""Reads conversations from their owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from yunsong.conversation.v1 import conversation_pb2, conversation_pb2_grpc, message_pb2, model_pb2
from yunsong_common.grpc import Channels

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation and every message in it, by revision."""

    conversation: model_pb2.Conversation
    messages: list[message_pb2.Message]


class Conversations(Protocol):
    """Where transcripts come from; tests bring their own."""

    async def read(self, conversation_id: str) -> Transcript:
        """Reads a conversation. Raises NotFound / CONVERSATION_UNKNOWN, Unavailable."""


class RemoteConversations:
    """Asks the conversation service, on this service's own behalf."""

    def __init__(self, channels: Channels) -> None:
        self._stub = conversation_pb2_grpc.ConversationServiceStub(channels.conversation)

    async def read(self, conversation_id: str) -> Transcript:
        """Pages through all messages. What is written meanwhile may be in or not; another event will tell of it."""
        conversation = await self._stub.GetConversation(
            conversation_pb2.GetConversationRequest(conversation_id=conversation_id)
        )
        messages: list[message_pb2.Message] = []
        while True:
            page = await self._stub.ListMessages(
                conversation_pb2.ListMessagesRequest(
                    conversation_id=conversation_id,
                    page_size=_PAGE,
                    after_rev=messages[-1].rev if messages else 0,
                )
            )
            messages += page.messages
            if not page.has_more or not page.messages:
                return Transcript(conversation, messages)
