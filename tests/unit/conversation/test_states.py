"""The state machine: what the design allows, and nothing else."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from yunsong_common.errors import FailedPrecondition
from yunsong_conversation.domain.changes import Change
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import Actor, AuthorKind, Message, Visibility
from yunsong_conversation.domain.states import MOVES, Asker, CloseReason, State, check_move

START = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
DRAWN = {
    State.NEW: {State.BOT, State.QUEUED, State.OFF_HOURS},
    State.BOT: {State.QUEUED, State.OFF_HOURS, State.RESOLVED},
    State.OFF_HOURS: {State.QUEUED, State.ACTIVE, State.RESOLVED},
    State.QUEUED: {State.QUEUED, State.OFF_HOURS, State.ACTIVE, State.RESOLVED},
    State.ACTIVE: {State.ACTIVE, State.QUEUED, State.SNOOZED, State.RESOLVED},
    State.SNOOZED: {State.QUEUED, State.ACTIVE, State.RESOLVED},
    State.RESOLVED: {State.BOT, State.QUEUED},
}


@pytest.mark.parametrize("start", list(State))
@pytest.mark.parametrize("end", list(State))
def test_a_move_that_is_not_drawn_is_refused_whoever_asks(start: State, end: State) -> None:
    allowed = end in DRAWN[start]
    assert ((start, end) in MOVES) == allowed
    for asker in Asker:
        if allowed and asker in MOVES[start, end]:
            check_move(start, end, asker)
        else:
            with pytest.raises(FailedPrecondition) as refusal:
                check_move(start, end, asker)
            assert refusal.value.reason == "TRANSITION_REFUSED"


def test_only_the_router_gives_work_to_an_agent() -> None:
    assert {askers for (_, end), askers in MOVES.items() if end == State.ACTIVE} == {
        frozenset({Asker.ROUTER})
    }


def conversation() -> Conversation:
    return Conversation(
        id="c",
        inbox_id="i",
        channel="web",
        contact_id="k",
        created_at=START,
        last_message_at=START,
        queue_id="q",
    )


@given(st.sampled_from(sorted(MOVES)), st.sampled_from(list(Asker)))
def test_a_refused_move_changes_nothing(pair: tuple[State, State], asker: Asker) -> None:
    start, end = pair
    c = conversation()
    c.state, c.rev, c.public_rev, c.epoch = start, 7, 5, 3
    if asker in MOVES[pair]:
        return
    before = repr(c)
    with pytest.raises(FailedPrecondition):
        c.move(end, asker, START, "x")
    assert repr(c) == before


class Life(RuleBasedStateMachine):
    """Whatever happens to a conversation, in any order, its invariants hold."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.c = conversation()
        self.revs: list[tuple[int, int]] = []
        self.epochs = [0]

    @initialize(state=st.sampled_from([State.BOT, State.QUEUED]))
    def begin(self, state: State) -> None:
        self._keep(self.c.begin(state, Asker.CONTACT, self.now))

    def _keep(self, change: Change | None) -> None:
        if change is not None:
            self.revs.append((change.rev, change.public_rev))
        self.epochs.append(self.c.epoch)

    def _try(self, what: str, *args: object) -> None:
        before = self.c.state
        try:
            self._keep(getattr(self.c, what)(*args))
        except FailedPrecondition:
            assert self.c.state == before

    @rule(seconds=st.integers(0, 1_000_000))
    def time_passes(self, seconds: int) -> None:
        self.now += dt.timedelta(seconds=seconds)

    @rule(
        kind=st.sampled_from([AuthorKind.CONTACT, AuthorKind.AGENT, AuthorKind.SYSTEM]), public=st.booleans()
    )
    def somebody_writes(self, kind: AuthorKind, public: bool) -> None:
        visibility = Visibility.PUBLIC if public or kind == AuthorKind.CONTACT else Visibility.INTERNAL
        message = Message("m", "c", Actor(kind, "a"), visibility, b"x", self.now)
        change = self.c.post(message)
        assert bool(change.public_rev) == message.public
        self._keep(change)

    # Into ACTIVE leads `assign` alone.
    @rule(
        to=st.sampled_from([s for s in State if s not in (State.NEW, State.ACTIVE)]),
        asker=st.sampled_from(list(Asker)),
    )
    def somebody_moves_it(self, to: State, asker: Asker) -> None:
        before = self.c.state
        self._try("move", to, asker, self.now, "x")
        if self.c.state != before:
            assert asker in MOVES[before, self.c.state]

    @rule(agent=st.sampled_from(["a1", "a2"]))
    def the_router_assigns(self, agent: str) -> None:
        epoch = self.c.epoch
        self._try("assign", Actor(AuthorKind.AGENT, agent, agent), "q2", self.now, "assigned")
        assert self.c.epoch == epoch

    @rule()
    def it_is_closed(self) -> None:
        self._try("resolve", CloseReason.AGENT, Asker.STAFF, self.now, "closed")

    @rule(score=st.integers(1, 5))
    def it_is_rated(self, score: int) -> None:
        self._try("rate", score, "", self.now)

    @rule(through=st.integers(0, 50))
    def the_contact_reads(self, through: int) -> None:
        mark = self.c.contact_read_public_rev
        self._keep(
            self.c.read_by_contact(min(through, self.c.rev), min(through, self.c.public_rev), 0, self.now)
        )
        assert self.c.contact_read_public_rev >= mark

    @invariant()
    def revisions_have_no_gap(self) -> None:
        assert [rev for rev, _ in self.revs] == list(range(1, len(self.revs) + 1))
        public = [public for _, public in self.revs if public]
        assert public == list(range(1, len(public) + 1))
        assert (self.c.rev, self.c.public_rev) == (len(self.revs), len(public))

    @invariant()
    def the_epoch_never_goes_back(self) -> None:
        assert self.epochs == sorted(self.epochs)

    @invariant()
    def a_state_has_what_belongs_to_it(self) -> None:
        c = self.c
        assert (c.queued_at is not None) == (c.state == State.QUEUED)
        assert (c.resolved_at is not None) == (c.state == State.RESOLVED)
        if c.state == State.ACTIVE:
            assert c.assignee_id
            assert c.assignee_id in c.participant_ids
        if c.state in (State.BOT, State.QUEUED, State.OFF_HOURS):
            assert not c.assignee_id


TestLife = Life.TestCase


def test_every_new_wait_raises_the_epoch() -> None:
    c = conversation()
    c.begin(State.BOT, Asker.CONTACT, START)
    c.move(State.QUEUED, Asker.BOT, START, "handoff")
    assert c.epoch == 1
    c.move(State.OFF_HOURS, Asker.ROUTER, START, "closed_hours")
    c.move(State.QUEUED, Asker.ROUTER, START, "opened")
    assert c.epoch == 2
    c.assign(Actor(AuthorKind.AGENT, "a", "A"), "", START, "assigned")
    assert c.epoch == 2
    c.move(State.QUEUED, Asker.ROUTER, START, "transferred")
    assert (c.epoch, c.last_assignee_id) == (3, "a")


def test_the_contact_sees_neither_snoozing_nor_another_queue() -> None:
    c = conversation()
    c.begin(State.QUEUED, Asker.CONTACT, START)
    assert c.move(State.QUEUED, Asker.ROUTER, START, "overflow").public_rev == 0
    assert c.assign(Actor(AuthorKind.AGENT, "a", "A"), "", START, "assigned").public_rev == 2
    assert c.snooze(START + dt.timedelta(hours=1), Asker.STAFF, START).public_rev == 0


def test_a_closed_conversation_reopens_only_within_its_window() -> None:
    c = conversation()
    c.begin(State.BOT, Asker.CONTACT, START)
    assert not c.reopens(60, START)
    c.resolve(CloseReason.BOT, Asker.BOT, START, "done")
    assert c.reopens(60, START + dt.timedelta(seconds=59))
    assert not c.reopens(60, START + dt.timedelta(seconds=60))
    assert not c.reopens(0, START)
    c.spam = True
    assert not c.reopens(60, START)


def test_a_rating_can_be_changed_for_seven_days_after_the_end() -> None:
    c = conversation()
    c.begin(State.QUEUED, Asker.CONTACT, START)
    with pytest.raises(FailedPrecondition, match="RATING_NOT_OPEN"):
        c.rate(5, "", START)
    c.assign(Actor(AuthorKind.AGENT, "a", "A"), "", START, "assigned")
    c.rate(3, "", START)
    c.resolve(CloseReason.AGENT, Asker.STAFF, START, "closed")
    c.rate(5, "", START + dt.timedelta(days=6, hours=23))
    with pytest.raises(FailedPrecondition, match="RATING_NOT_OPEN"):
        c.rate(1, "", START + dt.timedelta(days=7))
