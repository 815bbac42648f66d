"""Does the owner know this person? Looks in an index of acquaintances as the owner would, and says what is there.

yes: the owner had to do with exactly this person outside the network. maybe: something speaks for it, and something
is missing or against it. no: nothing was found. Pure: what an index holds is the business of evidence and journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model import Acquaintance, Dossier, Known, Link, Match, Note, NoteKind, Person
from gateway.names import Name, asides, read
from gateway.names.nicknames import may_be
from gateway.names.spelling import unmask
from gateway.names.variants import pair_keys
from gateway.people import claims
from gateway.people.keys import address_key, handle_key, identifiers, keys_of, name_keys, profile_key, subject_key
from gateway.people.lines import line, rank
from gateway.people.persons import Acquainted, contradiction, explanation, identified, namesake, persons, several

_MOST_NOTE_WORDS = 120  # of a note, tried as the inviter's former family name
_MOST_ROUNDS = 3  # from a name to its addresses, to the other names these write under
_REACHABLE = frozenset({Link.CONTACT, Link.WROTE_TO, Link.ANSWERED, Link.WROTE_ME})


class Index(Protocol):
    """Where acquaintances are kept: in memory, or in the journal's database."""

    def find(self, keys: Iterable[str]) -> Sequence[Acquaintance]:
        """All acquaintances that have at least one of these keys."""
        ...


class MemoryIndex:
    """An index for one run."""

    def __init__(self, acquaintances: Iterable[Acquaintance] = ()) -> None:
        self._by_key: dict[str, list[Acquaintance]] = {}
        for acquaintance in acquaintances:
            for key in keys_of(acquaintance):
                self._by_key.setdefault(key, []).append(acquaintance)

    def find(self, keys: Iterable[str]) -> Sequence[Acquaintance]:
        found = {id(item): item for key in keys for item in self._by_key.get(key, ())}
        return list(found.values())


@dataclass(frozen=True, slots=True)
class _Finding:
    """One person the inviter may be, and why."""

    known: Known
    acquainted: Acquainted
    why: str


@dataclass(frozen=True, slots=True)
class _Query:
    """An inviter, prepared for comparing."""

    person: Person
    name: Name
    account: str = ""  # a name that is no person's name but an account
    disguised: str | None = None  # what a name in mixed scripts poses as
    former: frozenset[str] = frozenset()  # words of name or note that may be a family name the inviter had
    aside: tuple[Name, ...] = ()  # full names in brackets behind the name


def look_up(person: Person, note: Note, index: Index, *, names: Sequence[str] = ()) -> Dossier:
    """What the records say about an inviter; `names` are the owner's own, which are nobody's else."""
    query = _query(person, note)
    own = frozenset(read(name) for name in names)
    acquainted = [found for found in persons(_gather(query, index)) if not (found.names and found.names <= own)]
    findings = sorted(_findings(query, acquainted), key=_order)
    known, why = _conclude(query, findings)
    matches = tuple(_matches(findings))
    return Dossier(
        known=known,
        why=why,
        matches=matches,
        claims=claims.of(note, matches, query.name, index),
        address=_address(findings) if known is Known.YES else None,
        recommended=claims.recommended(query.name, acquainted),
        announced=claims.announced(matches, query.name),
    )


def _query(person: Person, note: Note) -> _Query:
    text = person.name or ""
    disguised = unmask(text)
    name = read(text)
    # One word is an account, "ada.weaver" or "ada@tooting.example", unless its script writes names as one.
    account = text.strip() if len(text.split()) == 1 and not (name.full and len(name.words) == 1) else ""
    if disguised or (account and not account.isalpha()):
        name = Name(())
    aside = [] if disguised else asides(text)
    return _Query(person, name, account, disguised, _former(name, aside, note), tuple(a for a in aside if a.full))


def _former(name: Name, aside: Sequence[Name], note: Note) -> frozenset[str]:
    if len(name.words) < 2:
        return frozenset()
    told = _capitalised(note.text or "")[:_MOST_NOTE_WORDS] if note.kind is NoteKind.PERSONAL else []
    return frozenset(told).union(*(other.words for other in aside)).difference(name.words)


def _capitalised(text: str) -> list[str]:
    """The words of a text that may be names, folded."""
    bare = (word.strip("\"'“”„«».,;:!?()[]") for word in text.split())
    return [
        folded.words[0] for word in bare if len(word) > 2 and not word[0].islower() and (folded := read(word)).words
    ]


def _gather(query: _Query, index: Index) -> set[Acquaintance]:
    """All records that may be of the inviter, and all other records of whoever these belong to."""
    found = set(index.find(_keys(query)))
    asked: set[str] = set()
    for _ in range(_MOST_ROUNDS):
        keys = {key for item in found for key in identifiers(item)} - asked
        if not keys:
            break
        asked |= keys
        found.update(index.find(sorted(keys)))
    return found


def _keys(query: _Query) -> Iterator[str]:
    person = query.person
    if person.address:
        yield address_key(person.address)
    if person.profile_url:
        yield profile_key(person.profile_url)
    if query.name.words:
        yield from name_keys(query.name)
        yield subject_key(query.name)
        yield from pair_keys(query.name.words[0], query.former)
    for aside in query.aside:
        yield from name_keys(aside)
    if query.account:
        yield from filter(None, (handle_key(query.account), address_key(query.account)))


def _findings(query: _Query, acquainted: Sequence[Acquainted]) -> Iterator[_Finding]:
    certain = [found for found in acquainted if found.interacted and identified(query.person, found)]
    namesakes = [found for found in acquainted if found.interacted and namesake(query.name, found)]
    for found in acquainted:
        if found in certain:
            yield _by_identifier(query, found, alone=not several(certain))
        elif found in namesakes:
            yield _by_name(query, found, [] if certain else namesakes)
        elif identified(query.person, found) or namesake(query.name, found):
            yield _Finding(Known.MAYBE, found, _trace(found))
        elif reason := _reason(query, found):
            yield _Finding(Known.MAYBE, found, f"only {reason}")


def _by_identifier(query: _Query, found: Acquainted, *, alone: bool) -> _Finding:
    if not alone:
        return _Finding(Known.MAYBE, found, "address and profile belong to different people")
    address = query.person.address
    by_address = address is not None and address_key(address) in found.addresses
    return _Finding(Known.YES, found, f"{'the address' if by_address else 'the profile'} is in your records")


def _by_name(query: _Query, found: Acquainted, rivals: Sequence[Acquainted]) -> _Finding:
    if found not in rivals:
        return _Finding(Known.MAYBE, found, "has the same name, but the address or profile is another's")
    if several(rivals):
        return _Finding(Known.MAYBE, found, "several people in your records have this name")
    if against := next(filter(None, (contradiction(query.person, rival) for rival in rivals)), None):
        return _Finding(Known.MAYBE, found, f"the name agrees, but {against}")
    return _Finding(Known.YES, found, "the full name is exactly one person in your records")


def _trace(found: Acquainted) -> str:
    """Why somebody without interaction outside the network is worth a look."""
    links = {record.link for record in found.records}
    if Link.WROTE_ME in links:
        return "wrote to you and never got an answer"
    return "only the network's own list of connections" if Link.CONNECTION in links else "only named in an event's text"


def _reason(query: _Query, found: Acquainted) -> str | None:
    return explanation(query.name, query.account, found) or _other_name(query, found)


def _other_name(query: _Query, found: Acquainted) -> str | None:
    """A name the invitation gives beside the inviter's, or somebody's whom the given name fits: "née Weber"."""
    for aside in query.aside:
        if namesake(aside, found) or explanation(aside, "", found):
            return f"another name, {aside.exact.title()}, that the invitation gives"
    for name in sorted(found.names, key=lambda name: name.words):
        given, *family = name.words
        if family and query.former.issuperset(family) and may_be(given, query.name.words[0]):
            return f"a former name, {name.exact.title()}, that the invitation gives"
    return None


def _order(finding: _Finding) -> tuple[int, tuple[int, int, str]]:
    return list(Known).index(finding.known), min(map(rank, finding.acquainted.records))


def _conclude(query: _Query, findings: Sequence[_Finding]) -> tuple[Known, str]:
    if not findings:
        return Known.NO, _nothing(query)
    best = findings[0]
    records = sorted(best.acquainted.records, key=rank)
    lines = dict.fromkeys(line(record) for record in records[:2])
    return best.known, f"{best.why}: {'; '.join(lines)}"


def _nothing(query: _Query) -> str:
    if query.disguised:
        return f"the name mixes letters of several scripts to look like {query.disguised}; it is compared with nobody"
    if not query.person.name:
        return "the mail names nobody"
    if not query.name.full:
        return "no full name, and no trace of it in your records"
    return "no trace of this person in your records"


def _matches(findings: Sequence[_Finding]) -> Iterator[Match]:
    for finding in findings:
        for record in sorted(finding.acquainted.records, key=rank):
            yield Match(finding.known, record, f"{finding.why}: {line(record)}")


def _address(findings: Sequence[_Finding]) -> str | None:
    """The one address of the one person, of those the owner's mail and address book have."""
    records = [record for finding in findings if finding.known is Known.YES for record in finding.acquainted.records]
    known = {
        address_key(address): address
        for record in records
        if record.link is not Link.CONNECTION
        for address in (record.address, *record.other_addresses)
        if address
    }
    reachable = any(record.link in _REACHABLE and record.address for record in records)
    return next(iter(known.values())) if len(known) == 1 and reachable else None
