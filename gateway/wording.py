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
from itertools import groupby, islice

from gateway.model import Signal

_QUOTES = str.maketrans("‘’‚‛ʼ´`′“”„‟«»″‐‑‒–—―−", "''''''''" + '"' * 7 + "-" * 7)
_TITLE = re.compile(r"\b(Dr|Prof|Mr|Mrs|Ms|Hr|Fr|St|Sr|Sra|Srta|Dott|Dra|Mme|Ing|Drs|Mag|z|i|B|d|h)\.(?=\s?\w)")
_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})  # Unicode categories
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SPACES = re.compile(r"[^\S\n]+")
WORD = re.compile(r"[^\W_]+")

# Between the words of a phrase: anything but the end of a sentence or of a paragraph.
_BETWEEN = r"(?:[^\S\n]|[,;:'\"()/&+-]|\n(?!\n)){1,4}"
_GAP = 7  # words that "..." stands for at most
_CAPITAL = "A-ZØŁÐÞÆŒА-ЯΑ-Ω"
_PARTICLES = r"(?:(?:van|de|von|der|den|di|da|dos|du|del|la|le|el|al|bin) )*"
_ELEMENT = re.compile(r"\[[^\]]*\]|\S+")
_FIRST = re.compile(r"(?<![\w*])(?P<word>[^\W_]+)(?P<open>\*?)")
_SPELLED = re.compile(r"\*?[^\W_]+(?:\*[^\W_]*)*")
_SLOTS = {
    "WORD": r"[^\W_]+",
    "NUMBER": r"\d[\d.,]*",
    "YEAR": r"(?:19|20)\d\d",
    "PERCENT": r"\d[\d.,]*\s?(?:%|(?i:percent|prozent|pour cent|por ciento|per cento|por cento|procent)\b)",
    "MONEY": (
        r"(?:[€$£]\s?\d[\d.,]*\s?[kKmM]?"
        r"|\d[\d.,]*\s?[kKmM]?\s?(?:[€$£]|(?i:euros?|eur|usd|dollars?|pounds?|chf)\b))"
    ),
}
_STEM = r"\w{2,}"
_BEGINS = r"(?:\A|(?<=[.!?¿¡,:;)\n-])|(?<=[.!?,:;)-] ))"
_REST = r"[^.!?\n]*"
_ASKS = r"(?=[^.!?\n]*\?)"
_LETTERS = {"ä": "ae?", "ö": "oe?", "ü": "ue?", "ß": "(?:ß|ss)", "*": r"\w*"}
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_ANY = ""  # the key of a phrase that could stand in any text
_OFTEN = 8  # times a phrase is found in a text; who says it more often says no more by it
_KEY = 4  # letters by which a phrase with an open ending is looked up


def plain(text: str) -> str:
    """The text with one kind of quote, dash and space, and without characters nobody sees."""
    if text.isascii():
        visible = _CONTROLS.sub("", text)
    else:
        visible = "".join(c for c in unicodedata.normalize("NFKC", text) if _is_visible(c))
    return _TITLE.sub(r"\1", _SPACES.sub(" ", visible.translate(_QUOTES)))


@lru_cache(maxsize=4096)
def _is_visible(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) not in _UNSEEN


@lru_cache(maxsize=4096)
def _bare(char: str) -> str:
    base = unicodedata.normalize("NFD", char)
    return base[0] if all(unicodedata.combining(mark) for mark in base[1:]) else char


def bare(text: str) -> str:
    """The text without diacritics, letter for letter: positions and capitals stay."""
    return text if text.isascii() else "".join(map(_bare, text))


def fold(text: str) -> str:
    """A short text for comparing: plain, bare, lower case, words and single spaces only."""
    if text.isascii() and text.isalnum():  # one word, as most are
        return text.lower()
    return " ".join(WORD.findall(bare(plain(text)).lower()))


@dataclass(frozen=True)
class Phrase:
    """Words to look for, with holes; `signal` is what the phrasebook files them under.

    With a `hint` they say it only beside words of another hint.
    """

    text: str
    signal: Signal
    lists: Mapping[str, tuple[str, ...]]
    not_names: tuple[str, ...] = ()
    hint: str = ""

    @cached_property
    def needs(self) -> tuple[frozenset[str], ...]:
        """Words of which a text must have one of each for the phrase to be in it; "graph*" where any ending will do."""
        elements = filter(_is_required, _ELEMENT.findall(self.text))
        return tuple(words for element in elements if (words := self._first_words(element)))

    @property
    def keys(self) -> frozenset[str]:
        """The longest words of those it needs: what it is looked up by."""
        return max(self.needs, key=lambda words: min(map(len, words)), default=frozenset({_ANY}))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w){_sequence(self.text, self)}(?!\w)")

    @cached_property
    def bare_words(self) -> frozenset[str]:
        """The words it is written with, those of its lists not among them."""
        return frozenset(WORD.findall(bare(self.text).lower()))

    def alternatives(self, element: str) -> tuple[str, ...]:
        """The words or phrases an element stands for."""
        return tuple(
            word
            for choice in element.split("/")
            for word in (self.lists[choice[1:-1]] if choice[0] == "{" else (choice,))
        )

    def _first_words(self, element: str) -> frozenset[str]:
        return _begun_by(self.alternatives(element.partition("!")[0]))


@lru_cache(maxsize=256)  # phrases that begin alike stand together
def _begun_by(choices: tuple[str, ...]) -> frozenset[str]:
    found = [None if choice in ("NAME", *_SLOTS) else _FIRST.match(choice.lower()) for choice in choices]
    if not all(found):  # any word may be it
        return frozenset()
    return frozenset(
        _key(spelling, is_open=bool(first["open"]))
        for first in found
        if first
        for spelling in _spellings(first["word"])
    )


def _is_required(element: str) -> bool:
    return element not in ("^", "...", "?") and not element.startswith(("[", "!", "NAME'"))


def _spellings(word: str) -> set[str]:
    """A word without diacritics, and as Germans write it where there are no umlauts."""
    return {bare(word), bare(word.translate(_DIGRAPHS)), bare(word).replace("ß", "ss")}


def _key(word: str, *, is_open: bool) -> str:
    return f"{word[:_KEY]}*" if is_open else word


def _sequence(text: str, phrase: Phrase) -> str:
    """The elements of a phrase, each bringing along what parts it from its neighbour."""
    pattern, pending = "", ""
    for element in _ELEMENT.findall(text):
        if element in ("^", "?"):
            pattern += _BEGINS if element == "^" else _ASKS
        elif element == "...":
            pending = rf"{_BETWEEN}(?:[^\W_]+{_BETWEEN}){{0,{_GAP}}}?"
        elif element.startswith("["):
            inner = _sequence(element[1:-1], phrase)
            pattern += rf"(?:{pending}{inner})?" if pattern else rf"(?:{inner}{_BETWEEN})?"
            pending = pending if not pattern else _BETWEEN
        else:
            pattern += pending + _element(element, phrase)
            pending = _BETWEEN
    return pattern + _REST if text.endswith("...") else pattern


def _element(element: str, phrase: Phrase) -> str:
    if element.startswith("NAME") and "/" not in element:
        return rf"(?P<name>{_name(phrase)}){element.removeprefix('NAME')}"
    wanted, _, unwanted = element.partition("!")
    barred = rf"(?!{_choices(unwanted, phrase)})" if unwanted else ""
    return barred + (_choices(wanted, phrase) if wanted else _SLOTS["WORD"])


def _choices(element: str, phrase: Phrase) -> str:
    return rf"(?:{'|'.join(_alternatives(phrase.alternatives(element), phrase))})"


def _alternatives(choices: tuple[str, ...], phrase: Phrase) -> Iterator[str]:
    """Holes, and words that follow each other in one group: in one each they take a quarter longer to compile."""
    for are_words, some in groupby(choices, lambda choice: choice != "NAME" and choice not in _SLOTS):
        if are_words:
            yield rf"(?i:(?:{'|'.join(map(_word, some))})(?!\w))"
        else:
            yield from (_name(phrase) if choice == "NAME" else _SLOTS[choice] for choice in some)


def _name(phrase: Phrase) -> str:
    barred = "|".join(phrase.not_names) or "$^"
    word = rf"(?!(?i:{barred})\b)(?:(?:[{_CAPITAL}]')?[{_CAPITAL}][\w.-]*\w|[{_CAPITAL}]\.)"
    return rf"{word}(?: {_PARTICLES}{word}){{0,3}}"


def _word(choice: str) -> str:
    """A word or words in any spelling; an asterisk leaves the ending open, or the stem, or what is between."""
    return _BETWEEN.join(map(_spelled, _SPELLED.findall(choice)))


def _spelled(word: str) -> str:
    stem = _STEM if word.startswith("*") else ""
    return stem + "".join(_LETTERS.get(char) or _bare(char) for char in word.removeprefix("*"))


class Phrases:
    """Phrases made ready to be found; none is compiled before a text could hold it."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._by_key: dict[str, list[Phrase]] = {}
        for phrase in phrases:
            for key in phrase.keys:
                self._by_key.setdefault(key, []).append(phrase)

    def find(self, text: str) -> Iterator[tuple[Phrase, re.Match[str]]]:
        """Each phrase that stands in a bare text, and where."""
        tried: set[int] = set()
        words = _keys_of(text)
        for key in self._by_key.keys() & words:
            for phrase in self._by_key[key]:
                if id(phrase) not in tried and not any(map(words.isdisjoint, phrase.needs)):
                    tried.add(id(phrase))
                    yield from ((phrase, found) for found in islice(phrase.pattern.finditer(text), _OFTEN))


@lru_cache(maxsize=4)  # a note is looked through for several kinds of phrases
def _keys_of(text: str) -> frozenset[str]:
    words = {_ANY, *WORD.findall(text.lower())}
    return frozenset(words | {f"{word[:length]}*" for word in words for length in range(1, _KEY + 1)})
