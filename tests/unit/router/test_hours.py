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


def test_the_next_opening_skips_the_weekend_and_holidays() -> None:
    monday = dt.date(2026, 3, 9)
    schedule = Schedule("Asia/Shanghai", WORKDAYS, ((monday, None),), ("holiday",))
    assert schedule.next_open(at("2026-03-06T17:59")) is None  # open
    assert schedule.next_open(at("2026-03-06T18:00")) == at("2026-03-10T09:00")
    assert schedule.next_open(at("2026-03-10T08:59:59")) == at("2026-03-10T09:00")
    short = Schedule("Asia/Shanghai", WORKDAYS, ((monday, Hours(13 * 60, 14 * 60)),), ("half a day",))
    assert short.next_open(at("2026-03-06T18:00")) == at("2026-03-09T13:00")


def test_a_night_shift_opens_in_the_evening_and_lasts_into_the_morning() -> None:
    night = Schedule("Asia/Shanghai", ((5, Hours(22 * 60, 2 * 60)),))
    assert night.next_open(at("2026-03-06T21:00")) == at("2026-03-06T22:00")
    assert night.next_open(at("2026-03-07T01:59")) is None
    assert night.next_open(at("2026-03-07T02:00")) == at("2026-03-13T22:00")


def test_what_is_always_open_opens_never() -> None:
    assert Schedule("Asia/Shanghai").next_open(at("2026-03-06T21:00")) is None


@pytest.mark.parametrize(("day", "opens"), [("2026-05-01", True), ("2026-05-02", False)])
def test_an_opening_more_than_60_days_away_is_none(day: str, opens: bool) -> None:
    now = at("2026-03-02T10:00")  # 60 days before the first of May, 10:00
    special = ((dt.date.fromisoformat(day), Hours(9 * 60, 12 * 60)),)
    closed = tuple((dt.date(2026, 3, 2) + dt.timedelta(days=n), None) for n in range(60))
    schedule = Schedule("Asia/Shanghai", (), (*closed, *special), ("",) * 61)
    if not opens:
        schedule = Schedule("Asia/Shanghai", (), (*closed, (dt.date(2026, 5, 1), None), *special), ("",) * 62)
    assert schedule.next_open(now) == (at("2026-05-01T09:00") if opens else None)


def test_hours_that_the_clocks_leave_out_open_nothing() -> None:
    # Berlin, 2026-03-29: 02:00 is 03:00.
    sundays = ((7, Hours(2 * 60 + 15, 2 * 60 + 45)),)
    schedule = Schedule("Europe/Berlin", sundays)
    before = at("2026-03-28T20:00", "Europe/Berlin")
    assert schedule.next_open(before) == dt.datetime(2026, 3, 29, 1, 15, tzinfo=dt.UTC)
    over = Schedule("Europe/Berlin", ((7, Hours(2 * 60 + 30, 3 * 60)),))
    assert over.next_open(before) == at("2026-04-05T02:30", "Europe/Berlin")
    assert not over.is_open(dt.datetime(2026, 3, 29, 1, 15, tzinfo=dt.UTC))


days = st.dates(dt.date(2025, 12, 30), dt.date(2028, 1, 3))
with_holidays = st.builds(
    lambda schedule, special: Schedule(
        schedule.time_zone, schedule.weekly, tuple(special.items()), ("",) * len(special)
    ),
    schedules,
    st.dictionaries(days, st.none() | hours, max_size=8),
)


@settings(max_examples=200, deadline=None)
@given(with_holidays, moments, st.lists(st.floats(0, 1, exclude_max=True), min_size=20, max_size=20))
def test_the_next_opening_is_the_first(
    schedule: Schedule, moment: dt.datetime, fractions: list[float]
) -> None:
    opening = schedule.next_open(moment)
    if schedule.is_open(moment):
        assert opening is None
        return
    bound = moment + dt.timedelta(days=60)
    end = opening if opening is not None else bound
    assert moment < end <= bound
    last = end - dt.timedelta(microseconds=1)
    assert not schedule.is_open(last)
    assert not any(schedule.is_open(moment + (last - moment) * fraction) for fraction in fractions)
    if opening is not None:
        assert schedule.is_open(opening)


@settings(max_examples=100, deadline=None)
@given(with_holidays, moments)
def test_it_is_open_when_the_clock_on_the_wall_says_so(schedule: Schedule, moment: dt.datetime) -> None:
    """Against a plain reading of the rules, on days whose clocks are not moved."""
    zone = ZoneInfo(schedule.time_zone)
    local = moment.astimezone(zone)
    offsets = {(moment + dt.timedelta(hours=h)).astimezone(zone).utcoffset() for h in (-30, 0, 30)}
    if len(offsets) > 1:
        return
    special = dict(schedule.holidays)

    def of(day: dt.date) -> list[Hours]:
        if day in special:
            found = special[day]
            return [] if found is None else [found]
        if not schedule.weekly:
            return [Hours(0, 24 * 60)]
        return [one for weekday, one in schedule.weekly if weekday == day.isoweekday()]

    minute = local.hour * 60 + local.minute
    today = any(one.start <= minute < one.start + one.length for one in of(local.date()))
    yesterday = any(
        one.start <= minute + 24 * 60 < one.start + one.length
        for one in of(local.date() - dt.timedelta(days=1))
    )
    assert schedule.is_open(moment) is (today or yesterday)
