"""Which language a short note is written in: by script, then by the common words of each phrasebook."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from gateway.phrasebook import Phrasebook
from gateway.wording import WORD, bare

# Scripts that name a language, or the likeliest one; nobody reads these notes but the owner.
_SCRIPTS = {
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "HANGUL": "ko",
    "ARABIC": "ar",
    "HEBREW": "he",
    "THAI": "th",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
}
_LETTERS = {"ru": {"uk": "іїєґ", "bg": "ъ"}, "ar": {"fa": "پچژگ"}, "zh": {"ja": "のはをにで"}}
_OWN_LETTER = 0.7  # what a letter only some languages have weighs against a common word
_VOCABULARY = 0.4  # and a word the phrasebook merely mentions


def language_of(text: str, books: Iterable[Phrasebook], likely: str | None) -> str | None:
    """The language of a plain text; `likely` where it does not show, None for a text without letters."""
    script = _script(text)
    if script is None:
        return None
    if script in _SCRIPTS:
        return _refine(_SCRIPTS[script], text)
    scores = _scores(text.lower(), tuple(books))
    best = max(scores.values(), default=0.0)
    if best == 0:
        return likely or "en"
    leaders = [language for language, score in scores.items() if score >= best * 0.999]
    return likely if likely in leaders else leaders[0]


def _script(text: str) -> str | None:
    """The script most letters belong to; a few Latin words do not make a Japanese note Latin."""
    counts = Counter(_script_of(char) for char in text if char.isalpha())
    if not counts:
        return None
    foreign = {script: count for script, count in counts.items() if script in _SCRIPTS}
    if sum(foreign.values()) * 2 >= counts.total():
        kana = [script for script in ("HIRAGANA", "KATAKANA") if script in foreign]
        return kana[0] if kana else max(foreign, key=lambda script: foreign[script])
    return "LATIN"


@lru_cache(maxsize=4096)
def _script_of(char: str) -> str:
    return unicodedata.name(char, "?").split()[0]


def _refine(language: str, text: str) -> str:
    for other, letters in _LETTERS.get(language, {}).items():
        if any(letter in text for letter in letters):
            return other
    return language


def _scores(text: str, books: tuple[Phrasebook, ...]) -> dict[str, float]:
    """How much speaks for each language; a word that several share says the less for each."""
    scores: dict[str, float] = dict.fromkeys((book.language for book in books), 0.0)
    for word in WORD.findall(text):
        weights = {book.language: _weight(word, book) for book in books}
        sharing = sum(weights.values())
        for language, weight in weights.items():
            if weight:
                scores[language] += weight * weight / sharing
    return scores


def _weight(word: str, book: Phrasebook) -> float:
    own = _OWN_LETTER if book.letters and not book.letters.isdisjoint(word) else 0.0
    if word in book.common or bare(word) in book.bare_common:
        return 1.0 + own
    return (_VOCABULARY if bare(word) in book.vocabulary else 0.0) + own
