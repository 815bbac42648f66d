"""Words as they are compared: invisible characters, quotes, case and diacritics folded; phrases with holes.

A phrasebook's phrase is plain words with a few marks, explained in phrasebook/en.toml; this module turns
it into a pattern and finds it in a note.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gateway.model import Signal

_QUOTES = str.maketrans("‘’‚‛ʼ´`′“”„‟«»″‐‑‒–—―−", "''''''''" + '"' * 7 + "-" * 7)
_TITLE = re.compile(r"\b(Dr|Prof|Mr|Mrs|Ms|Hr|Fr|St|Sr|Sra|Srta|Dott|Dra|Mme|Ing|Drs|Mag|z|i|B|d|h)\.(?=\s?\w)")
_SPACES = re.compile(r"[^\S\n]+")
WORD = re.compile(r"[^\W_]+")

# Between the words of a phrase: anything but the end of a sentence or of a paragraph.
_BETWEEN = r"(?:[^\S\n]|[,;:'\"()/&+-]|\n(?!\n)){1,4}"
_GAP = 7  # words that "..." stands for at most
_CAPITAL = "A-ZØŁÐÞÆŒА-ЯΑ-Ω"
_PARTICLES = r"(?:(?:van|de|von|der|den|di|da|dos|du|del|la|le|el|al|bin) )*"
_ELEMENT = re.compile(r"\[[^\]]*\]|\S+")
_UMLAUTS = {"ä": "ae?", "ö": "oe?", "ü": "ue?", "ß": "(?:ß|ss)"}
_KEY = 3  # letters by which a phrase is looked up


def plain(text: str) -> str:
    """The text with one kind of quote, dash and space, and without characters nobody sees."""
    visible = (c for c in unicodedata.normalize("NFKC", text) if c == "\n" or unicodedata.category(c) not in _UNSEEN)
    return _TITLE.sub(r"\1", _SPACES.sub(" ", "".join(visible).translate(_QUOTES)))


_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})


@lru_cache(maxsize=4096)
def _bare(char: str) -> str:
    base = unicodedata.normalize("NFD", char)
    return base[0] if all(unicodedata.combining(mark) for mark in base[1:]) else char


def bare(text: str) -> str:
    """The text without diacritics, letter for letter: positions and capitals stay."""
    return text if text.isascii() else "".join(map(_bare, text))


def fold(text: str) -> str:
    """A short text for comparing: plain, bare, lower case, words and single spaces only."""
    return " ".join(WORD.findall(bare(plain(text)).lower()))


@dataclass(frozen=True)
class Phrase:
    """Words to look for, with holes; `signal` is what the phrasebook files them under."""

    text: str
    signal: Signal
    lists: Mapping[str, tuple[str, ...]]
    not_names: tuple[str, ...] = ()

    @cached_property
    def keys(self) -> frozenset[str]:
        """Beginnings of words of which a text must have one for the phrase to be in it."""
        choices = [self._beginnings(element) for element in _ELEMENT.findall(self.text) if _is_required(element)]
        best = max(filter(None, choices), key=lambda words: min(map(len, words)))
        return frozenset(word[:_KEY] for word in best)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w){_sequence(self.text, self)}(?!\w)")

    def alternatives(self, element: str) -> tuple[str, ...]:
        """The words or phrases an element stands for."""
        return tuple(
            word
            for choice in element.split("/")
            for word in (self.lists[choice[1:-1]] if choice[0] == "{" else (choice,))
        )

    def _beginnings(self, element: str) -> list[str]:
        words = (WORD.search(bare(choice).lower()) for choice in self.alternatives(element))
        return [found[0] for found in words if found]


def _is_required(element: str) -> bool:
    return element not in ("...", "NAME", "WORD") and element[0] not in "[!"


def _sequence(text: str, phrase: Phrase) -> str:
    """The elements of a phrase, each bringing along what parts it from its neighbour."""
    pattern, pending = "", ""
    for element in _ELEMENT.findall(text):
        if element == "...":
            pending = rf"{_BETWEEN}(?:[^\W_]+{_BETWEEN}){{0,{_GAP}}}?"
        elif element.startswith("["):
            inner = _sequence(element[1:-1], phrase)
            pattern += rf"(?:{pending}{inner})?" if pattern else rf"(?:{inner}{_BETWEEN})?"
            pending = pending if not pattern else _BETWEEN
        else:
            pattern += pending + _element(element, phrase)
            pending = _BETWEEN
    return pattern


def _element(element: str, phrase: Phrase) -> str:
    if element == "NAME":
        barred = "|".join(phrase.not_names) or "$^"
        word = rf"[{_CAPITAL}][\w'.-]*\w"
        return rf"(?P<name>(?!(?i:{barred})\b){word}(?: {_PARTICLES}(?!(?i:{barred})\b){word}){{0,3}})"
    if element == "WORD":
        return r"[^\W_]+"
    if element.startswith("!"):
        return rf"(?!(?i:{'|'.join(_word(choice) for choice in phrase.alternatives(element[1:]))}))[^\W_]+"
    return rf"(?i:{'|'.join(_word(choice) for choice in phrase.alternatives(element))})"


def _word(choice: str) -> str:
    literal = re.sub(r"\W+", " ", choice.replace("*", "")).strip().split(" ")
    body = _BETWEEN.join("".join(_UMLAUTS.get(c) or re.escape(_bare(c)) for c in word) for word in literal)
    return body + (r"\w*" if choice.endswith("*") else r"(?!\w)")


class Phrases:
    """Phrases made ready to be found; none is compiled before a text could hold it."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._by_key: dict[str, list[Phrase]] = {}
        for phrase in phrases:
            for key in phrase.keys:
                self._by_key.setdefault(key, []).append(phrase)

    def find(self, text: str) -> Iterator[tuple[Phrase, re.Match[str]]]:
        """Each phrase that stands in a bare text, wherever it does."""
        tried: set[int] = set()
        for key in {word[:_KEY] for word in WORD.findall(text.lower())}:
            for phrase in self._by_key.get(key, ()):
                if id(phrase) not in tried:
                    tried.add(id(phrase))
                    yield from ((phrase, found) for found in phrase.pattern.finditer(text))
