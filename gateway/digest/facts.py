"""What the journal holds that a week's summary speaks of."""

from __future__ import annotations

import statistics
from bisect import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.blindness import Blindness, Sense, blindnesses
from gateway.digest.weeks import Rhythm, Week
from gateway.journal import Journal
from gateway.journal.conversation import Outcome
from gateway.journal.index import PeopleIndex, SourceState
from gateway.model import Entry, Verdict
from gateway.pipeline import FAULTY, PAUSED

EARLIER_WEEKS = 11  # beside the summary's own in the chart, and that letters are counted of
_LONGEST_QUIET = timedelta(days=14)  # no invitation for less is never worth a word
_UNUSUAL = 4  # times the usual gap
_GAPS = 5  # as many must be known before anything is usual


@dataclass(frozen=True, slots=True)
class WeekCount:
    """How many invitations a week brought, by verdict."""

    week: Week
    verdicts: dict[Verdict, int]

    @property
    def total(self) -> int:
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True)
class Facts:
    """A week as the journal has it."""

    week: Week
    rhythm: Rhythm
    entries: Sequence[Entry]
    came_back: Sequence[Entry] = ()  # our answers that were not delivered
    moved: Sequence[tuple[str, str]] = ()  # a case and from what to what, by another policy or other records
    overruled: Sequence[tuple[str, str]] = ()  # a case and by which move or command the owner decided it
    wrote: Sequence[tuple[str, str]] = ()  # a case and what its inviter answered
    opened_by: Mapping[str, Entry] = field(default_factory=dict)  # the first mails of these three, by case
    sources: Sequence[SourceState] = ()  # those that cannot be read now
    mailbox: Blindness | None = None  # that the owner's mailbox cannot be looked at now
    quiet_since: datetime | None = None  # the last invitation, when it is unusually long ago
    history: Sequence[WeekCount] = ()  # oldest first, the week itself last
    outcomes: Sequence[Outcome] = ()  # of the letters of these weeks
    logins: Sequence[str] = ()  # what the owner must know of their logins, which are not in the journal
    paused: bool = False
    faulty: str = ""  # why changed settings are not in force
    asleep: bool = False  # nothing was looked at in the whole week: the program did not run

    @property
    def people(self) -> tuple[Entry, ...]:
        """The mails of all whom the summary may speak of."""
        return (*self.entries, *self.came_back, *self.opened_by.values())


def gather(journal: Journal, index: PeopleIndex, week: Week, rhythm: Rhythm, now: datetime) -> Facts:
    """Ask the journal; `now` in UTC."""
    weeks = _weeks_before(week, rhythm)
    moved = journal.chronicle.moved(week.start, week.end)
    overruled = journal.chronicle.overruled(week.start, week.end)
    wrote = journal.chronicle.answered(week.start, week.end)
    return Facts(
        week=week,
        rhythm=rhythm,
        entries=journal.chronicle.between(week.start, week.end),
        came_back=journal.chronicle.came_back(week.start, week.end),
        moved=moved,
        overruled=overruled,
        wrote=wrote,
        opened_by=journal.chronicle.first_mails({case for case, _ in (*moved, *overruled, *wrote)}),
        sources=[source for source in index.sources() if source.fault],
        mailbox=next((found for found in blindnesses(journal) if found.sense is Sense.MAILBOX), None),
        quiet_since=quiet_since(journal.chronicle.last_invitations(), min(now, week.end)),
        history=count_weeks([*weeks, week], journal.chronicle.opened(weeks[0].start, week.end)),
        outcomes=journal.conversation.outcomes(weeks[0].start),
        paused=journal.fact(PAUSED) is not None,
        faulty=journal.fact(FAULTY) or "",
        asleep=journal.chronicle.asleep(week.start, week.end),
    )


def quiet_since(invitations: Sequence[datetime], now: datetime) -> datetime | None:
    """When the last invitation came, if that is much longer ago than is usual here: mails may have changed their form.

    `invitations` are the moments of the latest ones in order.
    """
    gaps = [later - earlier for earlier, later in pairwise(invitations)]
    if len(gaps) < _GAPS:
        return None
    usual = timedelta(seconds=statistics.median(gap.total_seconds() for gap in gaps))
    quiet = now - invitations[-1]
    return invitations[-1] if quiet > max(_LONGEST_QUIET, usual * _UNUSUAL) else None


def _weeks_before(week: Week, rhythm: Rhythm) -> list[Week]:
    weeks = [rhythm.before(week)]
    while len(weeks) < EARLIER_WEEKS:
        weeks.insert(0, rhythm.before(weeks[0]))
    return weeks


def count_weeks(weeks: Sequence[Week], opened: Sequence[tuple[datetime, Verdict]]) -> list[WeekCount]:
    """How many of the cases opened fell into each week; the weeks follow each other without a gap."""
    starts = [week.start for week in weeks]
    found = Counter((bisect(starts, moment) - 1, verdict) for moment, verdict in opened)
    verdicts = (Verdict.ACCEPT, Verdict.HUMAN, Verdict.DECLINE)
    return [
        WeekCount(week, {verdict: found[number, verdict] for verdict in verdicts}) for number, week in enumerate(weeks)
    ]
