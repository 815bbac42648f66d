"""What the journal holds that a week's summary speaks of."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.digest.weeks import Rhythm, Week
from gateway.journal import Journal
from gateway.journal.conversation import Outcome
from gateway.journal.index import PeopleIndex, SourceState
from gateway.model import Entry, Verdict
from gateway.pipeline import FAULTY, PAUSED

EARLIER_WEEKS = 7  # beside the summary's own in the chart
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
    sources: Sequence[SourceState] = ()  # those that cannot be read now
    quiet_since: datetime | None = None  # the last invitation, when it is unusually long ago
    outcomes: Sequence[Outcome] = ()  # of all letters so far, a template each
    history: Sequence[WeekCount] = ()  # oldest first, the week itself last
    paused: bool = False
    faulty: str = ""  # why changed settings are not in force
    asleep: bool = False  # nothing was looked at in the whole week: the program did not run


def gather(journal: Journal, index: PeopleIndex, week: Week, rhythm: Rhythm, now: datetime) -> Facts:
    """Ask the journal; `now` in UTC."""
    return Facts(
        week=week,
        rhythm=rhythm,
        entries=journal.between(week.start, week.end),
        came_back=journal.came_back(week.start, week.end),
        moved=journal.moved(week.start, week.end),
        overruled=journal.overruled(week.start, week.end),
        wrote=journal.answered(week.start, week.end),
        sources=[source for source in index.sources() if source.fault],
        quiet_since=quiet_since(journal.last_invitations(), min(now, week.end)),
        outcomes=journal.conversation.outcomes(),
        history=_history(journal, week, rhythm),
        paused=journal.fact(PAUSED) is not None,
        faulty=journal.fact(FAULTY) or "",
        asleep=journal.asleep(week.start, week.end),
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


def _history(journal: Journal, week: Week, rhythm: Rhythm) -> Sequence[WeekCount]:
    weeks = [week]
    for _ in range(EARLIER_WEEKS):
        weeks.insert(0, rhythm.before(weeks[0]))
    opened = journal.opened(weeks[0].start, week.end)
    return [
        WeekCount(
            one,
            {
                verdict: sum(one.start <= moment < one.end for moment, its in opened if its is verdict)
                for verdict in (Verdict.ACCEPT, Verdict.HUMAN, Verdict.DECLINE)
            },
        )
        for one in weeks
    ]
