"""The word lists about names that stand beside this module as data, read once."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def word_list(name: str) -> frozenset[str]:
    """One of the lists in words.toml."""
    return _lists()[name]


@cache
def _lists() -> dict[str, frozenset[str]]:
    text = (files(__package__) / "words.toml").read_text("utf-8")
    return {name: frozenset(words.split()) for name, words in tomllib.loads(text).items()}
