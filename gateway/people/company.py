"""Whether two ways of naming an employer can, or surely do, mean the same one."""

from __future__ import annotations

import re

from gateway.names import fold
from gateway.names.spelling import latin, sound
from gateway.names.tables import word_list
from gateway.roles import role_words

_SHORTEST = 4  # letters of a word that may be found inside another


def may_be_same(one: str, other: str) -> bool:
    """Whether nothing speaks against it: a shared word, initials, another script, or too little to tell."""
    ones, others = _words(one), _words(other)
    if not ones or not others:
        return True
    if {sound(word) for word in ones} & {sound(word) for word in others}:
        return True
    return any(_contains(*pair) for pair in ((one, ones, other), (other, others, one)))


def same(one: str, other: str) -> bool:
    """Whether both surely mean the same: the same words but for legal forms, "university" in whatever language."""
    return bool(_words(one)) and _essence(one) == _essence(other)


def may_own(domain: str, company: str) -> bool:
    """Whether a mail domain looks like the company's."""
    host = domain.replace("-", "").replace(".", " ").split()[:-1]
    return any(latin(word) in label for word in _words(company) if len(word) >= _SHORTEST for label in host)


def _words(company: str) -> list[str]:
    """The words that tell one company from another."""
    return [word for word in _all_words(company) if word not in word_list("organisations")]


def _all_words(company: str) -> list[str]:
    every = re.findall(r"[^\W_]+", fold(company))
    return [word for word in every if word not in word_list("legal_forms") and len(word) > 1]


def _essence(company: str) -> frozenset[str]:
    kinds = role_words().kinds
    return frozenset(kinds.get(word, word) for word in _all_words(company))


def _contains(one: str, words: list[str], other: str) -> bool:
    """Whether the other name holds a word of this one run together, or is its initials."""
    run_together = "".join(re.findall("[a-z0-9]+", latin(fold(other))))
    initials = "".join(word[0] for word in re.findall(r"[^\W_]+", fold(one)) if word not in ("of", "the", "for", "and"))
    inside = any(latin(word) in run_together for word in words if len(latin(word)) >= _SHORTEST)
    return inside or (len(initials) > 2 and initials == run_together)
