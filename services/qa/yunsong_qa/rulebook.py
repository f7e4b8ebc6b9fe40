"""The rules and scorecards as this process holds them, compiled, and kept equal to what the database says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from yunsong_common.db import Transaction
from yunsong_plugin_api import InspectionRule, PluginRunner
from yunsong_qa.domain.facts import Author
from yunsong_qa.domain.matching import Matcher, Needle
from yunsong_qa.domain.rules import BUILTIN, Rule, Speaker
from yunsong_qa.domain.scoring import Scorecard
from yunsong_qa.repository import rules as repository

_COMPILE_S = 20.0
_SPEAKERS = {Author.AGENT: Speaker.AGENT, Author.CONTACT: Speaker.CONTACT, Author.BOT: Speaker.BOT}


@dataclass(frozen=True, slots=True)
class Rulebook:
    """One version of the rules. `matchers` find the phrases of every live rule that reads an author, in one pass."""

    version: int
    rules: Mapping[str, Rule]
    scorecards: Sequence[Scorecard]
    matchers: Mapping[Author, Matcher]
    # Live rules of plugins, by the author they read.
    plugin_rules: Mapping[Author, Sequence[Rule]]
    csat_rules: Sequence[Rule] = ()
    response_rules: Sequence[Rule] = ()
    automatic: Sequence[Scorecard] = field(default=())


class RulebookCache:
    """Asking for the version is one tiny query, so that a change holds on every replica from its commit on."""

    def __init__(self, kinds: Mapping[str, InspectionRule], runner: PluginRunner) -> None:
        self.kinds = kinds
        self._runner = runner
        self._current: Rulebook | None = None

    async def current(self, tx: Transaction) -> Rulebook:
        """The rulebook as of now."""
        version = await repository.version(tx.raw)
        held = self._current
        if held is None or held.version != version:
            rules = [rule for rule, _ in await repository.all_rules(tx.raw)]
            cards = await repository.all_scorecards(tx.raw)
            # Compiling some thousand phrases takes a while: not on the event loop.
            held = await self._runner.run(_COMPILE_S, compile_rulebook, version, rules, cards)
            self._current = held
        return held


def compile_rulebook(version: int, rules: Sequence[Rule], cards: Sequence[Scorecard]) -> Rulebook:
    """Makes the rulebook's automata."""
    live = [rule for rule in rules if rule.live_alert]
    return Rulebook(
        version=version,
        rules={rule.id: rule for rule in rules},
        scorecards=cards,
        matchers={author: Matcher(_needles(live, speaker)) for author, speaker in _SPEAKERS.items()},
        plugin_rules={
            author: [
                rule for rule in live if rule.kind not in BUILTIN and rule.speaker in {speaker, Speaker.ANY}
            ]
            for author, speaker in _SPEAKERS.items()
        },
        csat_rules=[rule for rule in live if rule.kind == "csat"],
        response_rules=[rule for rule in live if rule.kind == "response_time"],
        automatic=[card for card in cards if card.automatic],
    )


def _needles(live: Sequence[Rule], speaker: Speaker) -> list[Needle]:
    needles: list[Needle] = []
    for rule in live:
        if rule.kind == "phrase" and rule.speaker in {speaker, Speaker.ANY}:
            needles += [Needle(rule.id, phrase=phrase) for phrase in rule.settings.get("phrases", ())]
            needles += [Needle(rule.id, pattern=pattern) for pattern in rule.settings.get("patterns", ())]
    return needles
