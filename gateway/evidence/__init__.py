"""Where the owner's acquaintances are learnt from: one module a format, a source read by itself.

A source that cannot be read is reported and stops no other; what was known from it stays with whoever keeps it.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.config import Dav, EvidenceFiles, Me
from gateway.errors import BadSource
from gateway.evidence import connections, mails
from gateway.evidence.correspondence import Direction, correspondents
from gateway.evidence.nobody import Mine
from gateway.evidence.texts import unreadable
from gateway.model import Acquaintance
from gateway.people.keys import summed


@dataclass(frozen=True, slots=True)
class Source:
    """A file, folder or server, not read yet."""

    name: str  # as the owner knows it, unique among the owner's sources
    read: Callable[[datetime], Iterable[Acquaintance]]  # BadSource when it cannot be read
    fingerprint: Callable[[], str]  # changes when the source did; "" for one that cannot tell
    changed: Callable[[], datetime | None]  # when its newest file was written; None for one that cannot tell
    is_archive: bool = False  # mail of the past, which need not grow any more


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of reading a source: its people, or why there are none."""

    source: str
    acquaintances: tuple[Acquaintance, ...] = ()
    fault: BadSource | None = None


def gather(files: EvidenceFiles, me: Me, now: datetime) -> Iterator[Gathered]:
    """Every source read, one after the other; events after `now` have not taken place."""
    for source in sources(files, me):
        yield read(source, now)


def read(source: Source, now: datetime) -> Gathered:
    """A source's people, summed up; its fault when it cannot be read."""
    try:
        return Gathered(source.name, tuple(summed(source.read(now))))
    except BadSource as exc:
        return Gathered(source.name, fault=exc)


def sources(files: EvidenceFiles, me: Me) -> list[Source]:
    """The owner's sources in the order of the settings."""
    mine = Mine(me)
    named = Counter(place.name for place in _paths(files))

    def name(place: Path | Dav) -> str:
        if isinstance(place, Dav):
            return place.url
        return place.name if named[place.name] == 1 else str(place)

    made = [_source(name(place), place, partial(_contacts, place, name(place), mine)) for place in files.contacts]
    made += [_source(name(place), place, partial(_events, place, name(place), mine)) for place in files.calendars]
    if files.connections:
        place = files.connections
        made.append(_source(name(place), place, partial(_connections, place, name(place))))
    for direction, paths in ((Direction.SENT, files.sent), (Direction.RECEIVED, files.received)):
        for path in paths:
            read_mails = partial(_mails, path, name(path), mine, direction)
            made.append(replace(_source(name(path), path, read_mails), is_archive=True))
    return made


def _paths(files: EvidenceFiles) -> Iterator[Path]:
    yield from (place for place in (*files.contacts, *files.calendars) if isinstance(place, Path))
    yield from (*((files.connections,) if files.connections else ()), *files.sent, *files.received)


def _source(name: str, place: Path | Dav, read: Callable[[datetime], Iterable[Acquaintance]]) -> Source:
    return Source(name, read, partial(_fingerprint, place), partial(_changed, place))


def _fingerprint(place: Path | Dav) -> str:
    """Size and time of every file; a server has to be asked each time."""
    if isinstance(place, Dav):
        return ""
    states = [f"{file}\0{state.st_mtime_ns}\0{state.st_size}" for file, state in _files(place)]
    return hashlib.sha256("\n".join(states).encode()).hexdigest()


def _changed(place: Path | Dav) -> datetime | None:
    if isinstance(place, Dav):
        return None
    return datetime.fromtimestamp(max(state.st_mtime for _, state in _files(place)), UTC)


def _files(place: Path) -> list[tuple[Path, os.stat_result]]:
    """A file, or a folder and all it holds, each with its state."""
    try:
        inside = sorted(place.rglob("*")) if place.is_dir() else []
        return [(file, file.stat()) for file in (place, *inside)]
    except OSError as exc:
        raise unreadable(place, exc) from exc


def _contacts(place: Path | Dav, name: str, mine: Mine, _now: datetime) -> Iterator[Acquaintance]:
    from gateway.evidence import contacts, dav  # heavy, and needed only by who has such a source

    if isinstance(place, Dav):
        return contacts.read_cards(dav.fetch_cards(place), place.url, name, mine)
    return contacts.read_path(place, name, mine)


def _events(place: Path | Dav, name: str, mine: Mine, now: datetime) -> Iterator[Acquaintance]:
    from gateway.evidence import calendar, dav

    if isinstance(place, Dav):
        return calendar.read_events(dav.fetch_events(place), place.url, name, mine, now)
    return calendar.read_path(place, name, mine, now)


def _connections(path: Path, name: str, _now: datetime) -> Iterable[Acquaintance]:
    return connections.read_path(path, name)


def _mails(path: Path, name: str, mine: Mine, direction: Direction, _now: datetime) -> tuple[Acquaintance, ...]:
    return correspondents(mails.header_blocks(path), mine, direction, name)
