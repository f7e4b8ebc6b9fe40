"""What the router asks of the conversation service."""

from __future__ import annotations

from typing import Protocol

from yunsong_router.handlers.intake import Fact
from yunsong_router.repository.commands import Command


class Conversations(Protocol):
    """The conversation service. Every call raises `YunsongError`: a refusal keeps its reason, an outage is `Unavailable`."""

    async def assign(self, command: Command) -> int:
        """SetAssignment; gives the revision that the assignment took."""

    async def move(self, command: Command, *, note: str = "", required_agent_id: str = "") -> tuple[int, int]:
        """MoveConversation; gives the revision and the epoch after it."""

    async def read(self, conversation_id: str) -> Fact | None:
        """Where a conversation stands; None when there is no such conversation."""
