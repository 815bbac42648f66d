"""What a note says that the owner's records can speak to: where one met, who sent them.

Only subjects of mails and titles of events are kept, so a recommendation in a mail's body cannot be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gateway.model import Acquaintance, Claim, Known, Link, Match, Note
from gateway.names import Name, fold, read
from gateway.people.keys import announces, introduces, name_keys, names_of, occasion_keys, occasion_words, years
from gateway.people.lines import line
from gateway.people.persons import Acquainted, persons

if TYPE_CHECKING:
    from gateway.people import Index

_LEAST_LIST = 2  # people an event must name before somebody can be missing among them


def of(note: Note, matches: Sequence[Match], inviter: Name, index: Index) -> tuple[Claim, ...]:
    """The claims of a note with what the records make of them."""
    return tuple(_claims(note, matches, inviter, index))


def _claims(note: Note, matches: Sequence[Match], inviter: Name, index: Index) -> Iterator[Claim]:
    if note.place:
        yield _met(note.place, matches, index)
    if note.referee:
        yield _referred(note.referee, inviter, index)


def _met(place: str, matches: Sequence[Match], index: Index) -> Claim:
    what = f"met: {place}"
    there = [match for match in matches if _speaks_of(place, match.acquaintance)]
    for match in there:
        if match.known is Known.YES:
            return Claim(what, "verified", line(match.acquaintance))
    if there:
        return Claim(what, "unverified", f"perhaps: {line(there[0].acquaintance)}")
    event = [item for item in index.find(sorted(occasion_keys(place))) if _is_event(item) and _speaks_of(place, item)]
    if len(event) < _LEAST_LIST:
        return Claim(what, "unverified", "your calendar and mail know nothing of it")
    title = max(event, key=lambda item: (item.count, repr(item))).about
    number = len(persons(event))
    return Claim(what, "contradicted", f"your calendar names {number} people for '{title}', but not the inviter")


def _is_event(item: Acquaintance) -> bool:
    return item.link in (Link.MET, Link.MENTIONED)


def _speaks_of(place: str, item: Acquaintance) -> bool:
    """Whether a record is about the occasion: half its telling words, and no other year."""
    wanted, given = occasion_words(place), occasion_words(item.about)
    if not wanted or 2 * len(wanted & given) < len(wanted):
        return False
    dates = {str(moment.year) for moment in (item.first, item.last) if moment} | years(item.about)
    return not years(place) or not dates or not years(place).isdisjoint(dates)


def _referred(referee: str, inviter: Name, index: Index) -> Claim:
    what = f"referred by: {referee}"
    name = read(referee)
    of_that_name = [item for item in index.find(sorted(name_keys(name))) if name.words and name in names_of(item)]
    for item in of_that_name:
        if names_in_subject(item, inviter):
            return Claim(what, "verified", line(item))
    if not of_that_name:
        return Claim(what, "unverified", "your records know nobody of that name")
    best = sorted(map(line, of_that_name))[0]
    return Claim(what, "unverified", f"no subject of theirs names the inviter; {best}")


def names_in_subject(record: Acquaintance, inviter: Name) -> bool:
    """Whether a mail's subject names the inviter in full."""
    in_full = f" {inviter.exact} " in f" {fold(record.about)} "
    return record.link is Link.WROTE_ME and inviter.full and in_full


def recommended(inviter: Name, acquainted: Sequence[Acquainted]) -> bool:
    """Whether the subject of a mail introduces the inviter by full name, and the owner has to do with its sender."""
    return any(
        introduces(record.about) and names_in_subject(record, inviter)
        for person in acquainted
        if person.interacted and inviter not in person.names
        for record in person.records
    )


def announced(matches: Sequence[Match], inviter: Name) -> bool:
    """Whether somebody of the inviter's very name or address told the owner by mail that an invitation would come."""
    return any(
        record.link is Link.WROTE_ME and announces(record.about) and inviter.full and inviter in names_of(record)
        for record in (match.acquaintance for match in matches)
    )
