"""The journal's two small shelves: the weekly summaries sent, and the policies that were in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import JournalFailed
from gateway.journal.schema import digests, policies
from gateway.journal.store import Store
from gateway.model import State

_KEPT = select(policies.c.since).where(
    policies.c.owner == bindparam("owner"), policies.c.fingerprint == bindparam("fingerprint")
)


@dataclass(frozen=True, slots=True)
class Weeks:
    """One row a summary: claimed before it is sent, so that no week has two."""

    store: Store
    owner: str

    def claim(self, week: str, now: datetime) -> bool:
        """Take a week's summary for sending; False when it is taken already."""
        row = {"owner": self.owner, "week": week, "at": now, "state": State.SENDING}
        try:
            with self.store.write() as connection:
                connection.execute(insert(digests).values(**row))
        except JournalFailed as exc:
            if isinstance(exc.__cause__, IntegrityError):
                return False
            raise
        return True

    def settle(self, week: str, state: State, why: str = "") -> None:
        """Write down how far a summary got."""
        with self.store.write() as connection:
            mine = (digests.c.owner == self.owner, digests.c.week == week)
            connection.execute(update(digests).where(*mine).values(state=state, why=why))

    def sent(self) -> list[tuple[str, datetime]]:
        """The weeks whose summary may be with the owner, and since when."""
        on_their_way = digests.c.state.not_in((State.SENDING, State.CLOSED))
        query = select(digests.c.week, digests.c.at).where(digests.c.owner == self.owner, on_their_way)
        with self.store.read() as connection:
            return [(row.week, row.at) for row in connection.execute(query)]

    def give_back(self, week: str) -> None:
        """Release a week whose summary surely was not sent."""
        with self.store.write() as connection:
            connection.execute(delete(digests).where(digests.c.owner == self.owner, digests.c.week == week))


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies by fingerprint, with their text and since when they were in force."""

    store: Store
    owner: str

    def keep(self, fingerprint: str, text: str, now: datetime) -> None:
        """Keep the policy that decisions are made under; one that is kept already keeps its date."""
        row = {"owner": self.owner, "fingerprint": fingerprint, "text": text, "since": now}
        with self.store.read() as connection:
            if connection.execute(_KEPT, row).first() is not None:
                return
        with self.store.write() as connection:
            if connection.execute(_KEPT, row).first() is None:
                connection.execute(insert(policies).values(**row))

    def since(self, fingerprint: str) -> datetime | None:
        """Since when a policy was in force; None for one that was not kept."""
        with self.store.read() as connection:
            return connection.execute(_KEPT, {"owner": self.owner, "fingerprint": fingerprint}).scalar()

    def text(self, fingerprint: str) -> str | None:
        """The rows of a policy, one a line."""
        query = select(policies.c.text).where(policies.c.owner == self.owner, policies.c.fingerprint == fingerprint)
        with self.store.read() as connection:
            return connection.execute(query).scalar()
