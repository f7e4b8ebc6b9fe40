"""AssistService: answers for agents while they work."""

from __future__ import annotations

from typing import Any

from yunsong.bot.v1 import bot_pb2, bot_pb2_grpc
from yunsong_bot.conversations import Conversations
from yunsong_bot.domain.languages import Languages
from yunsong_bot.grpc_api import mapping
from yunsong_bot.library import Library
from yunsong_common.grpc import current_principal

_LOOKED_AT = 20  # messages
_SUGGESTED = 3


class AssistServicer(bot_pb2_grpc.AssistServiceServicer):
    """See bot.proto."""

    def __init__(self, library: Library, conversations: Conversations, languages: Languages) -> None:
        self._library = library
        self._conversations = conversations
        self._languages = languages

    async def SuggestAnswers(
        self, request: bot_pb2.SuggestAnswersRequest, context: Any
    ) -> bot_pb2.SuggestAnswersResponse:
        """Reads the conversation in the agent's name, so an agent sees no more of it than elsewhere."""
        said = await self._conversations.read_texts(
            request.conversation_id, _LOOKED_AT, principal=current_principal()
        )
        question = next((message.text for message in reversed(said) if message.by == "contact"), "")
        edition = self._library.current
        candidates = edition.faq.rank(
            question,
            locale=self._languages.pick(question),
            now=self._library.now(),
            limit=request.limit or _SUGGESTED,
        )
        # A person chooses, so what the bot would not dare to offer is still worth showing.
        worth = [candidate for candidate in candidates if candidate.score >= edition.limits.suggest / 2]
        return bot_pb2.SuggestAnswersResponse(
            candidates=mapping.candidates_to_proto(
                worth, edition.faq.entries, question, self._library.analyzer
            ),
            question=question,
        )
