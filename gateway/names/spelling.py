"""One name in many spellings: other scripts, ae for ä, w for v, and letters of one script posing as another's."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

# Cyrillic, Greek and Armenian letters that nobody tells from Latin ones on a screen.
_LOOKALIKES = dict(
    zip(
        "аеорсухіјѕԁһӏԛԝкмтвнзпгѵүАЕОРСУХІЈЅКМТВНΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορτυνγօսհոց",
        "aeopcyxijsdhlqwkmtbh3nrvyAEOPCYXIJSKMTBHABEZHIKMNOPTYXaivoptuvyouhng",
        strict=True,
    )
)
_POSERS = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
_ABJADS = frozenset({"ARABIC", "HEBREW", "SYRIAC"})

# What the same sound is written as in the romanisations in use (BGN, ISO 9, passports; German, French and
# Scandinavian habits), reduced to one spelling. Only for comparing: no name is ever shown like this.
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"[^a-z]", ""),
        (r"shch|schtsch|chtch|szcz", "s"),
        (r"tsch|tch|kh|cz", "h"),
        (r"sch|sh|sz|zh", "s"),
        (r"ch", "h"),
        (r"ts|tz|z", "s"),
        (r"ph", "f"),
        (r"th", "t"),
        (r"ae", "a"),
        (r"oe", "o"),
        (r"ue|ou", "u"),
        (r"x", "ks"),
        (r"ck|c|q", "k"),
        (r"w", "v"),
        (r"y|j", "i"),
        (r"(.)\1+", r"\1"),
        (r"i(?=[aeou])|(?<=[aeou])i", ""),
        (r"(.)\1+", r"\1"),
    )
)
_WRITTEN = tuple(
    (re.compile(pattern), letter)
    for pattern, letter in (
        (r"[^a-z]", ""),
        (r"sch|ch(?=[aeiou])", "sh"),
        (r"ph", "f"),
        (r"th", "t"),
        (r"dh", "d"),
        (r"dj", "j"),
        (r"tz", "ts"),
        (r"[qc]", "k"),
        (r"v|b", "b"),
        (r"[aeiouwy]", ""),
        (r"(.)\1+", r"\1"),
    )
)


def script(char: str) -> str:
    """The first word of a letter's Unicode name: LATIN, CYRILLIC, CJK ..."""
    return unicodedata.name(char, "?").split()[0]


@lru_cache(maxsize=4096)
def latin(word: str) -> str:
    """A word in Latin letters, lower case; Chinese as pinyin without tones."""
    return anyascii(word).lower()


@lru_cache(maxsize=4096)
def sound(word: str) -> str:
    """What the usual romanisations and spellings of a word have in common."""
    reduced = latin(word)
    for pattern, replacement in _SOUNDS:
        reduced = pattern.sub(replacement, reduced)
    return reduced


@lru_cache(maxsize=4096)
def consonants(word: str) -> str:
    """What Arabic and Hebrew write of a word: no short vowels, and long ones as w and y."""
    reduced = latin(word)
    for pattern, replacement in _WRITTEN:
        reduced = pattern.sub(replacement, reduced)
    return reduced


def abjad(word: str) -> bool:
    return bool(word) and script(word[0]) in _ABJADS


def foreign(word: str) -> bool:
    """Whether a word stands in another script than Latin."""
    return any(char.isalpha() and script(char) != "LATIN" for char in word)


def unmask(text: str) -> str | None:
    """What a name poses as when letters of another script stand among Latin ones; None for an honest name."""
    words = re.split(r"[\s\-]+", unicodedata.normalize("NFC", text))
    scripts = [{script(char) for char in word if char.isalpha()} for word in words]
    mixed = any("LATIN" in found and found & _POSERS for found in scripts)
    # A name given in two scripts has a word that no Latin letters could pose as.
    others = [word for word, found in zip(words, scripts, strict=True) if found and found <= _POSERS]
    posing = {"LATIN"} in scripts and others and all(char in _LOOKALIKES for word in others for char in word)
    return "".join(_LOOKALIKES.get(char, char) for char in text) if mixed or posing else None
