"""The words in which people tell their place at an institution: one file a language, read as one.

The folder is the registry. A headline does not say which language it is written in, so all are looked for at once.
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class RoleWords:
    """The word lists of all languages, ready to search with."""

    small: frozenset[str]  # do not count in the name of an institution
    another: frozenset[str]  # directly before a name they make another institution of it
    kinds: dict[str, str]  # word -> the kind of institution it means
    student: re.Pattern[str]
    postdoc: re.Pattern[str]
    alumnus: re.Pattern[str]
    former: re.Pattern[str]  # at the end of what stands before a role
    future: re.Pattern[str]
    works: re.Pattern[str]  # somewhere before a role, in the same clause
    for_: re.Pattern[str]  # right before a role
    about: re.Pattern[str]  # right behind a role
    at: re.Pattern[str]  # right before a place
    elsewhere: re.Pattern[str]  # "at" a place that is no part of an institution
    degree: re.Pattern[str]
    job: re.Pattern[str]  # another role that begins
    studied: re.Pattern[str]
    still: re.Pattern[str]
    others: re.Pattern[str]


@functools.cache
def role_words() -> RoleWords:
    folder = resources.files(__package__)
    tables = [tomllib.loads(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".toml")]

    def any_of(name: str) -> str:
        return "|".join(sorted((piece for table in tables for piece in table["people"].get(name, ())), reverse=True))

    def whole(name: str) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w)(?:{any_of(name)})(?!\w)")

    return RoleWords(
        small=frozenset(word for table in tables for word in table["small"].split()),
        another=frozenset(word for table in tables for word in table["another"].split()),
        kinds={word: kind for table in tables for kind, words in table["kinds"].items() for word in words},
        student=whole("student"),
        postdoc=whole("postdoc"),
        alumnus=whole("alumnus"),
        former=re.compile(rf"(?<!\w)(?:{any_of('former')})[ .-]+(?:[\w.]+[ -]){{0,2}}$"),
        future=re.compile(rf"(?<!\w)(?:{any_of('future')})[ -](?:[\w.]+[ -]){{0,2}}$"),
        works=re.compile(rf"(?<!\w)(?:{any_of('works')})(?!\w)[^,&;(]*$"),
        for_=re.compile(rf"(?<!\w)(?:{any_of('for')}) ?$"),
        about=re.compile(rf"^[ -](?:\w+ (?:and|&) )?(?:{any_of('about')})(?!\w)|^-\w"),
        at=re.compile(rf"(?<!\w)(?:{any_of('at')})[ '(]*(?:(?:the|der|dem|de|la|l'|d') ?)*$"),
        elsewhere=re.compile(
            rf"(?<!\w)(?>(?:{any_of('at')})(?: the| der| dem)?)(?: |(?<=[@']))(?!(?:{any_of('parts')})(?!\w))(?=\w)"
        ),
        degree=re.compile(rf"(?<!\w)(?:{any_of('degrees')})(?!\w)"),
        job=re.compile(rf"(?:^|[,;] ?)(?:\w+ ){{0,2}}(?:{any_of('works')})(?!\w)"),
        studied=whole("studied"),
        still=whole("still"),
        others=whole("others"),
    )
