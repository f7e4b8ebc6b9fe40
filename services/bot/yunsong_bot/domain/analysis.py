"""From a text to the terms that are matched: Chinese words, English stems, synonyms folded into one term."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import rjieba
import snowballstemmer  # type: ignore[import-untyped]

# A run of Han characters, or a word of any other script (with an inner apostrophe or dot: don't, 1.5).
_RUN = re.compile(r"(?P<han>[㐀-䶿一-鿿]+)|(?P<word>[^\W_㐀-䶿一-鿿]+(?:['’.][^\W_㐀-䶿一-鿿]+)*)")
_POSSESSIVE = re.compile(r"['’]s?$")
_LONGEST_EXPRESSION = 5  # words


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What a language's words mean to a shop's customers.

    `groups` are sets of expressions that mean the same; `classes` are sets of names of one kind, such as
    cities, that differ but are asked about alike; `stop` words carry no meaning of their own. All plain text.
    """

    groups: Sequence[Sequence[str]] = ()
    classes: Sequence[Sequence[str]] = ()
    stop: Iterable[str] = ()


@dataclass(slots=True)
class Analyzer:
    """Turns texts into terms. One instance serves all languages; it is safe to share between threads.

    Han text is segmented into words, and each word of several characters also gives its characters (marked
    with a leading "·"), so that 退回去 and 退货 have something in common. Other words are stemmed as English.
    Stop words are marked with a leading "'".
    """

    lexicon: Lexicon
    _meanings: dict[str, str] = field(init=False, repr=False)  # expression -> term, "" for a stop word

    def __post_init__(self) -> None:
        self._meanings = {_joined(tokens(word)): "" for word in self.lexicon.stop}
        sets = [("=", members) for members in self.lexicon.groups]
        sets += [("~", members) for members in self.lexicon.classes]
        for number, (mark, members) in enumerate(sets):
            self._meanings |= {_joined(tokens(expression)): f"{mark}{number}" for expression in members}

    def terms(self, text: str) -> tuple[str, ...]:
        """The distinct terms of `text`, in the order of their first occurrence."""
        return tuple(self.surfaces(text))

    def surfaces(self, text: str) -> dict[str, str]:
        """The terms of `text`, each with the words it stands for."""
        words = tokens(text)
        found: dict[str, str] = {}
        at = 0
        while at < len(words):
            length, term = self._expression_at(words, at)
            surface = _joined(words[at : at + length])
            if term.startswith("~"):
                # The name itself tells members of a class apart, but says less than a word.
                found |= {term: surface, f"·{surface}": surface}
            elif not term:
                found[f"'{surface}"] = surface
            else:
                found[term] = surface
                found |= {f"·{char}": surface for char in self._parts(surface)}
            at += length
        return found

    def _expression_at(self, words: Sequence[str], at: int) -> tuple[int, str]:
        for length in range(min(_LONGEST_EXPRESSION, len(words) - at), 0, -1):
            term = self._meanings.get(_joined(words[at : at + length]))
            if term is not None:
                return length, term
        return 1, words[at]

    def _parts(self, word: str) -> list[str]:
        if len(word) < 2 or not _is_han(word):
            return []
        return [char for char in word if self._meanings.get(char) != ""]


def tokens(text: str) -> list[str]:
    """The words of `text` in order, normalised and stemmed, stop words included."""
    found: list[str] = []
    for run in _RUN.finditer(unicodedata.normalize("NFKC", text).lower()):
        if run["han"]:
            found.extend(rjieba.cut(run["han"], False))
        else:
            found.append(_stem(_POSSESSIVE.sub("", run["word"].replace("’", "'"))))
    return found


def is_part(term: str) -> bool:
    """Whether the term is one character of a word, or one name of its class: it says less than a word."""
    return term.startswith("·")


def is_stop(term: str) -> bool:
    """Whether the term is a stop word: it only tells apart what is alike otherwise."""
    return term.startswith("'")


def _joined(words: Sequence[str]) -> str:
    # Segmentation cuts the same expression differently in different company; joined it is the same.
    return ("" if all(map(_is_han, words)) else " ").join(words)


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
