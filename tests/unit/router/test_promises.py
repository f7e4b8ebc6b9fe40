"""The clocks of first and next answers."""

from __future__ import annotations

import datetime as dt

from yunsong_router.domain.promises import (
    Clocks,
    Promise,
    Sla,
    Status,
    agent_answered,
    contact_wrote,
    queued,
    stopped,
    ticked,
)

SLA = Sla(first_response_s=60, next_response_s=120, warn_before_s=20)
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def elapse(at: dt.datetime, seconds: float) -> dt.datetime:
    return at + dt.timedelta(seconds=seconds)


def later(seconds: float) -> dt.datetime:
    return elapse(NOON, seconds)


def test_the_first_answer_is_promised_warned_of_and_broken() -> None:
    clocks, changed = queued(Clocks(), SLA, NOON, elapse)
    assert [(c.promise, c.status, c.due_at) for c in changed] == [(Promise.FIRST, Status.RUNNING, later(60))]
    assert (clocks.timer, clocks.next_due_at) == (later(40), later(60))

    clocks, changed = ticked(clocks, later(39))
    assert changed == []
    clocks, changed = ticked(clocks, later(40))
    assert [c.status for c in changed] == [Status.WARNING]
    assert clocks.timer == later(60)
    clocks, changed = ticked(clocks, later(60))
    assert [c.status for c in changed] == [Status.BREACHED]
    assert (clocks.timer, clocks.next_due_at) == (None, None)


def test_an_answer_keeps_the_promise_and_the_contacts_next_message_starts_the_next() -> None:
    clocks, _ = queued(Clocks(), SLA, NOON, elapse)
    clocks, changed = contact_wrote(clocks, SLA, later(5), elapse)
    assert changed == []  # the first answer is due already
    clocks, changed = agent_answered(clocks)
    assert [(c.promise, c.status) for c in changed] == [(Promise.FIRST, Status.MET)]
    clocks, changed = contact_wrote(clocks, SLA, later(100), elapse)
    assert [(c.promise, c.due_at) for c in changed] == [(Promise.NEXT, later(220))]
    clocks, changed = contact_wrote(clocks, SLA, later(150), elapse)
    assert changed == []
    assert clocks.next_due_at == later(220)
    clocks, changed = agent_answered(clocks)
    assert [(c.promise, c.status) for c in changed] == [(Promise.NEXT, Status.MET)]


def test_a_transfer_does_not_start_the_first_answer_anew() -> None:
    clocks, _ = queued(Clocks(), SLA, NOON, elapse)
    again, changed = queued(clocks, SLA, later(30), elapse)
    assert (again, changed) == (clocks, [])
    answered, _ = agent_answered(clocks)
    assert queued(answered, SLA, later(200), elapse)[1] == []


def test_closing_stops_what_runs_and_a_reopened_wait_starts_anew() -> None:
    clocks, _ = queued(Clocks(), SLA, NOON, elapse)
    clocks, changed = stopped(clocks)
    assert [c.status for c in changed] == [Status.STOPPED]
    _, changed = queued(clocks, SLA, later(500), elapse)
    assert [c.due_at for c in changed] == [later(560)]


def test_what_broke_is_over_with_the_answer() -> None:
    clocks, _ = queued(Clocks(), SLA, NOON, elapse)
    clocks, _ = ticked(clocks, later(61))
    clocks, changed = agent_answered(clocks)
    assert changed == []
    assert clocks.answered


def test_a_queue_that_promises_nothing_starts_nothing() -> None:
    assert queued(Clocks(), Sla(), NOON, elapse) == (Clocks(), [])
    assert contact_wrote(Clocks(answered=True), Sla(), NOON, elapse)[1] == []
