"""Short forms of given names: which names a nickname may stand for."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from gateway.names.spelling import latin, sound


@cache
def _table() -> dict[str, frozenset[str]]:
    languages = tomllib.loads((files(__package__) / "nicknames.toml").read_text("utf-8"))
    stands_for: dict[str, set[str]] = {}
    for formals in languages.values():
        for formal, nicknames in formals.items():
            for nickname in nicknames.split():
                stands_for.setdefault(nickname, set()).add(formal)
    return {nickname: frozenset(formals) for nickname, formals in stands_for.items()}


@cache
def roots(word: str) -> frozenset[str]:
    """The sounds of the given names a word may stand for, its own among them."""
    table, nobody = _table(), frozenset[str]()
    formals = table.get(word, nobody) | table.get(latin(word), nobody)
    return frozenset(map(sound, formals | {word}))


def may_be(one: str, other: str) -> bool:
    """Whether two given names may be one person's."""
    return not roots(one).isdisjoint(roots(other))


@cache
def given_names() -> frozenset[str]:
    """All given names and short forms there are, folded."""
    return frozenset(_table()) | frozenset(formal for formals in _table().values() for formal in formals)
