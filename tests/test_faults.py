"""A short run of the fault harness; `make faults` is the long one."""

import shutil

import pytest

from tests.fault_harness.harness import Tally, run

INJECTIONS = 60

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not here; run scripts/test-packages"
)


@needs_strace
def test_no_fault_makes_a_second_answer_or_loses_one_silently() -> None:
    whole = Tally()

    for tally in run(INJECTIONS, print).values():
        whole.add(tally)

    assert whole.injections == INJECTIONS
    assert (whole.duplicates, whole.silent_losses) == (0, 0), whole.lost
    assert whole.hit > INJECTIONS * 0.8, "most faults hit nothing: the harness proves too little"
