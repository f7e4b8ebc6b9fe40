"""From hits to a score: a conversation starts with 100 points and never falls below 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yunsong_qa.domain.rules import RuleHit

FULL = 100
PASS_SCORE = 60


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a scorecard."""

    title: str
    rule_id: str
    points: int
    fatal: bool = False
    per_hit: bool = False


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What a conversation is measured by. `pass_score` 0 stands for the usual one."""

    id: str
    name: str
    items: Sequence[Item]
    automatic: bool
    queue_ids: Sequence[str]
    pass_score: int
    version: int

    def concerns(self, queue_id: str) -> bool:
        """Whether conversations of a queue are measured by it."""
        return not self.queue_ids or queue_id in self.queue_ids


@dataclass(frozen=True, slots=True)
class ItemScore:
    """The result for one item."""

    title: str
    rule_id: str
    points_lost: int
    passed: bool
    fatal: bool


@dataclass(frozen=True, slots=True)
class ScoredHit:
    """A hit and what it cost."""

    hit: RuleHit
    item_title: str
    points: int
    fatal: bool


@dataclass(frozen=True, slots=True)
class Score:
    """The result for a conversation."""

    score: int  # 0 to 100
    passed: bool
    fatal: bool
    items: Sequence[ItemScore]
    hits: Sequence[ScoredHit]


def score(card: Scorecard, hits: Mapping[str, Sequence[RuleHit]]) -> Score:
    """Measures hits, given by rule id, against a scorecard."""
    items: list[ItemScore] = []
    scored: list[ScoredHit] = []
    for item in card.items:
        found = hits.get(item.rule_id, ())
        counted = len(found) if item.per_hit else min(len(found), 1)
        items.append(
            ItemScore(item.title, item.rule_id, min(counted * item.points, FULL), not found, item.fatal)
        )
        scored += [
            ScoredHit(hit, item.title, item.points if index < counted else 0, item.fatal)
            for index, hit in enumerate(found)
        ]
    fatal = any(item.fatal and not item.passed for item in items)
    total = 0 if fatal else max(0, FULL - sum(item.points_lost for item in items))
    return Score(total, not fatal and total >= (card.pass_score or PASS_SCORE), fatal, items, scored)


def problems_of(items: Sequence[Item]) -> list[tuple[str, str]]:
    """What is wrong with a scorecard's items, as (field, sentence)."""
    problems = [
        (f"items[{index}].points", "must be between 1 and 100, unless the item is fatal")
        for index, item in enumerate(items)
        if item.points == 0 and not item.fatal
    ]
    titles: set[str] = set()
    for index, item in enumerate(items):
        if item.title in titles:
            problems.append((f"items[{index}].title", "stands here twice"))
        titles.add(item.title)
    return problems
