"""Personal names as people compare them: without case, accents, titles and the marks of word order."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from gateway.names.tables import word_list

_LONGEST = 200  # characters of a name that are looked at; nobody is called more
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\"[^\"]*\"|“[^“”]*”")
_APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼʹ`´ʻ′＇"), "'")
_HYPHENS = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-")
# Letters that carry their accent inside, so that no decomposition takes it off.
_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t"}
)
_NOT_OF_A_NAME = re.compile(r"[^a-z0-9'\-]+")
# Written without spaces between the family name and the given name.
_UNSPACED = re.compile(r"[\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class Name:
    """A name's words, folded, in the order of "given family"."""

    words: tuple[str, ...]

    @property
    def exact(self) -> str:
        return " ".join(self.words)

    @property
    def full(self) -> bool:
        """Whether it says more than a given name; a lone word does so only where scripts have no spaces."""
        if len(self.words) == 1:
            return len(self.words[0]) > 1 and bool(_UNSPACED.match(self.words[0]))
        return any(len(word) > 1 for word in self.words)

    @property
    def parts(self) -> tuple[str, ...]:
        """The words, double-barrelled ones taken apart, without apostrophes."""
        return tuple(part.replace("'", "") for word in self.words for part in word.split("-") if part)


def fold(text: str) -> str:
    """Text without case, accents, invisible characters and symbols, single-spaced; folding twice changes nothing."""
    if text.isascii():
        return " ".join(_NOT_OF_A_NAME.sub(" ", text.lower().replace("`", "'")).split())
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES | _HYPHENS)
    text = "".join(char for char in text if unicodedata.category(char) != "Cf").casefold()
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not _accent(char))
    plain = unicodedata.normalize("NFKC", plain.translate(_STROKES))
    return " ".join("".join(char if _of_a_name(char) else " " for char in plain).split())


def _accent(char: str) -> bool:
    # Classes 7 to 9 and 0 are no accents: nukta, kana voicing and virama make another letter of it.
    return unicodedata.combining(char) >= 10


def _of_a_name(char: str) -> bool:
    return char in "'-" or unicodedata.category(char)[0] in "LNM"


@lru_cache(maxsize=2048)
def read(text: str) -> Name:
    """A display name taken apart: brackets, titles and degrees left out, "Family, Given" put in order."""
    text = re.split(r"\s[|;]\s", _BRACKETS.sub(" ", text[:_LONGEST]))[0]
    segments = [words for part in re.split(r"[,;،、]", text) if (words := _words(part))]
    while len(segments) > 1 and word_list("degrees").union(word_list("suffixes")).issuperset(segments[-1]):
        segments.pop()
    words = segments[1] + segments[0] if len(segments) == 2 else [word for part in segments for word in part]
    return Name(tuple(_without_ranks(words)))


def asides(text: str) -> list[Name]:
    """What stands in brackets or quotes in a display name: a former family name, the name in another script."""
    return [read(found[0].strip('()[]"“”')) for found in _BRACKETS.finditer(text[:_LONGEST])]


def _words(text: str) -> list[str]:
    return [bare for word in fold(text).split() if (bare := word.strip("-'"))]


def _without_ranks(words: list[str]) -> list[str]:
    """The name alone; a name that is all titles is left as it stands."""
    start, end = 0, len(words)
    while start < end and words[start] in word_list("titles"):
        start += 1
    while end - start > 2 and words[end - 1] in word_list("suffixes"):
        end -= 1
    return words[start:end] or words


def particle(word: str) -> bool:
    return word in word_list("particles")
