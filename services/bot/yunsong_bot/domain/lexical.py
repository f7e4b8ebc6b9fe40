"""BM25 over the entries' terms, and a confidence from the terms that a question and an entry share.

BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
fields weighted before saturation (BM25F). The index is immutable: a change builds a new one.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yunsong_bot.domain.analysis import Analyzer, is_part, is_stop
from yunsong_bot.domain.knowledge import Entry
from yunsong_bot.domain.pace import paced
from yunsong_bot.domain.ranking import Candidate

_K1 = 1.2
_B = 0.5
_ANSWER_WEIGHT = 0.4  # what only the answer says, against what a phrasing says
_PART_WEIGHT = 0.1  # a shared character against a shared word
_STOP_WEIGHT = 0.1  # a shared "how" or "can I": it tells apart what is alike otherwise
_COVERAGE_SHARE = 0.4  # of the confidence; the rest is the likeness to the closest phrasing
_QUESTION_SHARE = 0.3  # of the length in that likeness; the rest is the phrasing's
_SAME = 1 - 1e-9
_MAX_POSTINGS = 6_000  # read per question; the rarest terms are read first


@dataclass(frozen=True, slots=True)
class AnalyzedEntry:
    """An entry's terms; kept between builds of the index, since analysis is most of a build's cost."""

    id: str
    rev: int
    phrasings: tuple[tuple[str, ...], ...]
    answer: tuple[str, ...]


def analyze(entry: Entry, analyzer: Analyzer) -> AnalyzedEntry:
    return AnalyzedEntry(
        id=entry.id,
        rev=entry.rev,
        phrasings=tuple(terms for text in entry.phrasings if (terms := analyzer.terms(text))),
        answer=analyzer.terms(f"{entry.category}\n{entry.answer}"),
    )


class LexicalIndex:
    """A `Ranker` (BM25) and a `Reranker` (shared terms) over one state of the knowledge base."""

    def __init__(self, entries: Sequence[AnalyzedEntry], analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._entries = entries
        self._number = {entry.id: number for number, entry in enumerate(entries)}
        frequency = Counter(term for entry in paced(entries) for term in _asked_terms(entry))
        self._count = len(entries)
        self._importance = {term: self._weigh(term, found) for term, found in frequency.items()}
        self._postings = self._build_postings()

    def __len__(self) -> int:
        return self._count

    def rank(self, question: str, limit: int) -> list[Candidate]:
        terms = [term for term in self._analyzer.terms(question) if not is_stop(term)]
        postings = [found for term in terms if (found := self._postings.get(term))]
        postings.sort(key=lambda found: len(found[0]))
        scores: dict[int, float] = {}
        read = 0
        for numbers, impacts in postings:
            # A term that half the entries have cannot find one; the reranker still counts it.
            if read and read + len(numbers) > _MAX_POSTINGS:
                break
            read += len(numbers)
            for number, impact in zip(numbers, impacts, strict=True):
                scores[number] = scores.get(number, 0.0) + impact
        best = heapq.nlargest(limit, scores.items(), key=lambda item: item[1])
        return [Candidate(self._entries[number].id, score) for number, score in best]

    def rerank(self, question: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        asked = {term: self._weight(term) for term in self._analyzer.terms(question)}
        total = sum(asked.values())
        if not total:
            return []
        scored = [
            Candidate(candidate.entry_id, self._confidence(asked, total, self._entries[number]))
            for candidate in candidates
            if (number := self._number.get(candidate.entry_id)) is not None
        ]
        return sorted(scored, key=lambda candidate: -candidate.score)

    def _confidence(self, asked: Mapping[str, float], total: float, entry: AnalyzedEntry) -> float:
        """How much of the question the entry knows, and how much of its closest phrasing was asked.

        1 for a phrasing word for word; else less for a question that says less than one rare word does.
        """
        known = set().union(*entry.phrasings)
        answer = set(entry.answer)
        covered = sum(
            weight if term in known else weight * _ANSWER_WEIGHT
            for term, weight in asked.items()
            if term in known or term in answer
        )
        closest = max((self._likeness(asked, total, phrasing) for phrasing in entry.phrasings), default=0.0)
        if closest >= _SAME:
            return 1.0
        return min(1.0, total) * (_COVERAGE_SHARE * covered / total + (1 - _COVERAGE_SHARE) * closest)

    def _likeness(self, asked: Mapping[str, float], total: float, phrasing: tuple[str, ...]) -> float:
        shared = sum(asked[term] for term in phrasing if term in asked)
        if not shared:
            return 0.0
        length = sum(self._weight(term) for term in phrasing)
        return shared / (_QUESTION_SHARE * total + (1 - _QUESTION_SHARE) * length)

    def _weigh(self, term: str, found: int) -> float:
        # From 0 (every entry has the term) to 1 (at most one has), so that size cancels out.
        rarity = math.log(1 + (self._count - found + 0.5) / (found + 0.5))
        most = math.log(1 + (self._count + 0.5) / 0.5)
        return rarity / most * _share(term)

    def _weight(self, term: str) -> float:
        known = self._importance.get(term)
        return known if known is not None else self._weigh(term, 0)

    def _build_postings(self) -> dict[str, tuple[array[int], array[float]]]:
        frequencies = [_frequencies(entry) for entry in paced(self._entries)]
        lengths = [sum(terms.values()) for terms in frequencies]
        average = sum(lengths) / len(lengths) if lengths else 1.0
        postings: dict[str, tuple[array[int], array[float]]] = {}
        for number, (terms, length) in enumerate(paced(zip(frequencies, lengths, strict=True))):
            norm = _K1 * (1 - _B + _B * length / average)
            for term, frequency in terms.items():
                if is_stop(term):
                    continue
                numbers, impacts = postings.setdefault(term, (array("I"), array("f")))
                numbers.append(number)
                impacts.append(self._weight(term) * frequency * (_K1 + 1) / (frequency + norm))
        return postings


def _share(term: str) -> float:
    if is_stop(term):
        return _STOP_WEIGHT
    return _PART_WEIGHT if is_part(term) else 1.0


def _asked_terms(entry: AnalyzedEntry) -> set[str]:
    return set().union(*entry.phrasings) if entry.phrasings else set()


def _frequencies(entry: AnalyzedEntry) -> dict[str, float]:
    found: dict[str, float] = {}
    for phrasing in entry.phrasings:
        for term in phrasing:
            found[term] = found.get(term, 0.0) + 1.0
    for term in entry.answer:
        found[term] = found.get(term, 0.0) + _ANSWER_WEIGHT
    return found
