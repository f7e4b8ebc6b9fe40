"""What the bot says in the contact's language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_HAN = re.compile(r"[㐀-䶿一-鿿]")
_LATIN = re.compile(r"[a-zA-Z]")
_SILENT = re.compile(r"[^\w\s']+")


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language's sentences by name, and what is said in courtesy with its reply."""

    sentences: Mapping[str, str]
    courtesies: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages the bot speaks, by BCP 47 tag. `default` is one of them."""

    phrases: Mapping[str, Phrases]
    default: str

    def pick(self, text: str, preferred: str = "") -> str:
        """The tag to answer in: the script of what was just said, else what the contact prefers."""
        if _HAN.search(text):
            return self._spoken("zh")
        if preferred and not (_LATIN.search(text) and primary(preferred) == "zh"):
            return self._spoken(primary(preferred))
        return self._spoken("en") if _LATIN.search(text) else self.default

    def sentence(self, locale: str, name: str, **values: str | int) -> str:
        return self.phrases[locale].sentences[name].format_map(values)

    def courtesy(self, locale: str, text: str) -> str | None:
        """The reply when the whole text is a greeting, thanks or a farewell."""
        said = _SILENT.sub(" ", unicodedata.normalize("NFKC", text[:100]).lower())
        return self.phrases[locale].courtesies.get(" ".join(said.split()))

    def _spoken(self, language: str) -> str:
        return next((tag for tag in self.phrases if primary(tag) == language), self.default)


def primary(locale: str) -> str:
    """The language of a BCP 47 tag without script and region."""
    return locale.replace("_", "-").split("-", 1)[0].lower()
