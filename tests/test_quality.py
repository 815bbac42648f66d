"""The floors of bench/quality.py on the labelled corpus, one test a measure."""

from __future__ import annotations

import functools

import pytest

from bench.quality import PRESETS, Measure, all_measures
from tests.corpus import CORPUS, needs_corpus


@functools.cache
def measured() -> dict[str, Measure]:
    return {measure.name: measure for measure in all_measures(CORPUS)}


NAMES = (
    *("recognition, precision", "recognition, recall", "kind", "authentic"),
    *(f"inviter {field}" for field in ("name", "headline", "company", "profile_url", "address")),
    *("note text", "stock sentence", "personal or stock", "signals, macro F1", "language", "cases"),
    *(f"signal {signal}" for signal in ("met", "shared", "reason", "topic", "referral", "introduction", "pitch")),
    *("known", "never yes for no"),
    *(f"{preset}{figure}" for preset in PRESETS for figure in ("", ", wrong sends", ", wrong declines")),
)


@needs_corpus
@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_read_as_well_as_it_must_be(name: str) -> None:
    measure = measured()[name]

    assert measure.value >= measure.floor, "\n".join(measure.misses)


@needs_corpus
def test_no_measure_is_left_untested() -> None:
    assert set(measured()) == set(NAMES)
