"""What a conversation needs to know of its inbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from yunsong_conversation.domain.states import State


@dataclass(frozen=True, slots=True)
class Inbox:
    """An inbox's settings, kept from the channel adapter's events."""

    id: str
    rev: int
    channel: str
    enabled: bool = True
    deleted: bool = False
    bot_enabled: bool = False
    queue_id: str = ""
    reopen_window_s: int = 0
    idle_reminder_s: int = 0
    idle_close_s: int = 0
    required_skills: dict[str, int] = field(default_factory=dict)

    @property
    def first_state(self) -> State:
        """Where a conversation begins, or goes on after it was closed."""
        return State.BOT if self.bot_enabled else State.QUEUED
