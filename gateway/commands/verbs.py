"""What an owner can say of a case: a closed set of verbs, and the words for them, one file a language."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from gateway.names import fold


class Verb(StrEnum):
    """What is done with a case; there is nothing else that a mail can make rsvpd do."""

    ACCEPT = "accept"
    DECLINE = "decline"
    QUIETLY = "decline quietly"
    ASK = "ask why"
    ALWAYS_PERSON = "always this person"
    NEVER_PERSON = "never this person"
    ALWAYS_COMPANY = "always this company"
    NEVER_COMPANY = "never this company"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Command:
    """A verb and the case it is said of."""

    verb: Verb
    case: str  # "c17"

    def __str__(self) -> str:
        return f"{self.verb} {self.case}"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of all languages, which nobody has to choose among."""

    verbs: dict[str, Verb]  # folded phrase -> verb
    wrote: re.Pattern[str]  # in the line that mail programs put above a quote
    header: re.Pattern[str]  # at the beginning of a quoted mail's header line


@functools.cache
def words() -> Words:
    """The files beside this module, read as one; the folder is the registry."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".toml")]
    tables = [tomllib.loads(file.read_text("utf-8")) for file in files]

    def any_of(name: str) -> str:
        return "|".join(sorted({re.escape(word) for table in tables for word in table["quote"][name]}))

    phrases = (
        (fold(phrase), Verb(verb)) for table in tables for verb, said in table["verbs"].items() for phrase in said
    )
    return Words(
        verbs={**dict(phrases), **{str(verb): verb for verb in Verb}},
        wrote=re.compile(rf"\b(?:{any_of('wrote')})\b", re.IGNORECASE),
        header=re.compile(rf"\W{{0,3}}(?:{any_of('header')})\s?\W{{0,3}}:", re.IGNORECASE),
    )
