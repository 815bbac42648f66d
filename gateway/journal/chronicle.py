"""What happened in a span of time, as a summary tells it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from gateway.journal import entries as _entries
from gateway.journal.schema import TOLD, cases, entries, events
from gateway.journal.store import Store
from gateway.model import Entry, Verdict

AWAY = "away"  # the event of having been stopped for days; its reason is since when


@dataclass(frozen=True, slots=True)
class Chronicle:
    """One owner's past."""

    store: Store
    owner: str

    def between(self, start: datetime, end: datetime) -> list[Entry]:
        """Entries taken in, or settled, in a span of time."""
        then = (entries.c.taken_in >= start) & (entries.c.taken_in < end)
        then |= (entries.c.settled >= start) & (entries.c.settled < end)
        with self.store.read() as connection:
            return _entries.find(connection, self.owner, then)

    def came_back(self, start: datetime, end: datetime) -> list[Entry]:
        """Answers of ours that turned out undeliverable in a span of time."""
        bounced = select(events.c.entry_id).where(
            events.c.owner == self.owner, TOLD, events.c.what == "bounced", events.c.at >= start, events.c.at < end
        )
        with self.store.read() as connection:
            ids = list(connection.execute(bounced).scalars())
            return _entries.find(connection, self.owner, entries.c.id.in_(ids)) if ids else []

    def opened(self, start: datetime, end: datetime) -> list[tuple[datetime, Verdict]]:
        """When cases were opened in a span of time, and how they are decided now."""
        query = select(cases.c.opened, cases.c.verdict).where(
            cases.c.owner == self.owner, cases.c.opened >= start, cases.c.opened < end
        )
        with self.store.read() as connection:
            return [(row.opened, Verdict(row.verdict)) for row in connection.execute(query)]

    def last_invitations(self, most: int = 20) -> list[datetime]:
        """When the latest cases were opened, in order."""
        query = select(cases.c.opened).where(cases.c.owner == self.owner).order_by(cases.c.number.desc()).limit(most)
        with self.store.read() as connection:
            return sorted(row.opened for row in connection.execute(query))

    def asleep(self, start: datetime, end: datetime) -> bool:
        """Whether nobody looked after this owner in a whole span of time."""
        query = select(events.c.at, events.c.why).where(
            events.c.owner == self.owner, TOLD, events.c.what == AWAY, events.c.at >= end
        )
        with self.store.read() as connection:
            return any(datetime.fromisoformat(row.why) <= start for row in connection.execute(query))

    def moved(self, start: datetime, end: datetime) -> list[tuple[str, str]]:
        """Cases that a changed policy or changed records moved in a span of time, and from where to where."""
        return self._told("moved", start, end)

    def overruled(self, start: datetime, end: datetime) -> list[tuple[str, str]]:
        """Cases that the owner decided in a span of time, and how: by which move or command."""
        return self._told("overruled", start, end)

    def answered(self, start: datetime, end: datetime) -> list[tuple[str, str]]:
        """Cases in which the inviter wrote back in a span of time, and what."""
        return self._told("answered", start, end)

    def first_mails(self, names: Collection[str]) -> dict[str, Entry]:
        """The mails that opened the cases called so ("c17"), by case."""
        numbers = [int(name.removeprefix("c")) for name in names]
        of_these = select(cases.c.id).where(cases.c.owner == self.owner, cases.c.number.in_(numbers))
        with self.store.read() as connection:
            found = _entries.first_mails(connection, list(connection.execute(of_these).scalars()))
        return {entry.case: entry for entry in found.values() if entry.case}

    def _told(self, what: str, start: datetime, end: datetime) -> list[tuple[str, str]]:
        query = (
            select(cases.c.number, events.c.why)
            .join(cases, events.c.case_id == cases.c.id)
            .where(events.c.owner == self.owner, TOLD, events.c.what == what)
            .where(events.c.at >= start, events.c.at < end)
            .order_by(events.c.id)
        )
        with self.store.read() as connection:
            return [(f"c{row.number}", row.why) for row in connection.execute(query)]
