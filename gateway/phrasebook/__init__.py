"""The phrasebooks: what notes say in each language; one file a language, read once.

phrasebook/en.toml explains how a phrase is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated

from pydantic import BeforeValidator

from gateway.model import Signal
from gateway.settings import Section
from gateway.wording import WORD, Phrase, Phrases, bare


def _split(value: object) -> object:
    return value.split() if isinstance(value, str) else value


Spaced = Annotated[frozenset[str], BeforeValidator(_split)]  # words, spaces between them


class Phrasebook(Section):
    """A language as far as notes need it; without signals its notes are told apart but not read."""

    language: str
    common: Spaced
    letters: str = ""
    """Letters only this language and few others have."""
    stock: tuple[str, ...] = ()
    greetings: Spaced = frozenset()
    closings: tuple[str, ...] = ()
    negators: Spaced = frozenset()
    not_negating: tuple[str, ...] = ()
    negates_behind: bool = False
    """Whether "not" may follow the verb it denies."""
    places: Spaced = frozenset()
    """Words that lead to a place or an occasion ("at", "in")."""
    place_ends: Spaced = frozenset()
    not_names: Spaced = frozenset()
    """Capitalised words that are no person's name."""
    lists: Mapping[str, tuple[str, ...]] = {}
    signals: Mapping[Signal, tuple[str, ...]] = {}
    hints: Mapping[Signal, Mapping[str, tuple[str, ...]]] = {}
    """Phrases that make a signal when two of its hints stand in a note."""
    harmless: Mapping[Signal, tuple[str, ...]] = {}
    """Phrases within which nothing makes the signal."""

    @property
    def reads(self) -> bool:
        return bool(self.signals)

    @cached_property
    def spelled_common(self) -> frozenset[str]:
        """The common words, with and without diacritics."""
        return self.common | frozenset(map(bare, self.common))

    @cached_property
    def bare_negators(self) -> frozenset[str]:
        return frozenset(map(bare, self.negators))

    @cached_property
    def bare_not_negating(self) -> tuple[str, ...]:
        return tuple(map(bare, self.not_negating))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of the phrases: tells the language of a note too short for common words."""
        phrases = (phrase.text for phrase in self._all_phrases())
        listed = (word for words in self.lists.values() for word in words)
        words = WORD.findall(" ".join((*self.stock, *self.closings, *self.greetings, *phrases, *listed)).lower())
        return frozenset(bare(word) for word in set(words) if len(word) > 2)

    @cached_property
    def phrases(self) -> Phrases:
        return Phrases(self._all_phrases())

    @cached_property
    def harmless_phrases(self) -> Phrases:
        return Phrases(self._made(self.harmless))

    def _all_phrases(self) -> Iterator[Phrase]:
        yield from self._made(self.signals)
        for signal, hints in self.hints.items():
            for hint, texts in hints.items():
                yield from self._made({signal: texts}, hint)

    def _made(self, texts: Mapping[Signal, tuple[str, ...]], hint: str = "") -> Iterator[Phrase]:
        barred = tuple(sorted(self.not_names))
        for signal, phrases in texts.items():
            yield from (Phrase(text, signal, self.lists, barred, hint) for text in phrases)


@cache
def phrasebooks() -> Mapping[str, Phrasebook]:
    """Every phrasebook there is, by language."""
    pages = sorted(entry.name for entry in files(__name__).iterdir() if entry.name.endswith(".toml"))
    return {page.removesuffix(".toml"): _read(page) for page in pages}


def _read(page: str) -> Phrasebook:
    content = tomllib.loads(files(__name__).joinpath(page).read_text("utf-8"))
    return Phrasebook.model_validate({**content, "language": page.removesuffix(".toml")})
