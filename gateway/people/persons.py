"""Which acquaintances are one person, and whether that person is the inviter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from gateway.model import Acquaintance, Link, Person
from gateway.names import Name, read
from gateway.names.variants import handles, variant
from gateway.people.company import may_be_same, may_own
from gateway.people.keys import address_key, handle_key, identifiers, names_of, profile_key

# Interaction outside the network; everything else is a trace and no more.
_INTERACTION = frozenset({Link.CONTACT, Link.WROTE_TO, Link.MET, Link.ANSWERED})
_MOST_NAMES = 3  # without a word in common that one address writes under; with more, it writes for others


@dataclass(frozen=True, slots=True)
class Acquainted:
    """All that the sources know of one person, in a fixed order."""

    records: tuple[Acquaintance, ...]

    @property
    def interacted(self) -> bool:
        return any(record.link in _INTERACTION for record in self.records)

    @property
    def addresses(self) -> frozenset[str]:
        return frozenset(key for record in self.records for key in identifiers(record) if key.startswith("a:"))

    @property
    def profiles(self) -> frozenset[str]:
        return frozenset(profile_key(record.profile_url) for record in self.records if record.profile_url)

    @property
    def companies(self) -> frozenset[str]:
        return frozenset(record.company for record in self.records if record.company)

    @property
    def names(self) -> frozenset[Name]:
        return frozenset(read(record.name) for record in self.records if record.name)


def persons(acquaintances: Iterable[Acquaintance]) -> list[Acquainted]:
    """Acquaintances put together that share an address, a profile, or both name and employer; order does not matter."""
    records = sorted(set(acquaintances), key=repr)
    heads = list(range(len(records)))

    def head(number: int) -> int:
        while heads[number] != number:
            number = heads[number]
        return number

    first_with: dict[object, int] = {}
    for number, record in enumerate(records):
        for shared in (*identifiers(record), *_name_and_employer(record)):
            heads[head(number)] = head(first_with.setdefault(shared, number))
    groups: dict[int, list[Acquaintance]] = {}
    for number, record in enumerate(records):
        groups.setdefault(head(number), []).append(record)
    people = (tuple(_without_relayed(group)) for group in groups.values())
    return [Acquainted(group) for group in people if group]


def _without_relayed(records: Sequence[Acquaintance]) -> Sequence[Acquaintance]:
    """Records without those of an address that writes for many people, as a tracker or a forum does."""
    unlike: list[frozenset[str]] = []
    for record in records:
        parts = frozenset(read(record.name or "").parts) if record.link is Link.WROTE_ME else frozenset()
        if parts and all(parts.isdisjoint(other) for other in unlike):
            unlike.append(parts)
    if len(unlike) <= _MOST_NAMES:
        return records
    return [record for record in records if record.link is not Link.WROTE_ME]


def _name_and_employer(record: Acquaintance) -> tuple[tuple[str, str], ...]:
    if not (record.name and record.company):
        return ()
    return ((read(record.name).exact, read(record.company).exact),)


def identified(inviter: Person, acquainted: Acquainted) -> bool:
    """Whether the inviter's own address or profile is this person's."""
    by_address = inviter.address is not None and address_key(inviter.address) in acquainted.addresses
    by_profile = inviter.profile_url is not None and profile_key(inviter.profile_url) in acquainted.profiles
    return by_address or by_profile


def namesake(name: Name, acquainted: Acquainted) -> bool:
    """Whether this person has exactly the inviter's full name."""
    return name.full and name in acquainted.names


def explanation(name: Name, account: str, acquainted: Acquainted) -> str | None:
    """What would make a differently named person the inviter: "a variant of Elizabeth Marsh (a nickname)"."""
    for record in acquainted.records:
        recorded = read(record.name or "")
        for known_as in names_of(record) if name.full else ():
            if known_as == name and known_as != recorded:
                return f"a variant of {record.name} (a nickname)"
            if found := variant(name, known_as):
                return f"a variant of {record.name} ({found})"
        if not name.full and name.words and name == recorded:
            return f"the one word that {record.name} goes by"
        if account and handle_key(account) in {f"j:{handle}" for handle in handles(recorded)}:
            return f"an account name that {record.name} may have"
    if account and address_key(account) in acquainted.addresses:
        return f"an account name that looks like the address {account}"
    return None


def contradiction(inviter: Person, acquainted: Acquainted) -> str | None:
    """What speaks against somebody of the same name being the inviter."""
    if inviter.company and acquainted.companies and not _may_work_at(inviter.company, acquainted):
        return f"your records have {' and '.join(sorted(acquainted.companies))}, the invitation {inviter.company}"
    if inviter.profile_url and acquainted.profiles and _comparable(inviter.profile_url, acquainted.profiles):
        return "your records have another profile for this name"
    return None


def _may_work_at(company: str, acquainted: Acquainted) -> bool:
    by_name = any(may_be_same(company, recorded) for recorded in acquainted.companies)
    return by_name or any(may_own(key.rpartition("@")[2], company) for key in acquainted.addresses)


def _comparable(url: str, profiles: frozenset[str]) -> bool:
    """Whether a profile differs from all of the same network that are written in the same way."""
    kind = profile_key(url).rpartition("/")[0]
    same_kind = {profile for profile in profiles if profile.rpartition("/")[0] == kind}
    return bool(same_kind) and profile_key(url) not in same_kind


def several(acquainted: Sequence[Acquainted]) -> bool:
    """Whether people of one name are more than one person."""
    return any(_apart(one, other) for one, other in combinations(acquainted, 2))


def _apart(one: Acquainted, other: Acquainted) -> bool:
    if (one.addresses and other.addresses) or (one.profiles and other.profiles):
        return True
    pairs = [(mine, yours) for mine in one.companies for yours in other.companies]
    return bool(pairs) and not any(may_be_same(*pair) for pair in pairs)
