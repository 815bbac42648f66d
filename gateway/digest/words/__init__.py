"""The words of the summary in the owner's language, one file a language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

_FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: str
    table: Mapping[str, Any]

    def __call__(self, key: str, /, **given: object) -> str:
        """The words for a key ("item.why"), with what is given put in."""
        found = self._at(key)
        assert isinstance(found, str), f"{key} is no text in {self.language}.toml"
        return found.format(**given)

    def section(self, name: str) -> tuple[str, str]:
        """Title and hint of a section."""
        title, hint = self._at(f"sections.{name}")
        return title, hint

    def verb(self, verb: str) -> str:
        """What the owner can say of a case; a verb without a translation as it is."""
        found: str = self.table["verbs"].get(verb, verb)
        return found

    def day(self, of: date, *, year: bool = False) -> str:
        """A date as people write it."""
        month = self.table["months"][of.month - 1]
        return self("day_year" if year else "day", day=of.day, month=month, year=of.year)

    def _at(self, key: str) -> Any:
        found: Any = self.table
        for part in key.split("."):
            found = found[part]
        return found


@cache
def words(language: str) -> Words:
    """The words of a language ("de", "pt-BR"); English where it has no file."""
    folder = resources.files(__name__)
    short = language.lower().partition("-")[0]
    name = short if (folder / f"{short}.toml").is_file() else _FALLBACK
    return Words(name, tomllib.loads((folder / f"{name}.toml").read_text("utf-8")))
