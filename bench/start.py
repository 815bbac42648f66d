"""How long a command takes from the shell and back."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.judging import notification
from bench.measure import Measure, at_most

_ROUNDS = 9
_RSVPD = Path(sys.executable).with_name("rsvpd")


def measures() -> Iterator[Measure]:
    with TemporaryDirectory(prefix="rsvpd-bench-") as folder:
        mail = Path(folder, "one.eml")
        mail.write_bytes(notification(text=True))
        floor = _seconds(sys.executable, "-c", "pass")
        yield at_most("start: rsvpd --help", _seconds(_RSVPD, "--help"), "s", 0.25, floor=floor)
        yield at_most("start: rsvpd explain one.eml", _seconds(_RSVPD, "explain", mail), "s", 0.8, floor=floor)


def _seconds(*command: object) -> float:
    taken = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
