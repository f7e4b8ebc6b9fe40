"""When a delivery is tried again, and when it is given up."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong_channel_adapter.domain.delivery import Delivery, Outcome, RetryPolicy, Status
from yunsong_common.errors import FailedPrecondition

POLICY = RetryPolicy(max_attempts=3, base_s=2, max_s=60)


def delivery(status: Status) -> Delivery:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return Delivery("d", "i", "c", "m", 1, status, 1, "", None, now, None, {})


@given(st.integers(1, 1000), st.floats(0, 0.999))
def test_pauses_grow_within_their_bound(attempts: int, chance: float) -> None:
    pause = POLICY.pause_s(attempts, None, chance)
    assert POLICY.base_s / 2 <= pause <= POLICY.max_s
    assert POLICY.pause_s(attempts + 1, None, chance) >= pause


@pytest.mark.parametrize(("asked", "pause"), [(30.0, 30.0), (0.1, 2.0), (86_400.0, 60.0)])
def test_a_channel_gets_the_time_it_asks_for_within_the_bound(asked: float, pause: float) -> None:
    assert POLICY.pause_s(1, asked, 0.9999) == pytest.approx(pause, rel=0.01)


def test_the_last_attempt_makes_it_dead() -> None:
    failed = Outcome(Status.RETRYING, "the receiver answered 500")
    assert POLICY.settle(failed, 2) is failed
    dead = POLICY.settle(failed, 3)
    assert dead.status is Status.DEAD
    assert "3 attempts" in dead.error
    assert "500" in dead.error


@pytest.mark.parametrize("status", Status)
def test_only_what_was_given_up_is_sent_again(status: Status) -> None:
    if status in (Status.DEAD, Status.UNCERTAIN, Status.SKIPPED):
        delivery(status).must_be_replayable()
        return
    with pytest.raises(FailedPrecondition) as refused:
        delivery(status).must_be_replayable()
    assert refused.value.reason == "DELIVERY_NOT_DEAD"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.SENT, "DELIVERY_DONE"), (Status.DEAD, "DELIVERY_DONE"), (Status.SENDING, "DELIVERY_SENDING")],
)
def test_only_what_waits_is_given_up(status: Status, reason: str) -> None:
    delivery(Status.QUEUED).must_be_open()
    delivery(Status.RETRYING).must_be_open()
    with pytest.raises(FailedPrecondition) as refused:
        delivery(status).must_be_open()
    assert refused.value.reason == reason
