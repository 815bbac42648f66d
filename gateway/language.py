"""Which language a short note is written in: by script, then by the common words of each phrasebook."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

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
_CLEARLY = 0.75  # share of the best score that is enough for the likely language
_COMMON = 1.0  # what a common word says for its language,
_LETTER = 0.7  # a letter only some languages have,
_VOCABULARY = 0.4  # a word the phrasebook merely mentions


@dataclass(frozen=True)
class Languages:
    """The languages there are phrasebooks for, told apart by their words."""

    books: tuple[Phrasebook, ...]

    def tell(self, text: str, likely: str) -> str:
        """The language of a plain text; `likely` where nothing else is clearly likelier."""
        script = _script(text)
        if script in _SCRIPTS:
            return _refine(_SCRIPTS[script], text)
        scores = self._scores(text.lower())
        best = max(scores.values(), default=0.0)
        if scores[likely] >= best * _CLEARLY:
            return likely
        return max(scores, key=lambda language: scores[language])

    def _scores(self, text: str) -> Mapping[str, float]:
        scores: defaultdict[str, float] = defaultdict(float)
        for word in WORD.findall(text):
            said = [self._said_by(word) or self._said_by(bare(word))]
            if not word.isascii():
                said += (self._letters.get(letter, {}) for letter in set(word))
            for weights in said:
                for language, weight in weights.items():
                    scores[language] += weight
        return scores

    @cached_property
    def _said_by(self) -> Callable[[str], Mapping[str, float]]:
        # Of the words that notes are made of; a table of all that books hold takes 3 MB, and longer to make than many
        # notes to read.
        return lru_cache(maxsize=4096)(self._weigh)

    def _weigh(self, word: str) -> Mapping[str, float]:
        """What a word says for each language; one that several share says the less for each."""
        mentioned = {book.language: _VOCABULARY for book in self.books if word in book.vocabulary}
        common = {book.language: _COMMON for book in self.books if word in book.spelled_common}
        return _shared(mentioned | common)

    @cached_property
    def _letters(self) -> Mapping[str, Mapping[str, float]]:
        weights: dict[str, dict[str, float]] = {}
        for book in self.books:
            for letter in book.letters:
                weights.setdefault(letter, {})[book.language] = _LETTER
        return {letter: _shared(languages) for letter, languages in weights.items()}


def _shared(weights: Mapping[str, float]) -> Mapping[str, float]:
    total = sum(weights.values())
    return {language: weight * weight / total for language, weight in weights.items()}


def _script(text: str) -> str:
    """The script most letters belong to; a few Latin words do not make a Japanese note Latin."""
    counts = Counter(_script_of(char) for char in text if char.isalpha())
    foreign = {script: count for script, count in counts.items() if script in _SCRIPTS}
    if foreign and sum(foreign.values()) * 2 >= counts.total():
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
