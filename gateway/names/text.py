"""Personal names in the words of an event or a subject."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile

from gateway.names import fold, particle, read
from gateway.names.tables import word_list

_LONGEST = 20_000  # characters of a text that are looked at
_MOST_WORDS = 6  # of a name
_BREAK = re.compile(r"[\r\n]+|(?<=[^\W\d_]{3}[.!?])\s+|(?<=\)\.)\s+|\s+[–—|]\s+|\s+-\s+|[;•·\t]")
_LABEL = re.compile(r"(?P<label>[^:]{1,60}):(?!//)\s*")
_BULLET = re.compile(r"^(?:[-*+>–]|\d{1,3}[.)])\s+")
_ITEM = re.compile(r"\s*(?:[,/&+，、]|<>|<->|↔)\s*|\s+(?:and|und|et|e|y|och|og|en|oraz|és|ve|и|та|και|与|和)\s+")
_COMPANY = re.compile(r"\((?P<company>[^()]{2,60})\)\s*$")


@dataclass(frozen=True, slots=True)
class Named:
    """A name that stands in a text; `listed` when it stands there as somebody present, not in passing."""

    name: str
    company: str | None = None
    listed: bool = False


def people_in(text: str) -> Iterator[Named]:
    """The names a text seems to have; some are none, which does no harm where only names are looked up."""
    present = True
    for line in _BREAK.split(text[:_LONGEST]):
        bare = _BULLET.sub("", line.strip())
        label = _LABEL.match(bare)
        if label:
            present = word_list("not_present").isdisjoint(fold(label["label"]).split())
            bare = bare[label.end() :]
        found = [_item(item.strip(" .!?")) for item in _ITEM.split(bare) if item.strip(" .!?")]
        # A label reaches over the names in the lines below it, as far as they are nothing but names.
        present = present or not (label or all(names and names[0].listed for names in found))
        yield from (named if present else replace(named, listed=False) for names in found for named in names)


def _item(item: str) -> list[Named]:
    """The names in one item of a list; alone, or after "with", they are of somebody who was there."""
    company = _COMPANY.search(item)
    every = (item[: company.start()] if company else item).split()
    words = list(dropwhile(lambda word: fold(word) in word_list("leads"), every))
    found = []
    for start, end in _runs(words):
        alone = (start, end) == (0, len(words))
        beside = fold(words[start - 1]) in word_list("with") if start else len(words) < len(every)
        name = " ".join(words[start:end]).strip(',.:!?"“”')
        if read(name).full:
            found.append(Named(name, _employer(company) if company and alone else None, alone or beside))
    return found


def _employer(found: re.Match[str]) -> str | None:
    """What stands in brackets behind a name, unless it is the part somebody plays or how they attend."""
    text = found["company"]
    return text if _capital(text) and word_list("parts_played").isdisjoint(fold(text).split()) else None


def _runs(words: list[str]) -> Iterator[tuple[int, int]]:
    """Stretches of words that are written as names are."""
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and (_capital(words[end]) or (end > start and particle(fold(words[end])))):
            end += 1
        while end > start and not _capital(words[end - 1]):
            end -= 1
        if end > start and end - start <= _MOST_WORDS:
            yield start, end
        start = max(end, start + 1)


def _capital(word: str) -> bool:
    return unicodedata.category(word.lstrip("\"'“„(")[:1] or " ") in ("Lu", "Lt", "Lo")
