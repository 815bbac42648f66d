"""A thousand owners who wait, in one process: what bench.idle finds, held against the stricter targets."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import idle
from bench.arrival import heard
from bench.measure import Measure, at_most, slower
from tests.servers import Dovecot, running

_OWNERS = 1000
_SECONDS = 60.0


def measures() -> Iterator[Measure]:
    with TemporaryDirectory(prefix="rsvpd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "dovecot").mkdir()
        extra = idle.MANY.format(limit=4 * _OWNERS + 200)
        with running(Dovecot(folder / "dovecot", extra=extra)) as server:
            floor = statistics.median(heard(server) for _ in range(10)) / 1e3
            stage = idle.Stage(folder, server)
            stage.furnish(_OWNERS)
            with stage.serving() as pid:
                idle.settle(stage, pid)
                yield at_most("1,000 owners: memory", idle.memory(pid), "MB", 130)
                before = idle.cpu(pid)
                time.sleep(_SECONDS)
                yield at_most("1,000 owners: processor", 100 * (idle.cpu(pid) - before) / _SECONDS, "%", 1)
                waits = list(idle.heard(stage))
                yield slower("1,000 owners: a mail is decided", statistics.median(waits), floor, "s", 2)
