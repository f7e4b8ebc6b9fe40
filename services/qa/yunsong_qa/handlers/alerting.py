"""Live alerts: phrases as they are written, ratings as they come, answers that are overdue."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from yunsong.qa.v1 import events_pb2
from yunsong_common.db import Database, Transaction
from yunsong_common.ids import new_id
from yunsong_plugin_api import InspectedMessage, PluginBusy, PluginRunner, PluginTimeout
from yunsong_qa import wire
from yunsong_qa.domain.facts import Author, Fact, FactKind
from yunsong_qa.domain.inspections import Alert
from yunsong_qa.domain.matching import Found, Matcher
from yunsong_qa.domain.rules import Rule, RuleHit, matched_of
from yunsong_qa.repository import alerts as repository
from yunsong_qa.rulebook import Rulebook, RulebookCache

LOG = logging.getLogger(__name__)

# More text than this is matched in a thread; the expressions' engine lets go of the interpreter meanwhile.
_LARGE = 20_000
_MATCH_S = 5.0
# A batch waits for a live plugin this long and no longer; the inspection at the end asks it again, with more time.
_PLUGIN_S = 0.5

Watched = tuple[Fact, InspectedMessage | None, int]


class Alerting:
    """Raises each alert once, however many replicas see its cause. What happened more than `max_age_s` seconds ago is no longer live."""

    def __init__(self, rulebooks: RulebookCache, runner: PluginRunner, *, max_age_s: float) -> None:
        self._rulebooks = rulebooks
        self._runner = runner
        self._max_age = dt.timedelta(seconds=max_age_s)

    async def watch_batch(self, tx: Transaction, rulebook: Rulebook, watched: Sequence[Watched]) -> None:
        """Looks at new facts and the messages behind them. With each message comes its place among its author's kind, from 1."""
        now = await tx.now()
        live = [entry for entry in watched if now - entry[0].occurred_at <= self._max_age]
        hits = [*await self._phrase_hits(rulebook, live), *await self._plugin_hits(rulebook, live)]
        hits += [
            (fact, RuleHit(rule.id, rule.name, "", fact.rev, f"{fact.value:.0f}/5"))
            for fact, _, _ in live
            if fact.kind == FactKind.RATED and fact.value
            for rule in rulebook.csat_rules
            if fact.value <= rule.settings["at_most"]
        ]
        await _raise(tx, [_alert(fact, hit, now) for fact, hit in hits])

    async def watch_clock(self, database: Database) -> int:
        """Raises alerts for answers that are overdue; returns how many."""
        async with database.read() as tx:
            rulebook = await self._rulebooks.current(tx)
            if not rulebook.response_rules:
                return 0
            limits = {rule.id: _limits(rule) for rule in rulebook.response_rules}
            overdue = await repository.overdue(tx.raw, limits, await tx.now())
        if not overdue:
            return 0

        async def store(tx: Transaction) -> int:
            now = await tx.now()
            return await _raise(
                tx,
                [
                    Alert(
                        id=new_id(),
                        conversation_id=late.conversation_id,
                        hit=RuleHit(
                            late.rule_id,
                            rulebook.rules[late.rule_id].name,
                            late.message_id,
                            late.rev,
                            f"{late.waited_s:.0f} s",
                        ),
                        agent_id=late.agent_id,
                        queue_id=late.queue_id,
                        created_at=now,
                    )
                    for late in overdue
                ],
            )

        return await database.run(store)

    async def _phrase_hits(self, rulebook: Rulebook, live: Sequence[Watched]) -> list[tuple[Fact, RuleHit]]:
        work: list[tuple[Watched, Matcher]] = []
        for entry in live:
            matcher = rulebook.matchers.get(Author(entry[0].author)) if _readable(entry) else None
            if matcher:
                work.append((entry, matcher))
        if not work:
            return []
        texts = [(matcher, message.text) for (_, message, _), matcher in work if message is not None]
        if sum(len(text) for _, text in texts) > _LARGE:
            found = await self._runner.run(_MATCH_S, _find_all, texts)
        else:
            found = _find_all(texts)
        return [
            (
                fact,
                RuleHit(
                    one.owner, rulebook.rules[one.owner].name, fact.message_id or "", fact.rev, one.matched
                ),
            )
            for ((fact, _, place), _), all_found in zip(work, found, strict=True)
            for one in all_found
            if _in_reach(rulebook.rules[one.owner], place)
        ]

    async def _plugin_hits(self, rulebook: Rulebook, live: Sequence[Watched]) -> list[tuple[Fact, RuleHit]]:
        hits: list[tuple[Fact, RuleHit]] = []
        for entry in live:
            fact, message, _ = entry
            if message is None or not _readable(entry):
                continue
            for rule in rulebook.plugin_rules.get(Author(fact.author), ()):
                hits += [(fact, hit) for hit in await self._ask_plugin(rule, message)]
        return hits

    async def _ask_plugin(self, rule: Rule, message: InspectedMessage) -> list[RuleHit]:
        plugin = self._rulebooks.kinds.get(rule.kind)
        if plugin is None or not plugin.live:
            return []
        try:
            hits = await self._runner.run(_PLUGIN_S, plugin.inspect_message, message, rule.settings)
        except (PluginTimeout, PluginBusy) as error:
            LOG.warning("rule %s was skipped for a message: %s", rule.id, error)
            return []
        except Exception:  # a plugin's fault must not hold up the facts of everybody else
            LOG.exception("rule %s failed on a message", rule.id)
            return []
        return [RuleHit(rule.id, rule.name, message.id, message.rev, matched_of(hit)) for hit in hits[:1]]


async def _raise(tx: Transaction, alerts: Sequence[Alert]) -> int:
    if not alerts:
        return 0
    added = await repository.add(tx.raw, alerts)
    for alert in added:
        tx.emit(events_pb2.AlertRaised(alert=wire.alert_to(alert)))
    return len(added)


def _alert(fact: Fact, hit: RuleHit, now: dt.datetime) -> Alert:
    return Alert(
        id=new_id(),
        conversation_id=fact.entity_id,
        hit=hit,
        agent_id=fact.agent_id,
        queue_id=fact.queue_id,
        created_at=now,
    )


def _readable(entry: Watched) -> bool:
    fact, message, _ = entry
    return fact.kind == FactKind.MESSAGE and message is not None and not fact.internal and bool(message.text)


def _in_reach(rule: Rule, place: int) -> bool:
    within = int(rule.settings.get("within_first") or 0)
    return not within or place <= within


def _limits(rule: Rule) -> tuple[int, int]:
    return int(rule.settings.get("first_response_s") or 0), int(rule.settings.get("next_response_s") or 0)


def _find_all(texts: Sequence[tuple[Matcher, str]]) -> list[list[Found]]:
    return [matcher.find(text) for matcher, text in texts]
