"""Loads the language data that ships with the package: lexicons, handoff patterns, sentences."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from yunsong_bot.domain.analysis import Analyzer, Lexicon
from yunsong_bot.domain.languages import Languages, Phrases
from yunsong_bot.domain.wish import Wishes

LOCALES = ("zh-CN", "en")
_LEXICONS = ("zh", "en")


def analyzer() -> Analyzer:
    """The analyzer for all languages."""
    parts = [_read("lexicon", name) for name in _LEXICONS]
    return Analyzer(
        Lexicon(
            groups=[group for part in parts for group in part["groups"]],
            classes=[members for part in parts for members in part["classes"]],
            stop=[word for part in parts for word in part["stop"]],
        )
    )


def wishes() -> Wishes:
    return Wishes(**_read("lexicon", "handoff"))


def languages(default: str) -> Languages:
    """All languages; `default` is one of `LOCALES`."""
    return Languages({locale: _phrases(locale) for locale in LOCALES}, default)


def _phrases(locale: str) -> Phrases:
    content = _read("locales", locale)
    courtesies = content.pop("courtesies")
    replies = {said: courtesy["reply"] for courtesy in courtesies for said in courtesy["said"]}
    return Phrases(sentences=content, courtesies=replies)


def _read(folder: str, name: str) -> dict[str, Any]:
    resource = files("yunsong_bot") / folder / f"{name}.toml"
    return tomllib.loads(resource.read_text(encoding="utf-8"))
