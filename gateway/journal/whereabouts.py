"""Where mails lie, as against where we put them: by this a move of the owner's is told from one of ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Connection, bindparam, select, update

from gateway.journal.entries import ENTRIES, found_by
from gateway.journal.prepared import Prepared
from gateway.journal.schema import cursors, entries, events
from gateway.journal.store import Store, append, append_all
from gateway.model import Entry, Landed

_PART = 1000  # Message-IDs, or ids, a query
T = TypeVar("T")
_PASSED = Prepared(
    update(cursors)
    .where(
        cursors.c.owner == bindparam("of"),
        cursors.c.folder == bindparam("in"),
        cursors.c.uidvalidity == bindparam("under"),
        cursors.c.uid == bindparam("before"),
    )
    .values(uid=bindparam("last"))
)
_FILING, _FILED = "filing", "filed"
_UNDECIDED = "undecided"
# Built once: to build a statement takes longer than to run it.
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_KNOWN = Prepared(
    select(entries.c.message_id).where(entries.c.owner == bindparam("owner"), entries.c.message_id.in_(_IDS)),
    lists=["ids"],
)
_ELSEWHERE = Prepared(
    ENTRIES.where(entries.c.message_id.in_(_IDS), entries.c.filed.is_(None) | (entries.c.filed != bindparam("here"))),
    lists=["ids"],
)
_BEGUN = Prepared(select(events.c.entry_id).where(events.c.entry_id.in_(_IDS), events.c.what == _FILING), lists=["ids"])


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The places of one owner's mails."""

    store: Store
    owner: str

    def known(self, message_ids: Iterable[str]) -> frozenset[str]:
        """Those that are Message-IDs of mails in the journal."""
        found: set[str] = set()
        with self.store.read() as connection:
            for part in _parts(message_ids):
                found.update(row.message_id for row in _KNOWN.rows(connection, {"owner": self.owner, "ids": part}))
        return frozenset(found)

    def elsewhere(self, folder: str, message_ids: Iterable[str]) -> list[Entry]:
        """The mails with these Message-IDs that the journal does not have in this folder."""
        with self.store.read() as connection:
            return [
                entry
                for part in _parts(message_ids)
                for entry in found_by(connection, self.owner, _ELSEWHERE, ids=part, here=folder)
            ]

    def filing(self, mails: Collection[Entry], folder: str, now: datetime, *, lasting: bool = True) -> None:
        """Note the intent to put mails into a folder, before it is done.

        It need not be `lasting` where nothing but the mails is put there: they lie where their verdict says, which
        decides nothing even if nobody remembers who moved them.
        """
        happened = [{"what": _FILING, "why": folder, "entry_id": mail.id, "case_id": mail.case_id} for mail in mails]
        with self.store.write(lasting=lasting) as connection:
            append_all(connection, happened, owner=self.owner, at=now)

    def passed(self, folder: str, landed: Landed) -> None:
        """Count what we put into a folder as read, where nothing lies between it and what was read."""
        with self.store.write(lasting=False) as connection:
            passed(connection, self.owner, folder, landed)

    def begun(self, mails: Iterable[Entry]) -> frozenset[int]:
        """The ids of those that we meant to put somewhere before."""
        found: set[int] = set()
        with self.store.read() as connection:
            for part in _parts(entry.id for entry in mails):
                found.update(row.entry_id for row in _BEGUN.rows(connection, {"ids": part}))
        return frozenset(found)

    def bound_for(self, entry: Entry) -> str | None:
        """The folder that we meant to put a mail into; None when it is written down where it lies since."""
        what, folder = self._last(entry, _FILING, _FILED)
        return folder if what == _FILING else None

    def undecided(self, entry: Entry, why: str, now: datetime) -> None:
        """Note why a mail's place decides nothing yet, once."""
        if self._last(entry, _UNDECIDED, _FILED) == (_UNDECIDED, why):
            return
        with self.store.write() as connection:
            append(
                connection, owner=self.owner, at=now, what=_UNDECIDED, why=why, entry_id=entry.id, case_id=entry.case_id
            )

    def _last(self, entry: Entry, *what: str) -> tuple[str, str]:
        """The last event of these kinds: which, and its words."""
        query = (
            select(events.c.what, events.c.why)
            .where(events.c.owner == self.owner, events.c.entry_id == entry.id, events.c.what.in_(what))
            .order_by(events.c.id.desc())
            .limit(1)
        )
        with self.store.read() as connection:
            found = connection.execute(query).first()
        return (found.what, found.why) if found else ("", "")


def passed(connection: Connection, owner: str, folder: str, landed: Landed) -> None:
    """Count what we put into a folder as read, where nothing lies between it and what was read."""
    read = {"of": owner, "in": folder, "under": landed.uidvalidity, "before": landed.uids.start - 1}
    _PASSED.run(connection, {**read, "last": landed.uids.stop - 1})


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, _PART)):
        yield part
