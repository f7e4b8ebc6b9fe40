"""One conversation's figures, folded from its facts.

The fold is over facts in the order of their revisions. Facts that come late are handled by folding the history again, so whatever
order and however often facts arrive, the figures are those of the whole history.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yunsong_qa.domain.facts import Author, CloseReason, Fact, FactKind, State

# With these the contact gave up; a person who closes, merges or marks spam is no abandonment.
_LEFT = frozenset({CloseReason.ABANDONED, CloseReason.CONTACT, CloseReason.IDLE})
_SETTLED_BY_BOT = frozenset({CloseReason.BOT, CloseReason.CONTACT, CloseReason.IDLE})
_TRANSFERS = frozenset({"transferred", "taken_over"})
# A closed queue is left for the off hours as soon as the router sees the conversation: nobody waited for an agent there.
_CLOSED = "closed_hours"
_AT_ONCE_S = 3.0


@dataclass(slots=True)
class Figures:
    """Times are seconds and None where there was no such moment."""

    conversation_id: str
    applied_rev: int = 0
    created_at: dt.datetime | None = None
    inbox_id: str | None = None
    contact_id: str | None = None
    queue_id: str | None = None
    agent_id: str | None = None
    state: int = State.NONE
    queued_since: dt.datetime | None = None
    first_queued_at: dt.datetime | None = None
    first_assigned_at: dt.datetime | None = None
    first_reply_at: dt.datetime | None = None
    resolved_at: dt.datetime | None = None
    close_reason: int = CloseReason.NONE
    wait_s: float | None = None
    first_wait_s: float | None = None
    first_response_s: float | None = None
    handling_s: float | None = None
    csat_score: int | None = None
    category: str = ""
    handed_off: bool = False
    abandoned: bool = False
    bot_resolved: bool = False
    messages: int = 0
    contact_messages: int = 0
    agent_messages: int = 0
    bot_messages: int = 0
    transfers: int = 0
    # The contact's first message that nobody has answered, for alerts.
    unanswered_since: dt.datetime | None = None
    unanswered_rev: int = 0


def fold(conversation_id: str, facts: Iterable[Fact]) -> Figures:
    """The figures of a whole history, in any order and with repetitions."""
    figures = Figures(conversation_id)
    advance(figures, facts)
    return figures


def is_late(figures: Figures, facts: Iterable[Fact]) -> bool:
    """Whether one of the facts belongs before what the figures already hold, so that only a fold of the history is right."""
    return any(0 < fact.rev <= figures.applied_rev for fact in facts)


def advance(figures: Figures, facts: Iterable[Fact]) -> None:
    """Takes facts into account that are not late; a revision counts once."""
    for fact in sorted((fact for fact in facts if fact.rev), key=lambda fact: fact.rev):
        if fact.rev > figures.applied_rev:
            _apply(figures, fact)
            figures.applied_rev = fact.rev


def ordinals(figures: Figures, facts: Sequence[Fact]) -> dict[str, int]:
    """Which message of its author's kind each public message is, counted from 1, after `facts` went into `figures`."""
    left = {
        Author.CONTACT: figures.contact_messages,
        Author.AGENT: figures.agent_messages,
        Author.BOT: figures.bot_messages,
    }
    places: dict[str, int] = {}
    for fact in sorted(facts, key=lambda fact: fact.rev, reverse=True):
        if fact.kind == FactKind.MESSAGE and not fact.internal and fact.message_id and fact.author in left:
            author = Author(fact.author)
            places[fact.message_id] = left[author]
            left[author] -= 1
    return places


def _apply(figures: Figures, fact: Fact) -> None:
    if fact.kind == FactKind.MESSAGE:
        _message(figures, fact)
    elif fact.kind == FactKind.STATE:
        _move(figures, fact)
    elif fact.kind == FactKind.CREATED:
        figures.created_at = fact.occurred_at
        figures.inbox_id = fact.inbox_id
        _move(figures, fact)
    elif fact.kind == FactKind.RATED:
        figures.csat_score = int(fact.value) if fact.value else None
    figures.contact_id = fact.contact_id or figures.contact_id
    figures.queue_id = fact.queue_id or figures.queue_id
    figures.agent_id = fact.agent_id or figures.agent_id


def _message(figures: Figures, fact: Fact) -> None:
    if fact.internal or fact.author in {Author.SYSTEM, Author.NONE}:
        return
    figures.messages += 1
    if fact.author == Author.CONTACT:
        figures.contact_messages += 1
        if figures.unanswered_since is None:
            figures.unanswered_since = fact.occurred_at
            figures.unanswered_rev = fact.rev
        return
    figures.unanswered_since = None
    figures.unanswered_rev = 0
    if fact.author == Author.BOT:
        figures.bot_messages += 1
    elif fact.author == Author.AGENT:
        figures.agent_messages += 1
        if figures.first_reply_at is None:
            figures.first_reply_at = fact.occurred_at
            figures.first_response_s = _seconds(figures.first_queued_at, fact.occurred_at)


def _move(figures: Figures, fact: Fact) -> None:
    at, to = fact.occurred_at, fact.state
    figures.state = to
    if fact.from_state == State.RESOLVED and to != State.RESOLVED:
        _reopen(figures)
    if fact.from_state == State.ACTIVE and fact.reason in _TRANSFERS:
        figures.transfers += 1
    if to == State.QUEUED:
        figures.handed_off = True
        # Moving from queue to queue goes on waiting.
        figures.queued_since = figures.queued_since or at
        figures.first_queued_at = figures.first_queued_at or at
        return
    if to == State.ACTIVE:
        _assigned(figures, at)
    elif to == State.RESOLVED:
        _resolved(figures, fact)
    else:
        _sent_on(figures, fact)
    figures.queued_since = None


def _assigned(figures: Figures, at: dt.datetime) -> None:
    _add_wait(figures, _seconds(figures.queued_since, at))
    if figures.first_wait_s is None:
        figures.first_wait_s = figures.wait_s
    figures.first_assigned_at = figures.first_assigned_at or at


def _sent_on(figures: Figures, fact: Fact) -> None:
    """Out of a queue without an agent, as when nobody had time within the longest wait."""
    waited = _seconds(figures.queued_since, fact.occurred_at)
    if waited is not None and not (fact.reason == _CLOSED and waited <= _AT_ONCE_S):
        _add_wait(figures, waited)


def _add_wait(figures: Figures, waited: float | None) -> None:
    if waited is not None:
        figures.wait_s = (figures.wait_s or 0.0) + waited


def _resolved(figures: Figures, fact: Fact) -> None:
    if figures.first_wait_s is None:
        # Who never came to an agent left a wait that has no end.
        figures.wait_s = None
    if figures.resolved_at is None:
        figures.resolved_at = fact.occurred_at
    figures.close_reason = fact.close_reason
    figures.category = fact.category
    figures.handling_s = _seconds(figures.first_assigned_at, fact.occurred_at)
    figures.abandoned = figures.queued_since is not None and fact.close_reason in _LEFT
    figures.bot_resolved = (
        fact.from_state == State.BOT and not figures.handed_off and fact.close_reason in _SETTLED_BY_BOT
    )


def _reopen(figures: Figures) -> None:
    figures.resolved_at = None
    figures.close_reason = CloseReason.NONE
    figures.handling_s = None
    figures.abandoned = False
    figures.bot_resolved = False


def _seconds(start: dt.datetime | None, end: dt.datetime) -> float | None:
    # Replicas of the database's clock can be set back; a duration cannot.
    return None if start is None else max(0.0, (end - start).total_seconds())
