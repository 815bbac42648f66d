"""How many notes a second are held against all stock sentences of all languages."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from random import Random

from bench.measure import Measure, at_least
from gateway.phrasebook import phrasebooks
from gateway.stock import StockSentences

_NOTES, _ROUNDS = 2000, 5
_WORDS = "I read your paper on tides with pleasure and would like to ask about the data you used there".split()  # noqa: SIM905


def measures() -> Iterator[Measure]:
    books = tuple(phrasebooks().values())
    known = StockSentences(books)
    chance = Random(20261124)
    sentences = [sentence for book in books for sentence in book.stock]
    # Half of them stock sentences with a name and a word more, half words of their own.
    notes = [
        f"Hi Ada, {chance.choice(sentences)} Bob" if number % 2 else " ".join(chance.choices(_WORDS, k=40))
        for number in range(_NOTES)
    ]
    names = frozenset({"ada", "bob"})
    rates = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for note in notes:
            known.find(note, names)
        rates.append(_NOTES / (time.process_time() - began))
    yield at_least("reading: notes against all stock sentences", statistics.median(rates), "/s", 2000)
