"""When a queue is open: weekly hours, holidays, in a time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

_DAY = dt.timedelta(days=1)
# A schedule repeats weekly and holidays are listed by date: who finds no change for so long finds none.
_HORIZON_DAYS = 400
# Who waits for an opening that is farther away is told of none.
_NEXT_OPEN_DAYS = 60


@dataclass(frozen=True, slots=True)
class Hours:
    """Open from `start` to `end`, minutes after midnight; an `end` not after `start` is on the next day."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Minutes."""
        return self.end - self.start if self.end > self.start else self.end + 24 * 60 - self.start


_WHOLE_DAY = (Hours(0, 24 * 60),)


@dataclass(frozen=True)
class Schedule:
    """Weekly hours by ISO weekday, always open when there are none; holidays replace the hours of their date."""

    time_zone: str
    weekly: tuple[tuple[int, Hours], ...] = ()
    holidays: tuple[tuple[dt.date, Hours | None], ...] = ()
    holiday_names: tuple[str, ...] = ()

    def is_open(self, at: dt.datetime) -> bool:
        """Whether it is open at that moment."""
        if not self.weekly and not self.holidays:
            return True
        for start, end in self._merged(at):
            if start > at:
                return False
            if at < end:
                return True
        return False

    def next_change(self, at: dt.datetime) -> dt.datetime | None:
        """When it next opens or closes after that moment; None when it never does."""
        if not self.weekly and not self.holidays:
            return None
        horizon = at + _HORIZON_DAYS * _DAY
        for start, end in self._merged(at):
            if start > at:
                return start
            if end > at:
                return end if end < horizon else None
        return None

    def next_open(self, at: dt.datetime) -> dt.datetime | None:
        """When it opens next; None while it is open, and when it does not open within 60 days."""
        if not self.weekly and not self.holidays:
            return None
        for start, end in self._merged(at, _NEXT_OPEN_DAYS + 1):
            if end <= at:
                continue
            return start if at < start <= at + _NEXT_OPEN_DAYS * _DAY else None
        return None

    def after_open_seconds(self, at: dt.datetime, seconds: float) -> dt.datetime:
        """The moment at which it has been open for that many seconds since `at`; time while it is closed does not count."""
        if not self.weekly and not self.holidays:
            return at + dt.timedelta(seconds=seconds)
        left = dt.timedelta(seconds=seconds)
        for start, end in self._merged(at):
            begin = max(start, at)
            if end <= begin:
                continue
            if end - begin >= left:
                return begin + left
            left -= end - begin
        return at + dt.timedelta(seconds=seconds)

    def _merged(
        self, at: dt.datetime, days: int = _HORIZON_DAYS
    ) -> Iterator[tuple[dt.datetime, dt.datetime]]:
        """Times of being open from the day before `at` on, ascending; those that touch are one."""
        pending: tuple[dt.datetime, dt.datetime] | None = None
        for start, end in self._intervals(at, days):
            if pending is None:
                pending = (start, end)
            elif start <= pending[1]:
                pending = (pending[0], max(end, pending[1]))
            else:
                yield pending
                pending = (start, end)
        if pending is not None:
            yield pending

    def _intervals(self, at: dt.datetime, days: int) -> Iterator[tuple[dt.datetime, dt.datetime]]:
        zone = ZoneInfo(self.time_zone)
        first = at.astimezone(zone).date() - _DAY
        special = dict(self.holidays)
        for offset in range(days + 2):
            date = first + offset * _DAY
            if date in special:
                hours = special[date]
                today: tuple[Hours, ...] = (hours,) if hours is not None else ()
            else:
                today = self._weekly_hours(date)
            moments = (
                (_moment(date, one.start, zone), _moment(date, one.start + one.length, zone)) for one in today
            )
            # Where the clocks are put forward, hours may vanish, or begin later than hours that follow them.
            yield from sorted((start, end) for start, end in moments if start < end)

    def _weekly_hours(self, date: dt.date) -> tuple[Hours, ...]:
        if not self.weekly:
            return _WHOLE_DAY
        return tuple(hours for weekday, hours in self.weekly if weekday == date.isoweekday())


def _moment(date: dt.date, minutes: int, zone: ZoneInfo) -> dt.datetime:
    days, minutes = divmod(minutes, 24 * 60)
    time = dt.time(minutes // 60, minutes % 60)
    return dt.datetime.combine(date + days * _DAY, time, tzinfo=zone).astimezone(dt.UTC)
