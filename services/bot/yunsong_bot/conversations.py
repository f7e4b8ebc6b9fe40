"""What the bot asks of the conversation service."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.struct_pb2 import Struct

from yunsong.auth.v1 import principal_pb2
from yunsong.conversation.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    internal_pb2,
    internal_pb2_grpc,
    message_pb2,
    model_pb2,
)
from yunsong_bot.domain.dialogue import Decision
from yunsong_common.errors import NotFound, Unavailable
from yunsong_common.grpc import Channels

_CLOSED_TO_THE_BOT = frozenset({5, 9})  # NOT_FOUND, FAILED_PRECONDITION: erased, or no longer the bot's
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Said:
    """One message as far as the bot cares."""

    by: str  # "contact" or "bot"
    text: str


class Conversations:
    """The conversation service as the bot sees it. Every command may be repeated."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._internal = internal_pb2_grpc.ConversationInternalServiceStub(channels.conversation)
        self._public = conversation_pb2_grpc.ConversationServiceStub(channels.conversation)

    async def say(self, conversation_id: str, client_id: str, text: str, decision: Decision) -> bool:
        """Writes the bot's message, once per `client_id`. False when the bot has it no more."""
        metadata = Struct()
        metadata.update(
            {"kind": decision.kind.value, "source": decision.source, "score": round(decision.score, 4)}
        )
        entry = internal_pb2.AppendEntry(
            conversation_id=conversation_id,
            client_id=client_id,
            content=_content(text, decision.buttons),
            visibility=message_pb2.VISIBILITY_PUBLIC,
            expected_state=model_pb2.CONVERSATION_STATE_BOT,
            author_kind=message_pb2.AUTHOR_KIND_BOT,
            metadata=metadata,
        )
        answer = await self._internal.AppendMessages(
            internal_pb2.AppendMessagesRequest(entries=[entry]), timeout=_TIMEOUT_S
        )
        result = answer.results[0]
        # Reused: said before, in the words of a release that has been upgraded since.
        if not result.error_reason or result.error_reason == "CLIENT_ID_REUSED":
            return True
        if result.error_code in _CLOSED_TO_THE_BOT:
            return False
        raise Unavailable(
            reason=result.error_reason, message=result.error_message, conversation_id=conversation_id
        )

    async def hand_off(self, conversation_id: str, decision: Decision, summary: str) -> None:
        """Moves the conversation to people, unless it has left the bot already or is gone."""
        request = internal_pb2.RequestHandoffRequest(
            conversation_id=conversation_id,
            reason=decision.reason,
            queue_id=decision.queue_id,
            summary=summary,
        )
        try:
            await self._internal.RequestHandoff(request, timeout=_TIMEOUT_S)
        except NotFound:
            return

    async def read_texts(
        self, conversation_id: str, limit: int, principal: principal_pb2.Principal | None = None
    ) -> list[Said]:
        """The texts among the last `limit` messages between contact and bot, oldest first.

        In the name of `principal` where one is given, so that it sees only what it may. Errors: those of
        ListMessages.
        """
        answer = await self._public.ListMessages(
            conversation_pb2.ListMessagesRequest(conversation_id=conversation_id, page_size=limit),
            metadata=self._channels.as_principal(principal) if principal is not None else None,
        )
        by = {message_pb2.AUTHOR_KIND_CONTACT: "contact", message_pb2.AUTHOR_KIND_BOT: "bot"}
        return [
            Said(by[message.author.kind], text)
            for message in answer.messages
            if message.author.kind in by and (text := text_of(message.content))
        ]


def text_of(content: message_pb2.Content) -> str:
    """What a message says in words; empty for a picture or a file."""
    match content.WhichOneof("kind"):
        case "text":
            return content.text.text
        case "buttons":
            return content.buttons.text
        case _:
            return ""


def _content(text: str, buttons: tuple[str, ...]) -> message_pb2.Content:
    if not buttons:
        return message_pb2.Content(text=message_pb2.TextContent(text=text))
    choices = [message_pb2.Button(label=button) for button in buttons]
    return message_pb2.Content(buttons=message_pb2.ButtonsContent(text=text[:2000], buttons=choices))
