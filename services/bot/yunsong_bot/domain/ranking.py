"""How entries are found: rankers propose candidates, a reranker gives each its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may answer a question.

    From a ranker the score only orders; from a reranker it is a confidence from 0 to 1 that means the same
    whatever the size of the knowledge base.
    """

    entry_id: str
    score: float


class Ranker(Protocol):
    """Finds candidates, best first. Implementations are immutable and safe to call from several threads."""

    def rank(self, question: str, limit: int) -> list[Candidate]: ...


class Reranker(Protocol):
    """Scores candidates that rankers proposed; returns them best first."""

    def rerank(self, question: str, candidates: Sequence[Candidate]) -> list[Candidate]: ...


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The union of what all rankers propose, in the reranker's order."""

    rankers: Sequence[Ranker]
    reranker: Reranker
    breadth: int = 40

    def rank(self, question: str, limit: int) -> list[Candidate]:
        proposed = {
            candidate.entry_id: candidate
            for ranker in self.rankers
            for candidate in ranker.rank(question, self.breadth)
        }
        return self.reranker.rerank(question, list(proposed.values()))[:limit]
