"""Words for full-text search, Chinese and English, from text of any kind. Pure functions; some 10 µs for a short message."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import rjieba
import snowballstemmer  # type: ignore[import-untyped]

_WORD = re.compile(r"\w+")
_STEMMER = snowballstemmer.stemmer("english")
_TERM_LENGTH = 64
_TERMS = 2000  # of one message
# Ideographs: one of them is a word to whoever searches, also inside a longer word.
_IDEOGRAPHS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    return str(_STEMMER.stemWord(word))


def index_terms(text: str) -> list[str]:
    """The terms a text is found by. Chinese words also give the shorter words and the characters they hold; English words are
    stemmed."""
    folded = _folded(text)
    terms = _terms(rjieba.cut_for_search(folded))
    # Behind the words, so that those of a very long text keep their place.
    return list(dict.fromkeys([*terms, *_IDEOGRAPHS.findall(folded)]))[:_TERMS]


def query_terms(query: str) -> list[str]:
    """The terms that must all occur in what a query finds; empty when the query has no word."""
    return _terms(rjieba.cut(_folded(query)))


def grams(text: str) -> list[str]:
    """Every piece of one to three characters, for looking a contact up by a part of a name, an address or a number."""
    pieces: dict[str, None] = {}
    for word in _folded(text).split():
        for size in (1, 2, 3):
            for start in range(len(word) - size + 1):
                pieces[word[start : start + size]] = None
    return list(pieces)


def query_grams(query: str) -> list[str]:
    """The longest pieces that every match of the query has."""
    pieces: dict[str, None] = {}
    for word in _folded(query).split():
        size = min(3, len(word))
        for start in range(len(word) - size + 1):
            pieces[word[start : start + size]] = None
    return list(pieces)


def _folded(text: str) -> str:
    # Full-width letters and digits are common in Chinese input; NUL cannot be stored.
    return unicodedata.normalize("NFKC", text).lower().replace("\0", " ")


def _terms(words: list[str]) -> list[str]:
    terms: dict[str, None] = {}
    for part in words:
        # Nearly every part is one word already.
        for word in (part,) if part.isalnum() else _WORD.findall(part):
            terms[_stem(word) if word.isascii() and word.isalpha() else word[:_TERM_LENGTH]] = None
        if len(terms) >= _TERMS:
            break
    return list(terms)[:_TERMS]
