"""Opening hours, holidays and time zones."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunsong_router.domain.hours import Hours, Schedule

WORKDAYS = tuple((day, Hours(9 * 60, 18 * 60)) for day in range(1, 6))


def at(text: str, zone: str = "Asia/Shanghai") -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-03-02T08:59:59", False),  # a Monday
        ("2026-03-02T09:00", True),
        ("2026-03-02T17:59:59", True),
        ("2026-03-02T18:00", False),
        ("2026-03-07T12:00", False),
    ],
)
def test_weekly_hours(moment: str, is_open: bool) -> None:
    assert Schedule("Asia/Shanghai", WORKDAYS).is_open(at(moment)) is is_open


def test_without_hours_it_is_always_open() -> None:
    schedule = Schedule("Asia/Shanghai")
    assert schedule.is_open(at("2026-03-01T03:00"))
    assert schedule.next_change(at("2026-03-01T03:00")) is None


def test_the_next_change_skips_the_weekend() -> None:
    schedule = Schedule("Asia/Shanghai", WORKDAYS)
    assert schedule.next_change(at("2026-03-06T17:00")) == at("2026-03-06T18:00")
    assert schedule.next_change(at("2026-03-06T18:00")) == at("2026-03-09T09:00")


def test_a_holiday_replaces_the_hours_of_its_date() -> None:
    spring = dt.date(2026, 3, 3)
    closed = Schedule("Asia/Shanghai", WORKDAYS, ((spring, None),), ("holiday",))
    short = Schedule("Asia/Shanghai", WORKDAYS, ((spring, Hours(10 * 60, 12 * 60)),), ("half a day",))
    assert not closed.is_open(at("2026-03-03T10:30"))
    assert closed.next_change(at("2026-03-02T18:00")) == at("2026-03-04T09:00")
    assert short.is_open(at("2026-03-03T10:30"))
    assert not short.is_open(at("2026-03-03T13:00"))


def test_a_holiday_closes_what_is_otherwise_always_open() -> None:
    schedule = Schedule("Asia/Shanghai", (), ((dt.date(2026, 10, 1), None),), ("National Day",))
    assert schedule.is_open(at("2026-09-30T23:59"))
    assert not schedule.is_open(at("2026-10-01T12:00"))
    assert schedule.next_change(at("2026-10-01T12:00")) == at("2026-10-02T00:00")


def test_hours_over_midnight_belong_to_the_day_they_begin() -> None:
    night = Schedule("Asia/Shanghai", ((5, Hours(22 * 60, 2 * 60)),))
    assert night.is_open(at("2026-03-07T01:59"))
    assert not night.is_open(at("2026-03-07T02:00"))


def test_whole_days_that_touch_are_one() -> None:
    always = Schedule("Asia/Shanghai", tuple((day, Hours(0, 24 * 60)) for day in range(1, 8)))
    assert always.is_open(at("2026-03-02T00:00"))
    assert always.next_change(at("2026-03-02T12:00")) is None


def test_hours_follow_the_clocks_of_their_zone() -> None:
    schedule = Schedule("Europe/Berlin", tuple((day, Hours(9 * 60, 17 * 60)) for day in range(1, 8)))
    assert schedule.next_change(at("2026-03-28T20:00", "Europe/Berlin")) == dt.datetime(
        2026, 3, 29, 7, 0, tzinfo=dt.UTC
    )
    assert schedule.next_change(at("2026-03-27T20:00", "Europe/Berlin")) == dt.datetime(
        2026, 3, 28, 8, 0, tzinfo=dt.UTC
    )


def test_promised_seconds_pass_only_while_open() -> None:
    schedule = Schedule("Asia/Shanghai", WORKDAYS)
    assert schedule.after_open_seconds(at("2026-03-06T17:59"), 300) == at("2026-03-09T09:04")
    assert schedule.after_open_seconds(at("2026-03-07T12:00"), 60) == at("2026-03-09T09:01")
    assert schedule.after_open_seconds(at("2026-03-06T12:00"), 60) == at("2026-03-06T12:01")


moments = st.integers(0, 2 * 365 * 86400).map(
    lambda seconds: dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
)
hours = st.builds(Hours, st.integers(0, 1439), st.integers(1, 1440)).filter(lambda h: h.start != h.end)
schedules = st.builds(
    Schedule,
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.lists(st.tuples(st.integers(1, 7), hours), max_size=6).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(schedules, moments)
def test_it_is_open_or_closed_without_change_until_the_next_change(
    schedule: Schedule, moment: dt.datetime
) -> None:
    change = schedule.next_change(moment)
    if change is None:
        return
    assert change > moment
    halfway = moment + (change - moment) / 2
    assert schedule.is_open(halfway) is schedule.is_open(moment)
    assert schedule.is_open(change) is not schedule.is_open(moment)
