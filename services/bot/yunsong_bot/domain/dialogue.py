"""From what the skills say to what the bot does, and the count of misses that leads to people."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from yunsong_plugin_api import Answer, Handoff, SkillResult

BOT_MISSED = "bot_missed"
_BUTTONS = 5


class Kind(enum.StrEnum):
    """What the bot does with a question."""

    ANSWER = "answer"
    SUGGEST = "suggest"
    MISS = "miss"
    HANDOFF = "handoff"


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Where the bot stands with a contact."""

    misses: int = 0  # in a row
    offered: bool = False  # the last reply was an offer of candidates


@dataclass(frozen=True, slots=True)
class Limits:
    """How sure the bot must be, from 0 to 1, and how often it may miss in a row."""

    answer: float = 0.5
    suggest: float = 0.3
    max_misses: int = 2

    def settles(self, result: SkillResult) -> bool:
        """Whether no further skill needs to be asked."""
        if isinstance(result, Answer):
            return result.confidence >= self.answer
        return isinstance(result, Handoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the bot does. An empty `text` means the bot's own sentence for `kind` and `reason`."""

    kind: Kind
    text: str = ""
    buttons: tuple[str, ...] = ()
    source: str = ""
    score: float = 0.0
    misses: int = 0
    reason: str = ""
    queue_id: str = ""


def decide(results: list[SkillResult], dialogue: Dialogue, limits: Limits) -> tuple[Decision, Dialogue]:
    """What the bot does, and where it stands after. `results` are the skills' in the order they were asked.

    A first offer of candidates is no miss, but another one right after is: the contact did not find it there.
    """
    settled = next((result for result in results if limits.settles(result)), None)
    if isinstance(settled, Handoff):
        return _hand_off(settled, misses=dialogue.misses), Dialogue()
    if isinstance(settled, Answer):
        return _answer(settled), Dialogue()
    unsure = [result for result in results if isinstance(result, Answer)]
    best = max(unsure, key=lambda answer: answer.confidence, default=Answer("", confidence=0.0))
    offers = bool(best.suggestions) and best.confidence >= limits.suggest
    missed = not offers or dialogue.offered
    after = Dialogue(misses=dialogue.misses + missed, offered=offers)
    if after.misses >= limits.max_misses:
        handed = _hand_off(Handoff(reason=BOT_MISSED), misses=after.misses)
        return replace(handed, score=best.confidence), Dialogue()
    if not offers:
        return Decision(kind=Kind.MISS, score=best.confidence, misses=after.misses), after
    decision = Decision(
        kind=Kind.SUGGEST,
        buttons=tuple(best.suggestions[:_BUTTONS]),
        source=best.source,
        score=best.confidence,
        misses=after.misses,
    )
    return decision, after


def _answer(result: Answer) -> Decision:
    return Decision(
        kind=Kind.ANSWER,
        text=result.text,
        buttons=tuple(result.suggestions[:_BUTTONS]),
        source=result.source,
        score=min(result.confidence, 1.0),
    )


def _hand_off(result: Handoff, *, misses: int) -> Decision:
    return Decision(
        kind=Kind.HANDOFF, text=result.text, reason=result.reason, queue_id=result.queue_id, misses=misses
    )
