"""Rules: what is looked for in a conversation. The built-in kinds use the interface that plugins use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from yunsong_plugin_api import Hit, InspectedConversation, InspectedMessage, InspectionRule
from yunsong_qa.domain.matching import pattern_problem, phrase_matcher
from yunsong_qa.domain.text import normalise


class Speaker(IntEnum):
    """Whose messages a rule reads; the contract's numbers, agents when nothing was said."""

    AGENT = 1
    CONTACT = 2
    BOT = 3
    ANY = 4


_AUTHORS = {Speaker.AGENT: "agent", Speaker.CONTACT: "contact", Speaker.BOT: "bot"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as the business wrote it. `kind` names a built-in kind or a plugin."""

    id: str
    name: str
    speaker: Speaker
    live_alert: bool
    kind: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleHit:
    """Where a rule hit. `message_id` is empty when the conversation as a whole is meant."""

    rule_id: str
    rule_name: str
    message_id: str
    rev: int
    matched: str


def heard(rule: Rule, conversation: InspectedConversation) -> InspectedConversation:
    """The conversation with the messages of the rule's speaker alone. Times and ratings concern both sides."""
    if rule.speaker == Speaker.ANY or rule.kind in {ResponseTime.kind, Csat.kind}:
        return conversation
    author = _AUTHORS[rule.speaker]
    return replace(conversation, messages=[m for m in conversation.messages if m.author == author])


def evaluate(rule: Rule, plugin: InspectionRule, conversation: InspectedConversation) -> list[RuleHit]:
    """Every hit of a rule in a closed conversation, in the order of the messages."""
    revisions = {message.id: message.rev for message in conversation.messages}
    hits = [
        RuleHit(rule.id, rule.name, hit.message_id, revisions.get(hit.message_id, 0), matched_of(hit))
        for hit in plugin.inspect(heard(rule, conversation), rule.settings)
        if not hit.message_id or hit.message_id in revisions
    ]
    return sorted(hits, key=lambda hit: hit.rev)


def matched_of(hit: Hit) -> str:
    """What people see of a hit: what matched, else its reason."""
    return str(hit.details.get("matched") or hit.reason)[:200]


class Phrase:
    """Hits each message in which one of the phrases or expressions occurs."""

    api_version = "1.0"
    kind = "phrase"
    live = True

    def check(self, settings: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Needs something to look for, and expressions that RE2 takes."""
        return _phrase_problems(settings)

    def inspect(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """Reads what the contact could see."""
        messages = _first(conversation, settings)
        return [hit for message in messages for hit in self.inspect_message(message, settings)]

    def inspect_message(self, message: InspectedMessage, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """One hit at most, whichever phrase it is."""
        found = _matcher(settings).find(message.text)
        return [Hit(message.id, "phrase", {"matched": found[0].matched})] if found else []


class RequiredPhrase:
    """Hits the conversation in which none of the phrases or expressions occurs, such as a greeting that was left out."""

    api_version = "1.0"
    kind = "required_phrase"
    live = False

    def check(self, settings: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """As for a phrase."""
        return _phrase_problems(settings)

    def inspect(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """Points to the speaker's first message, where the phrase was due."""
        messages = _first(conversation, settings)
        if any(_matcher(settings).find(message.text) for message in messages):
            return []
        return [Hit(messages[0].id if messages else "", "phrase_missing", {})]

    def inspect_message(self, message: InspectedMessage, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """What is not there yet may still come."""
        del message, settings
        return []


class ResponseTime:
    """Hits answers of agents that took too long."""

    api_version = "1.0"
    kind = "response_time"
    live = False  # watched by the clock, not by messages

    def check(self, settings: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Needs one of the two times."""
        if settings.get("first_response_s") or settings.get("next_response_s"):
            return []
        return [("first_response_s", "must be set, or next_response_s, or both")]

    def inspect(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """The first answer counts from the queue, each later one from the contact's first open message."""
        return [*self._first_answer(conversation, settings), *self._later_answers(conversation, settings)]

    def inspect_message(self, message: InspectedMessage, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """One message takes no time."""
        del message, settings
        return []

    def _first_answer(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> list[Hit]:
        limit = settings.get("first_response_s") or 0
        took = conversation.figures.get("frt_s", conversation.figures.get("unanswered_s"))
        if not limit or took is None or took <= limit:
            return []
        answer = next((m.id for m in _public(conversation) if m.author == "agent"), "")
        return [Hit(answer, "first_response_late", {"matched": f"{took:.0f} s"})]

    def _later_answers(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> list[Hit]:
        limit = settings.get("next_response_s") or 0
        hits: list[Hit] = []
        asked, answered = None, False
        for message in _public(conversation):
            if message.author == "contact":
                asked = asked or message.sent_at
            elif message.author == "agent":
                took = (message.sent_at - asked).total_seconds() if asked else 0
                if answered and limit and took > limit:
                    hits.append(Hit(message.id, "next_response_late", {"matched": f"{took:.0f} s"}))
                asked, answered = None, True
            elif message.author in {"bot", "api"}:
                asked = None
        return hits


class Csat:
    """Hits a conversation that the contact rated badly."""

    api_version = "1.0"
    kind = "csat"
    live = True

    def check(self, settings: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Needs a rating."""
        return [] if 1 <= int(settings.get("at_most") or 0) <= 5 else [("at_most", "must be between 1 and 5")]

    def inspect(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """Nothing while there is no rating."""
        score = conversation.csat
        if score is None or score > int(settings["at_most"]):
            return []
        return [Hit("", "csat_low", {"matched": f"{score}/5"})]

    def inspect_message(self, message: InspectedMessage, settings: Mapping[str, Any]) -> Sequence[Hit]:
        """A rating is no message."""
        del message, settings
        return []


BUILTIN: dict[str, InspectionRule] = {
    plugin.kind: plugin for plugin in (Phrase(), RequiredPhrase(), ResponseTime(), Csat())
}


def problems_of(rule: Rule, kinds: Mapping[str, InspectionRule]) -> list[tuple[str, str]]:
    """What is wrong with a rule, as (field within its kind, sentence); the field is empty for the rule as a whole."""
    plugin = kinds.get(rule.kind)
    if plugin is None:
        return [
            ("name", f"no inspection rule {rule.kind!r} is installed; there are: {', '.join(sorted(kinds))}")
        ]
    problems = list(plugin.check(rule.settings))
    if rule.live_alert and not plugin.live and rule.kind != ResponseTime.kind:
        problems.append(
            ("live_alert", "a rule of this kind can only be decided when the conversation is over")
        )
    return problems


def _phrase_problems(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    phrases, patterns = settings.get("phrases") or [], settings.get("patterns") or []
    if not phrases and not patterns:
        return [("phrases", "must hold a phrase, or patterns an expression")]
    problems = [
        (f"phrases[{index}]", "is empty") for index, phrase in enumerate(phrases) if not normalise(phrase)
    ]
    problems += [
        (f"patterns[{index}]", problem)
        for index, pattern in enumerate(patterns)
        if (problem := pattern_problem(pattern))
    ]
    return problems


def _public(conversation: InspectedConversation) -> list[InspectedMessage]:
    return [m for m in conversation.messages if not m.internal and m.author != "system"]


def _first(conversation: InspectedConversation, settings: Mapping[str, Any]) -> list[InspectedMessage]:
    messages = _public(conversation)
    within = int(settings.get("within_first") or 0)
    return messages[:within] if within else messages


def _matcher(settings: Mapping[str, Any]) -> Any:
    return phrase_matcher(tuple(settings.get("phrases") or ()), tuple(settings.get("patterns") or ()))
