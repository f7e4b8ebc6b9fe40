"""The knowledge base's entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A question that the business can answer. Times are UTC; an open end has None."""

    id: str
    question: str
    answer: str
    similar: tuple[str, ...] = ()
    category: str = ""
    locale: str = ""  # BCP 47; empty when unknown
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    enabled: bool = True
    external_key: str = ""
    rev: int = 1  # grows with every change of this entry
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def phrasings(self) -> tuple[str, ...]:
        return (self.question, *self.similar)

    def answers_at(self, now: datetime) -> bool:
        """Whether contacts may get this answer at `now`."""
        return (
            self.enabled
            and (self.valid_from is None or self.valid_from <= now)
            and (self.valid_until is None or now < self.valid_until)
        )


@dataclass(frozen=True, slots=True)
class BotSettings:
    """How the bot behaves. Empty `handoff_words` mean the built-in ones."""

    answer_threshold: float = 0.5
    suggest_threshold: float = 0.3
    max_misses: int = 2
    handoff_words: tuple[str, ...] = ()
    external_bot_url: str = ""
    external_bot_secret: str = ""
