"""Answers from one state of the knowledge base."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from yunsong_bot.domain.analysis import Analyzer
from yunsong_bot.domain.dialogue import Limits
from yunsong_bot.domain.knowledge import Entry
from yunsong_bot.domain.languages import primary
from yunsong_bot.domain.lexical import AnalyzedEntry, LexicalIndex, analyze
from yunsong_bot.domain.pace import paced
from yunsong_bot.domain.ranking import Candidate, Pipeline
from yunsong_plugin_api import Answer, NextSkill, SkillResult

_OFFERED = 3
_FOREIGN = 0.85  # an entry in another language than the question's is the second choice
_TIE = 0.02  # confidences closer than this say that either may be meant
_MAX_QUESTION = 500  # characters that are looked at
_MAX_LABEL = 200


class _Ranks(Protocol):
    def rank(self, question: str, limit: int) -> list[Candidate]: ...


@dataclass(frozen=True, slots=True)
class Faq:
    """The entries by id and the ranker over them."""

    entries: Mapping[str, Entry]
    ranker: _Ranks

    def answer(self, question: str, *, locale: str, now: datetime, limits: Limits) -> SkillResult:
        """The best entry's answer, as sure as it fits; its suggestions are what may be meant."""
        candidates = self.rank(question, locale=locale, now=now, limit=_OFFERED)
        if not candidates or candidates[0].score < limits.suggest:
            return NextSkill()
        best, confidence = candidates[0], candidates[0].score
        rival = candidates[1].score if len(candidates) > 1 else 0.0
        # A contact who repeats an entry's question word for word means that entry; else a tie is no answer.
        if limits.answer <= confidence < 1 and confidence - rival < _TIE:
            confidence = math.nextafter(limits.answer, 0)
        if confidence >= limits.answer:
            return Answer(self.entries[best.entry_id].answer, confidence=confidence, source=best.entry_id)
        offered = [
            self.entries[candidate.entry_id].question[:_MAX_LABEL]
            for candidate in candidates
            if candidate.score >= limits.suggest
        ]
        return Answer(
            self.entries[best.entry_id].answer,
            confidence=confidence,
            suggestions=tuple(dict.fromkeys(offered)),
            source=best.entry_id,
        )

    def rank(self, question: str, *, locale: str, now: datetime, limit: int) -> list[Candidate]:
        """The entries that may be used at `now`, best first, those in the language of `locale` preferred."""
        found = [
            Candidate(entry.id, candidate.score * _fit(entry, locale))
            for candidate in self.ranker.rank(question[:_MAX_QUESTION], limit * 3 + 5)
            if (entry := self.entries[candidate.entry_id]).answers_at(now)
        ]
        return sorted(found, key=lambda candidate: -candidate.score)[:limit]


def build_faq(
    entries: Mapping[str, Entry], known: Mapping[str, AnalyzedEntry], analyzer: Analyzer
) -> tuple[Faq, dict[str, AnalyzedEntry]]:
    """The enabled entries with their index. Only entries whose revision is not in `known` are analysed."""
    usable = {key: entry for key, entry in entries.items() if entry.enabled}
    analyzed = {
        key: old if (old := known.get(key)) is not None and old.rev == entry.rev else analyze(entry, analyzer)
        for key, entry in paced(usable.items())
    }
    index = LexicalIndex(list(analyzed.values()), analyzer)
    return Faq(usable, Pipeline([index], index)), analyzed


def _fit(entry: Entry, locale: str) -> float:
    same = not entry.locale or not locale or primary(entry.locale) == primary(locale)
    return 1.0 if same else _FOREIGN
