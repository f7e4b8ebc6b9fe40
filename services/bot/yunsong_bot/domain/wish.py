"""Whether a contact wants a person."""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field


class Wish(enum.Enum):
    """How clearly a text asks for a person."""

    NONE = "none"
    HINTED = "hinted"  # mentions people: a wish unless the bot knows an answer
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Wishes:
    """Recognises requests for a person. Patterns are regular expressions without nested repetition."""

    asked: Sequence[str]
    hinted: Sequence[str]
    unless: Sequence[str]
    refused: Sequence[str]
    _asked: re.Pattern[str] = field(init=False, repr=False)
    _hinted: re.Pattern[str] = field(init=False, repr=False)
    _unless: re.Pattern[str] = field(init=False, repr=False)
    _refused: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("asked", "hinted", "unless", "refused"):
            object.__setattr__(self, f"_{name}", _any_of(getattr(self, name)))

    def read(self, text: str, words: Sequence[str] = ()) -> Wish:
        """How clearly `text` asks. The business's own `words` replace the built-in requests."""
        said = _plain(text)
        if self._refused.search(said) is not None:
            return Wish.NONE
        if words:
            return Wish.ASKED if _said_any(said, words) else Wish.NONE
        if self._asked.search(said) is not None:
            return Wish.HINTED if self._unless.search(said) is not None else Wish.ASKED
        return Wish.HINTED if self._hinted.search(said) is not None else Wish.NONE


def _said_any(said: str, words: Sequence[str]) -> bool:
    """Whether one of the words is in the text: anywhere in Chinese, as whole words in other scripts."""
    plain = [re.escape(word) for entry in words if (word := _plain(entry))]
    return any(re.search(rf"(?<![a-z0-9]){word}(?![a-z0-9])", said) for word in plain)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower().strip()


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")
