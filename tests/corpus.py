"""The labelled corpus beside the checkout, where there is one."""

from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the labelled corpus is not at {CORPUS}")
