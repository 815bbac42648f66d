"""What belongs to a topic: its own words, and those of the fields of knowledge and life it names.

The fields stand in gateway/fields/*.toml; a topic no field knows is left to its own words.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gateway.model import Signal
from gateway.wording import Phrase, Phrases, bare, fold

# Endings that make the same word of another: plurals and cases of the languages we read.
_ENDING = re.compile(r"(?<=\w{4})(?:ies|es|en|er|s|e|n|(?<![aeiou])y|i|o|a)$")
_SHORT = 4  # letters up to which a word is taken as it is
# Words of a topic that say nothing without the others: "design" of "timber bridge design".
_GENERAL = frozenset(
    """
    analysis applied applications approach based building business computer computing control culture data design
    development digital early education energy engineering environment european field foundations global health
    history human industry information innovation international language learning local management market material
    method modelling modern network planning policy practice problem process product production project public
    quality research safety science security service social software structure studies study sustainable system
    technique technology theory training women world young
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of knowledge or life: what it is called, and what touches it."""

    names: tuple[str, ...]  # as they are compared: stems
    terms: tuple[str, ...]  # its names of several words, too: they say it in the other languages


def topic_phrases(topics: tuple[str, ...]) -> Iterator[Phrase]:
    """All that touches one of the topics, each term once."""
    terms = {term: None for topic in topics for term in (*_own_words(topic), *_related(topic))}
    return (Phrase(term, Signal.TOPIC, {}) for term in terms if fold(term))


def _own_words(topic: str) -> Iterator[str]:
    """The topic as one writes it in a sentence, and as a German or Dutch compound."""
    stems = _stems(topic).split()
    if not stems:
        return
    yield " ".join(_open(stem) for stem in stems)
    if len(stems) > 1:
        yield "".join(stems[:-1]) + _open(stems[-1])


def _related(topic: str) -> Iterator[str]:
    """The terms of the field the topic names, or else of those in its name, and of the fields it comprises."""
    wanted = _stems(topic)
    called = [known for known in _fields() if wanted == known.names[0]]
    named = called or [known for known in _fields() if wanted in known.names]
    within = _within(wanted)
    comprised = [known for known in _fields() if _holds(known.names[0], wanted)]
    for known in (*(named or within or _touched(topic)), *comprised):
        yield from known.terms
    if not named:
        words = (word for word in fold(topic).split() if len(word) > _SHORT)
        yield from (_open(stem) for word in words if (stem := _stem(word)) not in _general())


def _within(wanted: str) -> list[Field]:
    """The fields whose names stand in a topic; those of general words only where there is no other."""
    held = [(known, name) for known in _fields() for name in known.names if _holds(wanted, name)]
    telling = [(known, name) for known, name in held if not _general().issuperset(name.split())]
    return list(dict.fromkeys(known for known, _ in telling or held))


def _touched(topic: str) -> tuple[Field, ...]:
    """The fields whose terms stand in the name of a topic that no field knows: law for "prison reform"."""
    words = bare(topic).lower()
    begin = {word[:_SHORT] for word in words.split()}
    near = ((known, [term for term in known.terms if bare(term[:_SHORT]) in begin]) for known in _fields())
    return tuple(known for known, terms in near if any(_found(terms, words)))


def _found(terms: Iterable[str], text: str) -> Iterator[object]:
    yield from Phrases(Phrase(term, Signal.TOPIC, {}) for term in terms).find(text)


def _holds(text: str, words: str) -> bool:
    return bool(words) and f" {words} " in f" {text} "


@cache
def _general() -> frozenset[str]:
    return frozenset(map(_stem, _GENERAL))


@cache
def _fields() -> tuple[Field, ...]:
    pages = sorted(page.name for page in files("gateway").joinpath("fields").iterdir() if page.name.endswith(".toml"))
    return tuple(field for page in pages for field in _read(page))


def _read(page: str) -> Iterator[Field]:
    content = tomllib.loads(files("gateway").joinpath("fields", page).read_text("utf-8"))
    for name, entry in content.items():
        names = (name, *entry["also"].split(", "))
        spelled = (words for own in names if " " in own for words in _own_words(own))
        yield Field(tuple(map(_stems, names)), (*entry["terms"].split(", "), *spelled))


def _stems(text: str) -> str:
    return " ".join(_stem(word) for word in fold(text).split())


def _stem(word: str) -> str:
    """Without the ending, and without the one that was before it: "glaciers" and "glacier" are the same."""
    return _ENDING.sub("", _ENDING.sub("", word)) if len(word) > _SHORT else word


def _open(stem: str) -> str:
    return stem + "*" if len(stem) >= _SHORT else stem
