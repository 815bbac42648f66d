"""Calendars: who organised, attended or is named in an event of an iCalendar file or a CalDAV server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from icalendar import Event, vCalAddress

from gateway.errors import BadSource
from gateway.evidence.nobody import Mine, is_office
from gateway.evidence.texts import clean, decode, read_bytes, unreadable
from gateway.model import Acquaintance, Link
from gateway.names import read
from gateway.names.text import Named, people_in
from gateway.names.variants import handles

_LONGEST_TITLE = 200
_EVENT = re.compile(r"^BEGIN:VEVENT[ \t]*$.*?^END:VEVENT[ \t]*$", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_WANTED = re.compile(
    r"(?:BEGIN|END|SUMMARY|DESCRIPTION|LOCATION|ORGANIZER|ATTENDEE|DTSTART|STATUS)(?=[;:])", re.IGNORECASE
)
_PROPERTY = re.compile(r"[\w-]+[;:]")
_BLOCK = re.compile(r"^BEGIN:VALARM[ \t]*$.*?^END:VALARM[ \t]*\n?", re.IGNORECASE | re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Occasion:
    """An event: what it was, when, and whether it has taken place."""

    source: str
    about: str
    start: datetime | None
    took_place: bool

    def with_(
        self, name: str | None, address: str | None, *, present: bool, company: str | None = None
    ) -> Acquaintance:
        return Acquaintance(
            source=self.source,
            link=Link.MET if present and self.took_place else Link.MENTIONED,
            name=name,
            address=address,
            company=company,
            first=self.start,
            last=self.start,
            about=self.about,
        )


def read_path(path: Path, source: str, mine: Mine, now: datetime) -> Iterator[Acquaintance]:
    """The people of an .ics file or of a folder of them."""
    try:
        files = sorted(path.glob("**/*.ics")) if path.is_dir() else [path]
    except OSError as exc:
        raise unreadable(path, exc) from exc
    for file in files:
        yield from read_events(read_bytes(file), str(file), source, mine, now)


def read_events(raw: bytes, place: str, source: str, mine: Mine, now: datetime) -> Iterator[Acquaintance]:
    """The people of a calendar; an event that cannot be read is left out, BadSource if none can."""
    text = decode(raw).replace("\r\n", "\n").replace("\r", "\n")
    if "BEGIN:VCALENDAR" not in text.upper():
        raise BadSource(f"{place}: is no calendar: export it as iCalendar (.ics)")
    blocks = _EVENT.findall(text)
    events = [event for block in blocks if (event := _event(block))]
    if blocks and not events:
        raise BadSource(f"{place}: none of its {len(blocks)} events can be read: export the calendar again")
    for event in events:
        yield from _people(event, source, mine, now)


def _event(block: str) -> Event | None:
    try:
        event = Event.from_ical("\r\n".join(_lines(_BLOCK.sub("", block))))
    except (ValueError, KeyError, IndexError):
        return None
    return event if isinstance(event, Event) else None


def _lines(block: str) -> Iterator[str]:
    """The lines of an event that matter, unfolded; a line that is no property goes on with the one before."""
    whole: list[str] = []
    for line in block.split("\n"):
        if whole and (line[:1] in (" ", "\t") or not _PROPERTY.match(line)):
            whole[-1] += line[1:] if line[:1] in (" ", "\t") else line
        else:
            whole.append(line)
    yield from (line for line in whole if _WANTED.match(line))


def _people(event: Event, source: str, mine: Mine, now: datetime) -> Iterator[Acquaintance]:
    occasion = _occasion(event, source, now)
    named = [named for named in _named(event) if not mine.name(read(named.name))]
    invited = list(_invited(event, mine))
    taken = {read(name) for name, _, _ in invited if name}
    for name, address, present in invited:
        fitting = None if name else _name_for(address, named)
        taken |= {read(fitting)} if fitting else set()
        yield occasion.with_(name or fitting, address, present=present)
    for one in named:
        if read(one.name) not in taken:
            yield occasion.with_(clean(one.name), None, present=one.listed, company=one.company)


def _occasion(event: Event, source: str, now: datetime) -> _Occasion:
    parts = (_text(event, "SUMMARY"), _text(event, "LOCATION"))
    start = _start(event)
    took_place = _text(event, "STATUS").upper() != "CANCELLED" and (start is None or start <= now)
    return _Occasion(source, clean(", ".join(part for part in parts if part))[:_LONGEST_TITLE], start, took_place)


def _text(event: Event, name: str) -> str:
    value = event.get(name)
    return str(value[0] if isinstance(value, list) else value).strip() if value else ""


def _start(event: Event) -> datetime | None:
    try:
        moment = event.decoded("DTSTART", None)
    except (ValueError, KeyError):  # an impossible date: the event counts, undated
        return None
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return datetime.combine(moment, time(), UTC) if isinstance(moment, date) else None


def _named(event: Event) -> list[Named]:
    """Who is named in title and description, each once; present wherever one place has them present."""
    found: dict[str, Named] = {}
    for named in (*people_in(_text(event, "SUMMARY")), *people_in(_text(event, "DESCRIPTION"))):
        key = read(named.name).exact
        if key not in found or (named.listed and not found[key].listed):
            found[key] = named
    return list(found.values())


def _invited(event: Event, mine: Mine) -> Iterator[tuple[str | None, str, bool]]:
    """Name, address and presence of organiser and attendees that are people."""
    for field in ("ORGANIZER", "ATTENDEE"):
        value = event.get(field) or []
        for one in value if isinstance(value, list) else [value]:
            address = re.sub(r"^mailto:", "", str(one), flags=re.IGNORECASE).strip()
            kind = _parameter(one, "CUTYPE").upper()
            if (
                "@" not in address
                or kind in ("ROOM", "RESOURCE", "GROUP")
                or is_office(address, _parameter(one, "CN"))
                or mine.address(address)
            ):
                continue
            name = clean(_parameter(one, "CN")).strip("\"' ")
            person = name if name and "@" not in name else None
            if person is None or not mine.name(read(person)):
                yield person, address, _parameter(one, "PARTSTAT").upper() != "DECLINED"


def _parameter(value: vCalAddress, name: str) -> str:
    found = value.params.get(name, "")
    return str(found[0] if isinstance(found, list) else found)


def _name_for(address: str, named: list[Named]) -> str | None:
    """The one name in the event's text that an attendee without a name writes their address with."""
    local = re.sub(r"[^a-z]", "", address.partition("@")[0].lower())
    fitting = [one.name for one in named if local in handles(read(one.name))]
    return fitting[0] if len(fitting) == 1 else None
