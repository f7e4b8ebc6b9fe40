"""A conversation's figures, and that the order and number of times facts arrive do not matter."""

from __future__ import annotations

import datetime as dt
import random

from hypothesis import given
from hypothesis import strategies as st

from yunsong_common.ids import new_id
from yunsong_qa.domain.facts import Author, CloseReason, Fact, FactKind, State
from yunsong_qa.domain.figures import Figures, advance, fold, is_late, ordinals

START = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
CONVERSATION, QUEUE, AGENT = new_id(), new_id(), new_id()


class Story:
    """Writes facts one after the other, seconds after the start."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.state = State.NONE
        self.agent: str | None = None

    def begin(self, state: State = State.BOT) -> Story:
        self.state = state
        return self._add(0, FactKind.CREATED)

    def move(
        self,
        at: float,
        state: State,
        reason: str = "",
        *,
        close: CloseReason = CloseReason.NONE,
        category: str = "",
    ) -> Story:
        came_from, self.state = self.state, state
        self.agent = AGENT if state == State.ACTIVE else None
        return self._add(
            at, FactKind.STATE, from_state=came_from, reason=reason, close_reason=close, category=category
        )

    def says(self, at: float, author: Author, *, internal: bool = False) -> Story:
        return self._add(at, FactKind.MESSAGE, author=author, internal=internal, message_id=new_id())

    def rates(self, at: float, score: int) -> Story:
        return self._add(at, FactKind.RATED, value=float(score))

    @property
    def figures(self) -> Figures:
        return fold(CONVERSATION, self.facts)

    def _add(self, at: float, kind: FactKind, **values: object) -> Story:
        self.facts.append(
            Fact(
                entity_id=CONVERSATION,
                rev=len(self.facts) + 1,
                event_id=new_id(),
                kind=kind,
                occurred_at=START + dt.timedelta(seconds=at),
                state=self.state,
                queue_id=QUEUE if self.state in {State.QUEUED, State.ACTIVE} else None,
                agent_id=self.agent,
                **values,  # type: ignore[arg-type]
            )
        )
        return self


def handled() -> Story:
    return (
        Story()
        .begin()
        .says(1, Author.CONTACT)
        .says(2, Author.BOT)
        .says(10, Author.CONTACT)
        .move(11, State.QUEUED, "handoff_requested")
        .move(26, State.ACTIVE, "assigned")
        .says(30, Author.AGENT, internal=True)
        .says(41, Author.AGENT)
        .says(50, Author.CONTACT)
    )


def test_times_of_a_handled_conversation() -> None:
    figures = (
        handled()
        .move(111, State.RESOLVED, "closed", close=CloseReason.AGENT, category="refund")
        .rates(120, 4)
        .figures
    )

    assert figures.wait_s == 15
    assert figures.first_response_s == 30
    assert figures.handling_s == 85
    assert figures.csat_score == 4
    assert figures.category == "refund"
    assert figures.handed_off
    assert not figures.abandoned
    assert not figures.bot_resolved
    assert (figures.queue_id, figures.agent_id) == (QUEUE, AGENT)
    assert (figures.messages, figures.contact_messages, figures.agent_messages, figures.bot_messages) == (
        5,
        3,
        1,
        1,
    )


def test_a_transfer_counts_once_and_adds_its_wait() -> None:
    figures = handled().move(60, State.QUEUED, "transferred").move(70, State.ACTIVE, "transferred").figures

    assert figures.transfers == 1
    assert figures.wait_s == 25
    assert figures.first_wait_s == 15


def test_waiting_in_one_queue_after_another_is_one_wait() -> None:
    story = Story().begin(State.QUEUED).move(10, State.QUEUED, "overflow").move(25, State.ACTIVE, "assigned")

    assert story.figures.wait_s == 25


def test_leaving_while_waiting_is_abandonment_and_being_closed_is_not() -> None:
    waiting = Story().begin().move(5, State.QUEUED)
    left = Story().begin().move(5, State.QUEUED).move(50, State.RESOLVED, close=CloseReason.ABANDONED)
    closed = Story().begin().move(5, State.QUEUED).move(50, State.RESOLVED, close=CloseReason.AGENT)

    assert not waiting.figures.abandoned
    assert left.figures.abandoned
    assert left.figures.wait_s is None
    assert not closed.figures.abandoned


def test_off_hours_are_no_wait() -> None:
    story = Story().begin(State.OFF_HOURS).move(36_000, State.QUEUED, "opened").move(36_005, State.ACTIVE)

    assert story.figures.wait_s == 5


def test_a_wait_that_overflowed_into_the_off_hours_counts() -> None:
    story = Story().begin(State.QUEUED).move(8, State.OFF_HOURS, "overflow")
    picked = story.move(3_600, State.QUEUED, "opened").move(3_602, State.ACTIVE, "assigned")

    assert picked.figures.wait_s == 10
    assert picked.figures.first_wait_s == 10


def test_a_wait_until_the_last_agent_left_counts_and_a_closed_queue_does_not() -> None:
    left = Story().begin(State.QUEUED).move(300, State.OFF_HOURS, "closed_hours").move(900, State.ACTIVE)
    closed = Story().begin(State.QUEUED).move(1, State.OFF_HOURS, "closed_hours").move(900, State.ACTIVE)

    assert left.figures.wait_s == left.figures.first_wait_s == 300
    assert closed.figures.wait_s is None


def test_a_wait_nobody_ended_is_none() -> None:
    story = Story().begin(State.QUEUED).move(8, State.OFF_HOURS, "overflow")

    assert story.move(900, State.RESOLVED, close=CloseReason.IDLE).figures.wait_s is None


def test_the_bot_settles_what_no_person_saw() -> None:
    bot = Story().begin().says(1, Author.BOT).move(60, State.RESOLVED, close=CloseReason.IDLE)
    person = handled().move(200, State.BOT).move(300, State.RESOLVED, close=CloseReason.BOT)

    assert bot.figures.bot_resolved
    assert not person.figures.bot_resolved


def test_reopening_takes_back_what_closing_said() -> None:
    figures = (
        Story()
        .begin()
        .move(5, State.QUEUED)
        .move(20, State.RESOLVED, close=CloseReason.ABANDONED)
        .move(90, State.QUEUED, "contact_wrote")
        .figures
    )

    assert not figures.abandoned
    assert figures.resolved_at is None


def test_what_the_contact_asked_stays_open_until_somebody_answers() -> None:
    asked = handled().figures
    answered = handled().says(80, Author.AGENT).figures

    assert asked.unanswered_since == START + dt.timedelta(seconds=50)
    assert asked.unanswered_rev == 9
    assert answered.unanswered_since is None


def test_places_of_messages_count_per_kind_of_author() -> None:
    story = handled()
    places = ordinals(story.figures, story.facts)

    contact = [f.message_id for f in story.facts if f.author == Author.CONTACT]
    assert [places[str(message_id)] for message_id in contact] == [1, 2, 3]
    assert len(places) == 5


moves = st.lists(
    st.one_of(
        st.tuples(st.just("says"), st.sampled_from(Author), st.booleans()),
        st.tuples(
            st.just("move"),
            st.sampled_from([s for s in State if s != State.NONE]),
            st.sampled_from(["", "transferred", "taken_over", "assigned"]),
        ),
        st.tuples(st.just("rates"), st.integers(1, 5), st.none()),
    ),
    max_size=25,
)


def told(steps: list[tuple[object, ...]], seed: int) -> list[Fact]:
    rng = random.Random(seed)
    story = Story().begin(rng.choice([State.BOT, State.QUEUED, State.OFF_HOURS]))
    at = 0.0
    for verb, what, how in steps:
        at += rng.uniform(0, 100)
        if verb == "says":
            story.says(at, Author(what), internal=bool(how))  # type: ignore[arg-type]
        elif verb == "move":
            story.move(at, State(what), str(how), close=rng.choice(list(CloseReason)))  # type: ignore[arg-type]
        else:
            story.rates(at, int(str(what)))
    return story.facts


@given(moves, st.integers(0, 2**32), st.data())
def test_any_order_any_batches_and_repetitions_give_the_same_figures(
    steps: list[tuple[object, ...]], seed: int, data: st.DataObject
) -> None:
    facts = told(steps, seed)
    arriving = data.draw(st.permutations([*facts, *facts[::2]]))
    figures, stored = Figures(CONVERSATION), dict[str, Fact]()
    while arriving:
        size = data.draw(st.integers(1, len(arriving)))
        batch, arriving = arriving[:size], arriving[size:]
        new = [fact for fact in batch if fact.event_id not in stored]
        stored |= {fact.event_id: fact for fact in new}
        if is_late(figures, new):
            figures = fold(CONVERSATION, stored.values())
        else:
            advance(figures, new)

    assert figures == fold(CONVERSATION, facts)


@given(moves, st.integers(0, 2**32))
def test_figures_are_never_absurd(steps: list[tuple[object, ...]], seed: int) -> None:
    figures = fold(CONVERSATION, told(steps, seed))

    for seconds in (figures.wait_s, figures.first_wait_s, figures.first_response_s, figures.handling_s):
        assert seconds is None or seconds >= 0
    assert figures.messages >= figures.contact_messages + figures.agent_messages + figures.bot_messages
    assert (figures.first_wait_s or 0) <= (figures.wait_s or 0)
    assert not (figures.bot_resolved and figures.abandoned)
    assert not figures.abandoned or figures.handed_off
