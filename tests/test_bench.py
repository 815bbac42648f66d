"""What the measurements make of what they find."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.measure import Measure, at_most, beside, faster, run, slower, tally
from bench.sharing import family


def test_what_is_only_compared_is_neither_met_nor_missed() -> None:
    found = [at_most("a", 1, "s", 2), at_most("b", 3, "s", 2), beside("c", 1, 5, "s")]

    assert [one.met for one in found] == [True, False, None]
    assert tally(found) == "met=1 missed=1"


def test_ratios_are_to_the_floor_or_to_the_peer() -> None:
    assert slower("a", 3.0, 2.0, "s", 1.5).met
    assert not slower("a", 3.1, 2.0, "s", 1.5).met
    assert faster("a", 2.0, 8.0, "s", 4).met
    assert not faster("a", 2.1, 8.0, "s", 4).met


def test_a_part_that_breaks_off_loses_nothing_of_the_others() -> None:
    kept: list[list[Measure]] = []

    found = run({"broken": _broken, "sound": _sound}, lambda measures: kept.append(list(measures)))

    assert found.failed == ["broken"]
    assert [one.name for one in found.measures] == ["before", "sound"]
    assert [len(measures) for measures in kept] == [1, 2]


def _broken() -> Iterator[Measure]:
    yield at_most("before", 1, "s", 2)
    raise RuntimeError("the server did not start")


def _sound() -> Iterator[Measure]:
    yield at_most("sound", 1, "s", 2)


def test_the_peak_of_a_process_is_its_own() -> None:
    large = bytearray(300 * 1024 * 1024)
    asked = [sys.executable, "-c", "from bench.measure import peak; print(peak())"]

    done = subprocess.run(asked, capture_output=True, text=True, check=True)

    assert len(large) > 0
    assert float(done.stdout) < 200


def test_the_time_of_a_process_that_ended_counts_with_who_waited_for_it() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\nprint(flush=True)\ninput()"
    asked = [sys.executable, "-c", parent]

    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        used = family(process.pid)
        process.communicate(b"\n")

    assert 0.25 < used < 1.5
