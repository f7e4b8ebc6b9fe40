"""Bot skills: each may answer what a contact wrote. Group `yunsong.bot_skills.v1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class SkillContext:
    """What a skill may know about the conversation."""

    conversation_id: str
    inbox_id: str
    channel: str
    locale: str  # BCP 47, "" when unknown
    text: str  # what the contact just wrote
    history: Sequence[tuple[str, str]] = ()  # ("contact" | "bot", text), oldest first, the last 20
    # What this skill stored in this conversation before; return it changed in the result to keep it.
    state: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bot says this."""

    text: str
    confidence: float = 1.0  # 0 to 1; below the bot's threshold it is offered to the next skill instead
    suggestions: Sequence[str] = ()  # shown as buttons, at most 5
    source: str = ""  # what the answer rests on, for the agent's view
    state: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Handoff:
    """People should take over."""

    reason: str  # stable, lower_snake, such as "asked_for_person"
    text: str = ""  # said before; empty for the bot's own words
    queue_id: str = ""  # empty for the inbox's queue


@dataclass(frozen=True, slots=True)
class NextSkill:
    """Not for this skill; the next one is asked."""


SkillResult = Answer | Handoff | NextSkill


@runtime_checkable
class BotSkill(Protocol):
    """One skill. Stateless; it has two seconds for an answer. Skills are asked by ascending `priority`."""

    api_version: str
    name: str
    priority: int  # built-in ones: handoff words 100, knowledge base 500

    def handle(self, context: SkillContext) -> SkillResult:
        """Answers, hands off or passes on."""
