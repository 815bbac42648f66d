"""A network's stock sentences: found in a note of which nothing else is the inviter's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import fuzz, process

from gateway.phrasebook import Phrasebook
from gateway.wording import WORD, fold

_PIECE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")
_PIECE_ACROSS_LINES = re.compile(r"[^.!?。！？]+[.!?。！？]*")
_ALIKE = 92  # per cent two sentences must agree in to be the same with a slip of the keyboard
_SAME_WORD = 75  # and per cent of each word that differs
_FAMILIAR = 0.5  # share of words some stock sentence has, below which a sentence is not looked at closely
_LONGEST = 400  # no stock sentence with greeting and signature is longer
_MOST_NAMES = 4  # words of a name after a greeting, or in a signature
_ON_NETWORK = re.compile(r" (?:on|auf|en|sur|su|no|op|di|na|pa|pada|in) linkedin\b")  # said or left out
_NETWORKS = frozenset({"linkedin", "xing", "facebook", "viadeo", "researchgate", "mastodon", "twitter"})


@dataclass(frozen=True, slots=True)
class Stock:
    """The stock part of a note as written, and its language."""

    text: str
    language: str


@dataclass(frozen=True)
class StockSentences:
    """All stock sentences of all languages."""

    books: tuple[Phrasebook, ...]

    @cached_property
    def _sentences(self) -> dict[str, str]:
        """Each sentence as it is compared, and its language."""
        known: dict[str, str] = {}
        for book in self.books:
            for text in book.stock:
                for piece in _PIECE.findall(text):
                    known.setdefault(_folded(piece), book.language)
        return known

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(word for sentence in self._sentences for word in sentence.split())

    @cached_property
    def _greetings(self) -> frozenset[str]:
        return frozenset(fold(word) for book in self.books for word in book.greetings)

    @cached_property
    def _closings(self) -> dict[str, list[str]]:
        """The closings by their first word, longest first."""
        by_word: dict[str, list[str]] = {}
        for closing in sorted({fold(text) for book in self.books for text in book.closings}, key=len, reverse=True):
            by_word.setdefault(closing.split()[0], []).append(closing)
        return by_word

    def find(self, note: str, names: frozenset[str]) -> Stock | None:
        """The stock text if the note is nothing else but greeting, names and signature; `names` folded."""
        if len(note) > _LONGEST:
            return None
        for pieces in (_PIECE, _PIECE_ACROSS_LINES) if "\n" in note else (_PIECE,):
            found = self._in_pieces(note, pieces, names)
            if found:
                return found
        return None

    def _in_pieces(self, note: str, pieces: re.Pattern[str], names: frozenset[str]) -> Stock | None:
        spans: list[tuple[int, int]] = []
        language = ""
        for piece in pieces.finditer(note):
            start = piece.start() + self._greeting(piece[0], names)
            found = self._sentence(note[start : piece.end()], names)
            if found:
                spans.append((start, start + found[0]))
                language = language or found[1]
            elif not self._frame(note[start : piece.end()], names, signature=bool(spans)):
                return None
        if not spans:
            return None
        return Stock(" ".join(note[spans[0][0] : spans[-1][1]].split()), language)

    def _greeting(self, piece: str, names: frozenset[str]) -> int:
        """How many characters of the piece greet the owner, with leading space."""
        words = list(WORD.finditer(piece))
        greeting = 0
        while greeting < len(words) and fold(words[greeting][0]) in self._greetings:
            greeting += 1
        named = greeting
        while named < len(words) and fold(words[named][0]) in names:
            named += 1
        if greeting and named == greeting:
            named = _up_to_comma(piece, words, greeting)
        follows = words[named][0] if 0 < named < len(words) else ""
        # "Anna, vorrei aggiungerti ...": without a greeting the name belongs to the sentence that goes on small.
        if not greeting and follows[:1].islower():
            return len(piece) - len(piece.lstrip())
        return words[named].start() if follows else len(piece) if named else len(piece) - len(piece.lstrip(" \n\t\"'"))

    def _sentence(self, piece: str, names: frozenset[str]) -> tuple[int, str] | None:
        """Length and language of the stock sentence a piece is, alone or before a name."""
        whole = _folded(piece)
        if whole in self._sentences:
            return len(piece.rstrip()), self._sentences[whole]
        words = list(WORD.finditer(piece))
        if sum(word in self._words for word in whole.split()) < len(words) * _FAMILIAR:
            return None
        first = 0
        while first < len(words) and fold(words[first][0]) in names:
            first += 1
        for last in range(len(words), max(first, len(words) - _MOST_NAMES - 4), -1):
            core = piece[words[first].start() : words[last - 1].end()]
            rest = piece[words[last - 1].end() :]
            if (language := self._alike(core)) and self._frame(rest, names, signature=True):
                return words[last - 1].end() + _ending(rest), language
        return None

    def _alike(self, core: str) -> str | None:
        folded = _folded(core)
        exact = self._sentences.get(folded)
        if exact or len(folded) < 12:
            return exact
        best = process.extractOne(folded, self._sentences.keys(), scorer=fuzz.ratio, score_cutoff=_ALIKE)
        if best is None or not _same_words(folded, best[0]):
            return None
        return self._sentences[best[0]]

    def _closing(self, folded: str) -> str | None:
        """The closing a folded text begins with."""
        closings = self._closings.get(folded.partition(" ")[0], ())
        return next((closing for closing in closings if f"{folded} ".startswith(f"{closing} ")), None)

    def _frame(self, piece: str, names: frozenset[str], *, signature: bool) -> bool:
        """Whether the piece is mere closing, name or ornament."""
        folded = fold(piece)
        while closing := self._closing(folded):
            folded = folded[len(closing) :].removeprefix(" and").lstrip()
            signature = True
        words = folded.split()
        if all(word in names for word in words):
            return True
        if not signature or len(words) > _MOST_NAMES - 1:
            return False
        return all(word[0].isupper() for word in WORD.findall(piece) if fold(word) in words)


def _up_to_comma(piece: str, words: list[re.Match[str]], first: int) -> int:
    """The number of words up to the comma that ends a greeting of somebody called otherwise than we think."""
    for count, word in enumerate(words[first : first + _MOST_NAMES], first + 1):
        behind = piece[word.end() : word.end() + 2].lstrip()
        if behind[:1] in (",", ":", "-", "–", "—") or word.end() >= len(piece.rstrip()):
            return count
    return first


def _ending(rest: str) -> int:
    """Length of the full stop directly behind a sentence."""
    return len(rest) - len(rest.lstrip(".!?。！")) if rest[:1] in ".!?。！" else 0


def _folded(piece: str) -> str:
    words = fold(piece).replace("linked in", "linkedin").split()
    return _ON_NETWORK.sub("", " ".join("linkedin" if word in _NETWORKS else word for word in words))


def _same_words(one: str, other: str) -> bool:
    """Whether each word that differs is a slip of one on the other side, and none was added or left out."""
    ours, theirs = one.split(), other.split()
    if abs(len(ours) - len(theirs)) > 1:
        return False
    return all(_matched(_without(a, b), b) for a, b in ((ours, theirs), (theirs, ours)))


def _without(words: Iterable[str], others: Iterable[str]) -> list[str]:
    taken = set(others)
    return [word for word in words if word not in taken]


def _matched(words: Iterable[str], others: list[str]) -> bool:
    return all(len(word) <= 2 or any(fuzz.ratio(word, other) >= _SAME_WORD for other in others) for word in words)
