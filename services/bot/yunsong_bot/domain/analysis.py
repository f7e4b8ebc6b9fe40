"""From a text to the terms that are matched: Chinese words, English stems, synonyms folded into one term."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import rjieba
import snowballstemmer

# A run of Han characters, or a word of any other script (with an inner apostrophe or dot: don't, 1.5).
_RUN = re.compile(r"(?P<han>[㐀-䶿一-鿿]+)|(?P<word>[^\W_㐀-䶿一-鿿]+(?:['’.][^\W_㐀-䶿一-鿿]+)*)")
_POSSESSIVE = re.compile(r"['’]s?$")
_LONGEST_PHRASE = 4


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What a language's words mean to a shop's customers.

    `groups` are sets of expressions that mean the same; `classes` are sets of names of one kind, such as cities,
    that differ but are asked about alike; `stop` words carry no meaning of their own. All are plain text.
    """

    groups: Sequence[Sequence[str]] = ()
    classes: Sequence[Sequence[str]] = ()
    stop: Iterable[str] = ()


@dataclass(slots=True)
class Analyzer:
    """Turns texts into terms. One instance serves all languages; it is safe to share between threads.

    Han text is segmented into words, and each word of several characters also gives its characters (marked
    with a leading "·"), so that 退回去 and 退货 have something in common. Other words are stemmed as English.
    """

    lexicon: Lexicon
    _phrases: dict[tuple[str, ...], str] = field(init=False, repr=False)
    _stop: frozenset[str] = field(init=False, repr=False)
    _segmenter: rjieba.Jieba = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._segmenter = rjieba.Jieba()
        self._phrases = {}
        self._stop = frozenset()
        sets = (*self.lexicon.groups, *self.lexicon.classes)
        for expression in (*(expression for members in sets for expression in members), *self.lexicon.stop):
            if _is_han(expression) and len(expression) > 1:
                self._segmenter.add_word(expression, 1_000_000, None)
        self._stop = frozenset(token for word in self.lexicon.stop for token in self.tokens(word))
        for number, members in enumerate(sets):
            mark = "=" if number < len(self.lexicon.groups) else "~"
            for expression in members:
                self._phrases[tuple(self.tokens(expression))] = f"{mark}{number}"

    def tokens(self, text: str) -> list[str]:
        """The words of `text` in order, normalised and stemmed, before synonyms and stop words."""
        found: list[str] = []
        for run in _RUN.finditer(unicodedata.normalize("NFKC", text).lower()):
            if run["han"]:
                found.extend(self._segmenter.cut(run["han"], False))
            else:
                found.append(_stem(_POSSESSIVE.sub("", run["word"].replace("’", "'"))))
        return found

    def terms(self, text: str) -> tuple[str, ...]:
        """The distinct terms of `text` that carry meaning, in the order of their first occurrence."""
        words = self.tokens(text)
        terms: dict[str, None] = {}
        at = 0
        while at < len(words):
            length, term = self._phrase_at(words, at)
            said = [word for word in words[at : at + length] if term is not None or word not in self._stop]
            terms.update(dict.fromkeys((term,) if term is not None else said))
            for word in said:
                if term is not None and term.startswith("~"):
                    terms[f"·{word}"] = None
                elif len(word) > 1 and _is_han(word):
                    terms.update(dict.fromkeys(f"·{char}" for char in word if char not in self._stop))
            at += length
        return tuple(terms)

    def _phrase_at(self, words: Sequence[str], at: int) -> tuple[int, str | None]:
        for length in range(min(_LONGEST_PHRASE, len(words) - at), 0, -1):
            term = self._phrases.get(tuple(words[at : at + length]))
            if term is not None:
                return length, term
        return 1, None


def is_part(term: str) -> bool:
    """Whether the term is one character of a word, or one name of its class: it says less than a word."""
    return term.startswith("·")


def _is_han(text: str) -> bool:
    return bool(text) and "㐀" <= text[0] <= "鿿"


class _Stemmer(threading.local):
    """A stemmer keeps the word it works on, so each thread has its own: indexing runs beside answering."""

    def __init__(self) -> None:
        self.english = snowballstemmer.stemmer("english")


_stemmer = _Stemmer()


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    return str(_stemmer.english.stemWord(word))
