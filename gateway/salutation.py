"""What to call the inviter. The name in a mail may be empty, odd, reversed or hostile; where it is, nobody is named."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from gateway.model import Notification
from gateway.names import fold
from gateway.names.nicknames import given_names
from gateway.names.tables import word_list

_LONGEST = 40  # characters
# The shape of a name: letters (L), each with a few marks (M), and single separators between them. A full stop ends
# an initial or a title and never stands inside a word, so that no host name passes.
_SHAPE = re.compile(r"LM{0,3}(?:[ '-]?LM{0,3}|\.(?:[ -]|(?=LM{0,3}\.)|\Z)|\.(?=LM{0,3}[ ]))*")
_PLAIN_WORD = re.compile(r"[A-ZÀ-ÖØ-ÞĀ-Ž][a-zß-öø-ÿā-ž]+(?:[-'’][A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿā-ž]+)*")
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "HANGUL", "BOPOMOFO"})


@dataclass(frozen=True, slots=True)
class Salutation:
    """A name to greet by and the whole name; "" where there is none fit to be repeated."""

    name: str
    full_name: str


NOBODY = Salutation("", "")


def salutation(notification: Notification) -> Salutation:
    """The given name where the notification tells it or it is plain, else the whole name, else nobody."""
    full = _full(notification.inviter.name if notification.inviter else None)
    given = " ".join((notification.given_name or "").split())
    if _fit(given):
        return Salutation(given, full or given)
    return Salutation(_given(full) or full, full)


def _full(name: str | None) -> str:
    """The display name without the degrees behind it, "" where it is not fit to be repeated."""
    name = " ".join((name or "").split())
    before, comma, behind = name.partition(",")
    if comma and word_list("degrees").union(word_list("suffixes")).issuperset(fold(behind.replace(".", "")).split()):
        name = before.strip()
    return name if _fit(name) else ""


def _given(full: str) -> str:
    """The given name of a name whose first word is known to be one; a family name in front is never taken for it."""
    words = full.split()
    plain = len(words) == 2 and all(_PLAIN_WORD.fullmatch(word) for word in words)
    return words[0] if plain and fold(words[0]) in given_names() else ""


def _fit(name: str) -> bool:
    account = " " not in name and name.islower()  # "ada-miller" is how she is found, not what she is called
    if account or len(name) > _LONGEST or not _SHAPE.fullmatch("".join(map(_class, name))):
        return False
    # One script only: a letter of another among them is an imitation more often than a name.
    return len({_script(c) for c in name if unicodedata.category(c) in ("Lu", "Ll", "Lt", "Lo")}) <= 1


def _class(char: str) -> str:
    category = unicodedata.category(char)[0]
    if category in "LM":
        return category
    return {"’": "'", "‐": "-"}.get(char, char) if char in " .'-’‐" else "X"


def _script(char: str) -> str:
    script = unicodedata.name(char, "?").split()[0]
    return "CJK" if script in _EAST_ASIAN else script
