"""The demo shop's knowledge and the sets that measure the bot fit together, and stay apart where they must."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from yunsong_bot.domain.faq import build_faq
from yunsong_bot.domain.knowledge import Entry
from yunsong_bot.resources import analyzer

HELD_OUT = Path(__file__).parents[2] / "load" / "data" / "paraphrases.jsonl"
TUNING = Path(__file__).parent / "data" / "tuning.jsonl"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shop() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for locale in ("zh-CN", "en"):
        text = (files("yunsong_standalone") / "demo_data" / f"faq.{locale}.json").read_text(encoding="utf-8")
        content = json.loads(text)
        assert content["language"] == locale
        for given in content["entries"]:
            assert given["key"] not in found
            found[given["key"]] = Entry(
                given["key"],
                given["question"],
                given["answer"],
                tuple(given["similar"]),
                given["category"],
                locale,
            )
    return found


def test_the_demo_shop_has_useful_entries_in_both_languages() -> None:
    entries = shop()
    assert len(entries) >= 60
    assert {entry.locale for entry in entries.values()} == {"zh-CN", "en"}
    assert all(entry.question and entry.similar and entry.category for entry in entries.values())
    assert all(20 <= len(entry.answer) <= 5000 for entry in entries.values())


@pytest.mark.parametrize("path", [HELD_OUT, TUNING], ids=["held out", "tuning"])
def test_every_expected_entry_exists(path: Path) -> None:
    entries = shop()
    assert {key for row in rows(path) for key in row["expects"]} <= set(entries)


def test_the_held_out_set_is_large_enough() -> None:
    found = rows(HELD_OUT)
    assert sum(bool(row["expects"]) for row in found) >= 120
    assert sum(not row["expects"] for row in found) >= 60
    assert {row["language"] for row in found} >= {"zh-CN", "en"}


def test_the_held_out_set_is_held_out() -> None:
    held_out = {row["text"] for row in rows(HELD_OUT)}
    known = {phrasing for entry in shop().values() for phrasing in entry.phrasings}
    assert not held_out & known
    assert not held_out & {row["text"] for row in rows(TUNING)}


def test_every_phrasing_of_the_shop_finds_its_own_entry_first() -> None:
    entries = shop()
    faq, _ = build_faq(entries, {}, analyzer())
    for entry in entries.values():
        for phrasing in entry.phrasings:
            assert faq.ranker.rank(phrasing, 1)[0].entry_id == entry.id, phrasing
