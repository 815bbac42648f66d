"""The people index: what the owner's sources know, kept between refreshes and found by key.

No mail is kept, only names, addresses, counts, dates and the latest subject. A source that cannot be read keeps what
it had. Whoever was forgotten leaves a hash behind, by which a refresh knows not to bring them back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from gateway.journal.prepared import Prepared
from gateway.journal.schema import people, people_forgotten, people_keys, people_sources
from gateway.journal.store import Store
from gateway.model import Acquaintance, Link
from gateway.names import read
from gateway.names.text import people_in
from gateway.people.keys import add, address_key, found_alike, identifiers, identity, keys_of, names_of, summed

_BATCH = 250  # people written in one go; a thousand take no less time, and 3 MB more
_NOBODY = frozenset({address_key(""), "n:"})  # the keys of what is no address and no name
_T = TypeVar("_T")
# Made once: to put it together takes longer than to run it.
_FIND = Prepared(
    select(people).where(
        people.c.id.in_(
            select(people_keys.c.person).where(
                people_keys.c.owner == bindparam("owner"), people_keys.c.key.in_(bindparam("hashes", expanding=True))
            )
        )
    ),
    lists=["hashes"],
)
_SOURCES = Prepared(
    select(people_sources).where(people_sources.c.owner == bindparam("owner")).order_by(people_sources.c.source)
)


@dataclass(frozen=True, slots=True)
class SourceState:
    """How far a source has been read, and what was wrong the last time."""

    source: str
    state: str
    read: datetime | None
    fault: str


@dataclass(frozen=True, slots=True)
class PeopleIndex:
    """One owner's acquaintances; a people.Index."""

    store: Store
    owner: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", self.store.of(self.owner))

    def find(self, keys: Iterable[str]) -> Sequence[Acquaintance]:
        """All acquaintances that have at least one of these keys."""
        hashes = [self._hash(key) for key in keys]
        if not hashes:
            return ()
        with self.store.read() as connection:
            return list(map(_acquaintance, _FIND.rows(connection, {"owner": self.owner, "hashes": hashes})))

    def replace(self, source: str, acquaintances: Iterable[Acquaintance], state: str, now: datetime) -> None:
        """All that a source knows, in place of what it knew before; both or neither are seen from outside."""
        with self.store.write() as connection:
            self._drop(connection, people.c.source == source)
            self._add(connection, self._welcome(summed(acquaintances), self._forgotten(connection)))
            self._note(connection, source, state=state, read=now, fault="")

    def merge(self, source: str, acquaintances: Iterable[Acquaintance], state: str, now: datetime) -> None:
        """Add what a source came to know since `state` before this one; the counts are summed up."""
        with self.store.write() as connection:
            self._add(connection, self._welcome(summed(acquaintances), self._forgotten(connection)))
            self._note(connection, source, state=state, read=now, fault="")

    def failed(self, source: str, why: str) -> None:
        """Note that a source could not be read; what is known from it stays."""
        with self.store.write() as connection:
            self._note(connection, source, fault=why)

    def keep_only(self, sources: Iterable[str]) -> list[SourceState]:
        """Drop what came from sources that are in the settings no more; how the others stand."""
        kept, known = frozenset(sources), self.sources()
        still = [source for source in known if source.source in kept]
        if still == known:
            return still
        gone = people_sources.c.source.not_in(kept)
        with self.store.write() as connection:
            self._drop(connection, people.c.source.in_(select(people_sources.c.source).where(self._own_source, gone)))
            connection.execute(delete(people_sources).where(self._own_source, gone))
        return still

    def sources(self) -> list[SourceState]:
        """Every source ever read, and how it stands."""
        with self.store.read() as connection:
            found = _SOURCES.rows(connection, {"owner": self.owner})
            return [SourceState(row.source, row.state, row.read, row.fault) for row in found]

    def state(self, source: str) -> str:
        """What `replace` or `merge` last noted; "" for a source never read."""
        return next((known.state for known in self.sources() if known.source == source), "")

    def sizes(self) -> dict[str, int]:
        """How many people each source tells of."""
        query = select(people.c.source, func.count()).where(people.c.owner == self.owner).group_by(people.c.source)
        with self.store.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def size(self) -> int:
        with self.store.read() as connection:
            return connection.execute(select(func.count()).where(people.c.owner == self.owner)).scalar_one()

    def forget(self, who: str, now: datetime) -> int:
        """Erase the person with this address, or all of this full name, for good; how many records they were in."""
        wanted = address_key(who) if "@" in who else f"n:{read(who).exact}"
        if wanted in _NOBODY:
            return 0
        records = self._records_of(wanted)
        marks = {wanted} | {key for record in records for key in identifiers(record)}
        marks |= {f"bare {name.exact}" for record in records for name in names_of(record)}
        with self.store.write() as connection:
            already = self._forgotten(connection)
            fresh = {self._mark(mark) for mark in marks} - already
            rows = [{"owner": self.owner, "hash": mark, "at": now} for mark in sorted(fresh)]
            if rows:
                connection.execute(insert(people_forgotten), rows)
            self._drop(connection, people.c.id.in_([self._id(record) for record in records]))
            return len(records) + self._scrub(connection, already | fresh)

    def _records_of(self, wanted: str) -> set[Acquaintance]:
        """The records with this key, and all others that hang together with them by addresses and profiles."""
        found = {record for record in self.find([wanted]) if wanted in keys_of(record)}
        asked: set[str] = set()
        while keys := {key for record in found for key in identifiers(record)} - asked:
            asked |= keys
            found |= {record for record in self.find(sorted(keys)) if not keys.isdisjoint(identifiers(record))}
        return found

    def _scrub(self, connection: Connection, forgotten: frozenset[str] | set[str]) -> int:
        """Take a forgotten name out of the subjects and titles of others; how many told of it."""
        own = connection.execute(select(people.c.id, people.c.about).where(people.c.owner == self.owner)).all()
        told = [row.id for row in own if self._tells_of(row.about, forgotten)]
        for batch in _batches(told):
            of_batch = people.c.id.in_(batch)
            records = [_acquaintance(row) for row in connection.execute(select(people).where(of_batch))]
            self._drop(connection, of_batch)
            # Without its title a record may be of the same identity as another.
            self._add(connection, (replace(record, about="") for record in records))
        return len(told)

    def _tells_of(self, text: str, forgotten: frozenset[str] | set[str]) -> bool:
        names = {read(named.name).exact for named in people_in(text)}
        return any(self._mark(mark) in forgotten for name in names for mark in (f"n:{name}", f"bare {name}"))

    def _add(self, connection: Connection, items: Iterable[Acquaintance]) -> None:
        """Add acquaintances to what is known; where somebody is known already, the counts."""
        for batch in _batches(summed(items)):
            news = {self._id(item): item for item in batch}
            found = connection.execute(select(people).where(people.c.id.in_(news)))
            known = {row.id: _acquaintance(row) for row in found}
            sums = {number: add(known[number], item) if number in known else item for number, item in news.items()}
            # One mail more changes no key, and there are ten times as many keys as people.
            same = {number for number, item in known.items() if found_alike(item, sums[number])}
            if known:
                connection.execute(delete(people).where(people.c.id.in_(known)))
            if changed := known.keys() - same:
                connection.execute(delete(people_keys).where(people_keys.c.person.in_(changed)))
            connection.execute(insert(people), [self._row(number, item) for number, item in sums.items()])
            keys = [
                {"owner": self.owner, "key": key, "person": number}
                for number, item in sums.items()
                if number not in same
                for key in {self._hash(key) for key in keys_of(item)}
            ]
            if keys:
                connection.execute(insert(people_keys), keys)

    def _welcome(self, items: Iterable[Acquaintance], forgotten: frozenset[str]) -> Iterator[Acquaintance]:
        """Those who are not forgotten, without what tells of somebody who is."""
        for item in items:
            if forgotten and self._is_forgotten(item, forgotten):
                continue
            yield replace(item, about="") if forgotten and self._tells_of(item.about, forgotten) else item

    def _is_forgotten(self, item: Acquaintance, forgotten: frozenset[str]) -> bool:
        names = {name.exact for name in names_of(item)}
        marks = identifiers(item) or {f"bare {name}" for name in names}
        return any(self._mark(mark) in forgotten for mark in (*marks, *(f"n:{name}" for name in names)))

    def _forgotten(self, connection: Connection) -> frozenset[str]:
        return frozenset(
            connection.execute(select(people_forgotten.c.hash).where(people_forgotten.c.owner == self.owner)).scalars()
        )

    def _drop(self, connection: Connection, condition: ColumnElement[bool]) -> None:
        mine = people.c.owner == self.owner
        ids = select(people.c.id).where(mine, condition)
        connection.execute(delete(people_keys).where(people_keys.c.person.in_(ids)))
        connection.execute(delete(people).where(mine, condition))

    def _note(self, connection: Connection, source: str, **values: Any) -> None:
        mine = (self._own_source, people_sources.c.source == source)
        if connection.execute(update(people_sources).where(*mine).values(**values)).rowcount == 0:
            row = {"owner": self.owner, "source": source, "state": "", "fault": "", **values}
            connection.execute(insert(people_sources).values(**row))

    @property
    def _own_source(self) -> ColumnElement[bool]:
        return people_sources.c.owner == self.owner

    def _row(self, number: int, item: Acquaintance) -> dict[str, Any]:
        return {
            "id": number,
            "owner": self.owner,
            "source": item.source,
            "link": item.link,
            "name": item.name,
            "address": item.address,
            "other_addresses": list(item.other_addresses),
            "nicknames": list(item.nicknames),
            "company": item.company,
            "profile_url": item.profile_url,
            "times": item.count,
            "first": item.first,
            "last": item.last,
            "about": item.about,
        }

    def _id(self, item: Acquaintance) -> int:
        return self._hash("\0".join((item.source, *identity(item))))

    def _hash(self, text: str) -> int:
        digest = hashlib.blake2b(f"{self.owner}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, signed=True)

    def _mark(self, text: str) -> str:
        return hashlib.sha256(f"{self.owner}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()


def _acquaintance(row: Any) -> Acquaintance:
    return Acquaintance(
        source=row.source,
        link=Link(row.link),
        name=row.name,
        address=row.address,
        other_addresses=tuple(row.other_addresses),
        nicknames=tuple(row.nicknames),
        company=row.company,
        profile_url=row.profile_url,
        count=row.times,
        first=row.first,
        last=row.last,
        about=row.about,
    )


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
