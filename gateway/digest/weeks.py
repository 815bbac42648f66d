"""The weeks that summaries are about, by the owner's clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = re.compile(r"(?P<year>\d{4})-W(?P<week>\d{2})")


@dataclass(frozen=True, slots=True)
class Week:
    """The span between two summaries, named by the ISO week most of it lies in."""

    name: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Rhythm:
    """On which day and at which local time the owner wants the summary."""

    day: Day
    time: time
    zone: ZoneInfo

    @classmethod
    def of(cls, day: Day, at: str, zone: ZoneInfo) -> Rhythm:
        return cls(day, time.fromisoformat(at), zone)

    def last_over(self, now: datetime) -> Week:
        """The latest week whose summary is due by now."""
        today = now.astimezone(self.zone).date()
        back = (today.weekday() - _DAYS.index(self.day)) % 7
        end = self._moment(today - timedelta(days=back))
        if end > now:
            back += 7
        return self._ending(today - timedelta(days=back))

    def over_since(self, moment: datetime, now: datetime) -> Iterator[Week]:
        """The weeks that ended after a moment and by now, oldest first."""
        week = self.last_over(now)
        weeks = []
        while week.end > moment:
            weeks.append(week)
            week = self.before(week)
        yield from reversed(weeks)

    def before(self, week: Week) -> Week:
        """The week before a week."""
        return self._ending(self._day_of(week.start))

    def running(self, now: datetime) -> Week:
        """The week that now lies in."""
        return self._ending(self._day_of(self.last_over(now).end) + timedelta(days=7))

    def named(self, name: str) -> Week:
        """The week called "2026-W47"; ValueError when there is none."""
        found = _WEEK.fullmatch(name)
        if not found:
            raise ValueError(f"{name!r} is no week; write it like 2026-W47")
        monday = date.fromisocalendar(int(found["year"]), int(found["week"]), 1)
        for shift in range(14):
            week = self._ending(monday + timedelta(days=shift))
            if week.name == name and (monday + timedelta(days=shift)).weekday() == _DAYS.index(self.day):
                return week
        raise ValueError(f"{name!r} is no week")

    def _ending(self, day: date) -> Week:
        middle = day - timedelta(days=3)
        year, week, _ = middle.isocalendar()
        return Week(f"{year}-W{week:02}", self._moment(day - timedelta(days=7)), self._moment(day))

    def _day_of(self, moment: datetime) -> date:
        """The date on which a week ends at this moment."""
        day = moment.astimezone(self.zone).date()
        # 23:30 on a night whose clocks go from 23:00 to 00:00 (Nuuk) is on the next day, as is all of a day that a
        # place leaves out (Apia, 2011).
        return day - timedelta(days=(day.weekday() - _DAYS.index(self.day)) % 7)

    def _moment(self, day: date) -> datetime:
        # In the hour that a change of clocks takes away the zone answers with the time after it; in the
        # doubled hour fold=0 is the first. Either way a date gives one moment.
        return datetime.combine(day, self.time, self.zone).astimezone(UTC)
