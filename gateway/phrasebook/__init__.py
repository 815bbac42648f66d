"""The phrasebooks: what notes say in each language; one file a language, read once.

phrasebook/en.toml explains how a phrase is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
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

    @property
    def reads(self) -> bool:
        return bool(self.signals)

    @cached_property
    def bare_negators(self) -> frozenset[str]:
        return frozenset(map(bare, self.negators))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of the phrases: tells the language of a note too short for common words."""
        phrases = (text for texts in self.signals.values() for text in texts)
        listed = (word for words in self.lists.values() for word in words)
        words = WORD.findall(bare(" ".join((*self.stock, *self.closings, *self.greetings, *phrases, *listed))).lower())
        return frozenset(word for word in words if len(word) > 2)

    @cached_property
    def phrases(self) -> Phrases:
        barred = tuple(sorted(self.not_names))
        return Phrases(
            Phrase(text, signal, self.lists, barred) for signal, texts in self.signals.items() for text in texts
        )


@cache
def phrasebooks() -> Mapping[str, Phrasebook]:
    """Every phrasebook there is, by language."""
    pages = sorted(entry.name for entry in files(__name__).iterdir() if entry.name.endswith(".toml"))
    return {page.removesuffix(".toml"): _read(page) for page in pages}


def _read(page: str) -> Phrasebook:
    content = tomllib.loads(files(__name__).joinpath(page).read_text("utf-8"))
    return Phrasebook.model_validate({**content, "language": page.removesuffix(".toml")})
