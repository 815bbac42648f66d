"""Whether two different names may be one person's, and what would explain the difference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations

from gateway.names import Name, particle
from gateway.names.nicknames import may_be, roots
from gateway.names.spelling import abjad, consonants, foreign, latin, sound

_MOST_PARTS = 6  # of a name, compared pair by pair
_ARTICLE = re.compile("^ال(?=..)")  # written on to the family name in Arabic, apart (al-) in Latin letters


class Likeness(IntEnum):
    """How two words of two names agree; the higher, the more it takes to explain."""

    SAME = 0
    SPELLING = 1
    TRANSLITERATION = 2
    NICKNAME = 3
    INITIAL = 4


_EXPLAINED = {
    Likeness.SPELLING: "another spelling",
    Likeness.TRANSLITERATION: "a transliteration",
    Likeness.NICKNAME: "a nickname",
    Likeness.INITIAL: "an initial",
}


def kept_keys(name: Name) -> Iterator[str]:
    """Keys to keep a name under, so that its variants' `asked_keys` find it."""
    for one, other in _pairs(name):
        if len(one) == 1 or len(other) == 1:
            yield from _abbreviated("b", one, other)
        else:
            yield from (*_whole(one, other), *_abbreviated("i", one, other))
    yield from _vowelless("d" if _has_abjad(name) else "c", name)
    yield from (f"j:{form}" for form in joined(name))


def asked_keys(name: Name) -> Iterator[str]:
    """Keys under which a name's variants are kept; of two that differ by an initial, one has it."""
    for one, other in _pairs(name):
        yield from _abbreviated("b", one, other)
        yield from _abbreviated("i", one, other) if len(one) == 1 or len(other) == 1 else _whole(one, other)
    yield from _vowelless("d", name)
    yield from _vowelless("c", name) if _has_abjad(name) else ()
    yield from (f"j:{form}" for form in joined(name))


def _has_abjad(name: Name) -> bool:
    return any(map(abjad, name.words))


def _pairs(name: Name) -> Iterator[tuple[str, str]]:
    return combinations(_parts(name)[:_MOST_PARTS], 2)


def _whole(one: str, other: str) -> Iterator[str]:
    yield from pair_keys(one, (other,))
    yield from pair_keys(other, (one,))


def _abbreviated(kind: str, one: str, other: str) -> Iterator[str]:
    if len(other) > 1:
        yield f"{kind}:{sound(one)[:1]}|{sound(other)}"
    if len(one) > 1:
        yield f"{kind}:{sound(other)[:1]}|{sound(one)}"


def _vowelless(kind: str, name: Name) -> Iterator[str]:
    parts = _parts(name)
    if len(parts) > 1:
        yield f"{kind}:{consonants(parts[0])}|{consonants(parts[-1])}"


def pair_keys(given: str, families: Iterable[str]) -> Iterator[str]:
    """Keys of the names that a given name, or one it may be short for, makes with each of some family names."""
    for family in families:
        for root in roots(given):
            yield _pair(root, sound(family))


def _pair(one: str, other: str) -> str:
    return "p:" + "|".join(sorted((one, other)))


def joined(name: Name) -> frozenset[str]:
    """The name written as one Latin word, given name first and family name first."""
    words = [_letters(latin(word)) for word in name.words]
    return frozenset({"".join(words), "".join(words[-1:] + words[:-1])})


def handles(name: Name) -> frozenset[str]:
    """Account names that people make of their own name."""
    words = [_letters(latin(word)) for word in name.words]
    if len(words) < 2:
        return frozenset()
    given, family = words[0], "".join(words[1:])
    return joined(name) | {given[:1] + family, family + given[:1], given[:1] + words[-1], given + words[-1]}


def _letters(word: str) -> str:
    return word if word.isalnum() else "".join(char for char in word if char.isalnum())


def variant(one: Name, other: Name) -> str | None:
    """What would explain that two different names are one person's; None when nothing does."""
    if joined(one) & joined(other):
        return _explain_joined(one, other)
    fewer, more = sorted((_parts(one), _parts(other)), key=lambda parts: (len(parts), parts))
    found = _align(fewer, more)
    if found is None:
        return None
    reasons = [_EXPLAINED[likeness] for likeness in sorted(set(found.likenesses)) if likeness in _EXPLAINED]
    reasons += _left_over(found.left_over, one, other)
    if not found.in_order:
        reasons.append("a swapped order")
    if not reasons:
        reasons.append("a particle" if _particles(one) != _particles(other) else "another spelling")
    return " and ".join(reasons)


def _explain_joined(one: Name, other: Name) -> str:
    if any(map(foreign, one.words)) != any(map(foreign, other.words)):
        return "a transliteration"
    return (
        "a swapped order"
        if sorted(one.parts) == sorted(other.parts) and one.parts != other.parts
        else "another spelling"
    )


def _parts(name: Name) -> tuple[str, ...]:
    parts = tuple(_ARTICLE.sub("", part) for part in name.parts if not particle(part))
    return parts if len(parts) > 1 else name.parts


def _particles(name: Name) -> list[str]:
    return [part for part in name.parts if particle(part)]


def _left_over(parts: tuple[str, ...], one: Name, other: Name) -> list[str]:
    if not parts:
        return []
    if all(len(part) == 1 for part in parts):
        return ["a middle initial"]
    if any(part in word.split("-") for part in parts for word in one.words + other.words if "-" in word):
        return ["a double name"]
    return ["a longer form"]


@dataclass(frozen=True, slots=True)
class _Alignment:
    likenesses: tuple[Likeness, ...]
    left_over: tuple[str, ...]
    in_order: bool


def _align(fewer: tuple[str, ...], more: tuple[str, ...]) -> _Alignment | None:
    """Each part of the shorter name set against one of the longer; None unless a whole word and one more agree."""
    if len(fewer) < 2:
        return None
    free = dict(enumerate(more))
    places, likenesses = [], []
    for part in sorted(fewer, key=len, reverse=True):
        likeness, place = min(
            ((likeness, place) for place, other in free.items() if (likeness := _likeness(part, other)) is not None),
            default=(None, -1),
        )
        if likeness is None:
            return None
        likenesses.append(likeness)
        places.append((fewer.index(part), place))
        del free[place]
    if sum(likeness < Likeness.NICKNAME for likeness in likenesses) < 1:
        return None
    order = [place for _, place in sorted(places)]
    return _Alignment(tuple(likenesses), tuple(free.values()), order == sorted(order))


def _likeness(one: str, other: str) -> Likeness | None:
    if one == other:
        return Likeness.SAME
    if len(one) == 1 or len(other) == 1:
        return Likeness.INITIAL if sound(one)[:1] == sound(other)[:1] else None
    if sound(one) == sound(other) or ((abjad(one) or abjad(other)) and consonants(one) == consonants(other)):
        return Likeness.TRANSLITERATION if foreign(one) != foreign(other) else Likeness.SPELLING
    return Likeness.NICKNAME if may_be(one, other) else None
