"""The keys by which acquaintances are found, and what makes two records of a source the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import product
from urllib.parse import unquote

from gateway.model import Acquaintance, Link
from gateway.names import Name, fold, read
from gateway.names.tables import word_list
from gateway.names.variants import asked_keys, handles, kept_keys

_SHORTEST_WORD = 4
_SHORTEST_HANDLE = 5
_NAME_LENGTHS = range(2, 6)  # words
_YEAR = re.compile(r"(?:19|20)\d\d")


def address_key(address: str) -> str:
    """An address, whatever its case and whatever its owner put behind a plus."""
    local, _, domain = address.strip().lower().rpartition("@")
    return f"a:{local.partition('+')[0] or local}@{domain.replace('googlemail.com', 'gmail.com')}"


def profile_key(url: str) -> str:
    """A profile, without scheme, country, tracking and case."""
    bare = re.sub(r"^(?:https?://)?(?:www\.|m\.|[a-z]{2}\.(?=linkedin\.))?", "", unquote(url.strip()).lower())
    path, _, query = bare.partition("?")
    number = re.search(r"(?:^|&)id=([\w-]+)", query) if path.endswith("/view") else None
    return f"u:{path.partition('#')[0].rstrip('/')}" + (f"?id={number[1]}" if number else "")


def handle_key(account: str) -> str | None:
    """The key of an account name, None when it is too short to say anything."""
    bare = re.sub(r"[^a-z]", "", fold(account.strip().removeprefix("@").partition("@")[0]))
    return f"j:{bare}" if len(bare) >= _SHORTEST_HANDLE else None


def name_keys(name: Name) -> Iterator[str]:
    """Keys under which a name's equals and its variants are found."""
    yield f"n:{name.exact}"
    if name.full:
        yield from asked_keys(name)


def identifiers(acquaintance: Acquaintance) -> frozenset[str]:
    """Keys that only one person has."""
    addresses = (acquaintance.address, *acquaintance.other_addresses)
    keys = {address_key(address) for address in addresses if address}
    return frozenset(keys | {profile_key(acquaintance.profile_url)} if acquaintance.profile_url else keys)


def subject_key(name: Name) -> str:
    """The key of a mail whose subject names somebody."""
    return f"s:{name.exact}"


def names_of(acquaintance: Acquaintance) -> tuple[Name, ...]:
    """The full names somebody goes by: the recorded one, and those that nicknames make of it."""
    name = read(acquaintance.name or "")
    return (name, *_by_nickname(name, acquaintance)) if name.words else ()


def _by_nickname(name: Name, acquaintance: Acquaintance) -> Iterator[Name]:
    for nickname in map(read, acquaintance.nicknames):
        if len(nickname.words) > 1:
            yield nickname
        elif nickname.words and len(name.words) > 1:
            yield Name((*nickname.words, *name.words[1:]))


def keys_of(acquaintance: Acquaintance) -> frozenset[str]:
    """Every key an index finds this acquaintance by."""
    keys = set(identifiers(acquaintance))
    for name in names_of(acquaintance):
        keys.add(f"n:{name.exact}")
        keys.update(kept_keys(name) if name.full else ())
        keys.update(f"j:{handle}" for handle in handles(name) if len(handle) >= _SHORTEST_HANDLE)
    if acquaintance.link in (Link.MET, Link.MENTIONED):
        keys.update(occasion_keys(acquaintance.about))
    if acquaintance.link is Link.WROTE_ME and introduces(acquaintance.about):
        keys.update(subject_key(name) for name in _names_in_subject(acquaintance.about))
    return frozenset(keys)


def found_alike(one: Acquaintance, other: Acquaintance) -> bool:
    """Whether two records of one identity are surely found by the same keys; cheaper than to make them."""
    # A title or subject that makes keys is part of the identity, too.
    return _names_and_identifiers(one) == _names_and_identifiers(other)


def _names_and_identifiers(acquaintance: Acquaintance) -> tuple[object, ...]:
    addresses = acquaintance.address, acquaintance.other_addresses
    return acquaintance.name, acquaintance.nicknames, *addresses, acquaintance.profile_url


def _names_in_subject(subject: str) -> Iterator[Name]:
    """Every run of words that may be a full name; a subject has few, and only one that is looked up matters."""
    words = fold(subject).split()
    for start, length in product(range(len(words)), _NAME_LENGTHS):
        yield Name(tuple(words[start : start + length]))


def occasion_words(text: str) -> frozenset[str]:
    """The words that tell one event from another."""
    words = re.findall(r"[^\W_]+", fold(text))
    return frozenset(
        word
        for word in words
        if len(word) >= _SHORTEST_WORD and not word.isdigit() and word not in word_list("occasions")
    )


def occasion_keys(text: str) -> frozenset[str]:
    return frozenset(f"e:{word}" for word in occasion_words(text))


def years(text: str) -> frozenset[str]:
    return frozenset(_YEAR.findall(text))


def identity(acquaintance: Acquaintance) -> tuple[str, ...]:
    """What two records of one source are summed up by: who it is, in what connection, and where it was."""
    who = _folded(acquaintance.name or ""), (acquaintance.address or "").lower(), acquaintance.profile_url or ""
    listed = acquaintance.link in (Link.CONTACT, Link.CONNECTION)
    apart = acquaintance.link in (Link.MET, Link.MENTIONED) or telling(acquaintance)
    return (
        acquaintance.link,
        *who,
        acquaintance.company or "" if listed else "",
        acquaintance.about if apart else "",
    )


_folded = lru_cache(maxsize=2048)(fold)  # of names, which come again with each mail


def telling(acquaintance: Acquaintance) -> bool:
    """Whether a mail's subject is worth keeping by itself: it introduces somebody, or announces an invitation."""
    if acquaintance.link is not Link.WROTE_ME:
        return False
    return _has_word_of(("introduces", "announces"), acquaintance.about) or "<>" in acquaintance.about


def introduces(subject: str) -> bool:
    return _has_word_of(("introduces",), subject) or "<>" in subject


def announces(subject: str) -> bool:
    return _has_word_of(("announces",), subject)


def _has_word_of(tables: tuple[str, ...], text: str) -> bool:
    words, beginnings = _words_of(tables)
    return any(word in words or word.startswith(beginnings) for word in fold(text).split())


@cache
def _words_of(tables: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The words of some lists, and what words of theirs begin with ("introduc*")."""
    entries = frozenset[str]().union(*map(word_list, tables))
    return entries, tuple(entry[:-1] for entry in entries if entry.endswith("*"))


def add(one: Acquaintance, other: Acquaintance) -> Acquaintance:
    """Two records of the same identity as one; the same whichever comes first."""
    older, newer = (one, other) if _is_older(one, other) else (other, one)
    # Not replace(), which takes twice as long: a mail more of somebody comes here.
    return Acquaintance(
        newer.source,
        newer.link,
        newer.name,
        newer.address,
        _united(one.other_addresses, other.other_addresses, without=newer.address),
        _united(one.nicknames, other.nicknames),
        newer.company or older.company,
        newer.profile_url or older.profile_url,
        one.count + other.count,
        min(one.first, other.first) if one.first and other.first else one.first or other.first,
        newer.last,
        newer.about,
    )


def _is_older(one: Acquaintance, other: Acquaintance) -> bool:
    if one.last == other.last:
        return repr(one) <= repr(other)
    return one.last is None or (other.last is not None and one.last < other.last)


def _united(some: tuple[str, ...], more: tuple[str, ...], without: str | None = None) -> tuple[str, ...]:
    return tuple(sorted({*some, *more} - {without})) if some or more else ()


def summed(acquaintances: Iterable[Acquaintance]) -> list[Acquaintance]:
    """A source's records, those of one identity as one."""
    sums: dict[tuple[str, ...], Acquaintance] = {}
    for item in acquaintances:
        key = identity(item)
        sums[key] = add(sums[key], item) if key in sums else item
    return list(sums.values())
