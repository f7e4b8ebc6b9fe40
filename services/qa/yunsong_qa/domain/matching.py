"""Finds the phrases and expressions of many rules in one pass over a text, in linear time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from yunsong_qa.domain.text import normalise, occurs

_SET_MEMORY = 64 << 20
# An automaton over more than this grows its states without end; several smaller ones stay within the memory.
_PER_SET = 2000
_MATCHED_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Needle:
    """One thing to find, and whose it is."""

    owner: str
    phrase: str = ""  # a word or words
    pattern: str = ""  # or an RE2 expression


@dataclass(frozen=True, slots=True)
class Found:
    """A needle's owner, and what matched: the phrase as it was written down, or the part of the text that an expression took."""

    owner: str
    matched: str


def pattern_problem(pattern: str) -> str:
    """Why an expression cannot be used, as a sentence; empty when it can."""
    try:
        compiled = re2.compile(pattern, _options())
    except re2.error as error:
        return f"is no RE2 expression: {_error_text(error)}"
    if compiled.search("") is not None:
        return "matches the empty text, so it would hit every message"
    return ""


class Matcher:
    """Compiled needles. Matching keeps no state and may run in any thread."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._needles = [needle for needle in needles if normalise(needle.phrase) or needle.pattern]
        self._sets = [
            (start, _compile(self._needles[start : start + _PER_SET]))
            for start in range(0, len(self._needles), _PER_SET)
        ]

    def __bool__(self) -> bool:
        return bool(self._needles)

    def find(self, text: str) -> list[Found]:
        """What occurs in a text, at most one per owner: the owner's first needle."""
        if not self._needles:
            return []
        plain = normalise(text)
        found: dict[str, Found] = {}
        for start, automaton in self._sets:
            for index in sorted(automaton.Match(plain) or ()):
                needle = self._needles[start + index]
                if needle.owner not in found and (matched := _matched(needle, plain)):
                    found[needle.owner] = Found(needle.owner, matched)
        return list(found.values())


@lru_cache(maxsize=512)
def phrase_matcher(phrases: Sequence[str], patterns: Sequence[str]) -> Matcher:
    """The matcher of one rule; its owner is the empty text."""
    return Matcher(
        [
            *(Needle(owner="", phrase=phrase) for phrase in phrases),
            *(Needle(owner="", pattern=pattern) for pattern in patterns),
        ]
    )


def _compile(needles: Sequence[Needle]) -> Any:
    automaton = re2.Set.SearchSet(_options())
    for needle in needles:
        automaton.Add(re2.escape(normalise(needle.phrase)) if needle.phrase else needle.pattern)
    automaton.Compile()
    return automaton


def _matched(needle: Needle, plain: str) -> str:
    # The automaton says which needles to look at; word borders, and what exactly matched, are settled here.
    if needle.phrase:
        return needle.phrase if occurs(normalise(needle.phrase), plain) else ""
    match = _expression(needle.pattern).search(plain)
    return match.group()[:_MATCHED_LENGTH] if match is not None else ""


@lru_cache(maxsize=2048)
def _expression(pattern: str) -> Any:
    return re2.compile(pattern, _options())


def _options() -> Any:
    options = re2.Options()
    # Texts are case folded, expressions are as people wrote them.
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _SET_MEMORY
    return options


def _error_text(error: Exception) -> str:
    raw = error.args[0] if error.args else ""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
