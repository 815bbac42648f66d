"""A thousand owners who wait, in one process, beside a loop that does nothing but wait for them.

    python -m bench.crowd [OWNERS]

Both listen at the same server for the same mails.
"""

from __future__ import annotations

import os
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from bench import idle
from bench.measure import Measure, at_most, report, resident, slower, tell
from gateway.config import Imap
from tests.notifications import linkedin
from tests.servers import Dovecot, running
from tests.submission import Login

_OWNERS = 1000
_SECONDS, _TIMES = 20.0, 3  # of watching how much is used
_LETTERS = 20
_PATIENCE = 600.0  # seconds
_POLL = Imap.model_fields["poll"].default.total_seconds()  # after so long everybody begins to listen anew


@dataclass(slots=True)
class RawLoop:
    """bench.raw_loop in a process of its own."""

    process: subprocess.Popen[str]
    heard: queue.SimpleQueue[tuple[str, float]] = field(default_factory=queue.SimpleQueue)

    @classmethod
    @contextmanager
    def listening(cls, stage: idle.Stage) -> Iterator[RawLoop]:
        command = [sys.executable, "-m", "bench.raw_loop", str(stage.server.imaps_port)]
        command.append(str(stage.server.certificate.chain))
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.writelines(f"{login.user}\t{login.password}\n" for login in stage.logins)
            process.stdin.close()
            assert process.stdout.readline() == "ready\n"
            loop = cls(process)
            threading.Thread(target=loop._listen, daemon=True).start()
            yield loop
        finally:
            process.kill()
            process.wait()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            user, moment = line.split()
            self.heard.put((user, float(moment)))

    def when_heard(self, login: Login) -> float:
        while True:
            user, moment = self.heard.get(timeout=_PATIENCE)
            if user == login.user:
                return moment


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from the deliveries of some mails: until the loop had read each, and until each was decided."""

    loop: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def longer(self) -> float:
        """By how much the worst of ours exceeds what the loop waited for the same mail."""
        return max(ours - loop for loop, ours in zip(self.loop, self.ours, strict=True))


def measures(owners: int = _OWNERS) -> Iterator[Measure]:
    title = f"{owners:,} owners"
    with TemporaryDirectory(prefix="rsvpd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "dovecot").mkdir()
        # Two connections each, and those of who looks on.
        extra = idle.MANY.format(limit=6 * owners + 200)
        with running(Dovecot(folder / "dovecot", extra=extra)) as server:
            stage = idle.Stage(folder, server)
            stage.furnish(owners)
            with RawLoop.listening(stage) as loop:
                tell("  the raw loop listens")
                floor = resident(loop.process.pid)
                stage.forget_logins()
                with stage.serving() as pid:
                    idle.settle(stage, pid)
                    listening_since = time.monotonic()
                    tell(f"  rsvpd listens: {resident(pid):.0f} MB")
                    yield at_most(f"{title}: memory", resident(pid), "MB", 130, floor=floor)
                    yield at_most(f"{title}: processor", _used(pid), "%", 1)
                    letters = _letters(stage, loop)
                    waits = _waits(letters)
                    ours, theirs = statistics.median(waits.ours), statistics.median(waits.loop)
                    yield slower(f"{title}: a mail is decided, beside a raw loop's reading it", ours, theirs, "s", 2)
                    tell("  a pause, until all are to listen anew at once")
                    _suspend(pid, until=listening_since + _POLL + 1)
                    waits = _waits(letters)
                    yield at_most(f"{title}: longest delay while all listen anew", waits.longer, "s", 1)
                    yield at_most(f"{title}: memory after all that", resident(pid), "MB", 130, floor=floor)


def _used(pid: int) -> float:
    """The median share of a processor that is used while nothing happens, in percent."""
    shares = []
    for _ in range(_TIMES):
        before = idle.cpu(pid)
        time.sleep(_SECONDS)
        shares.append(100 * (idle.cpu(pid) - before) / _SECONDS)
    return statistics.median(shares)


def _letters(stage: idle.Stage, loop: RawLoop) -> Iterator[tuple[float, float]]:
    """What the loop and we took for a mail to somebody picked at random; each time another's."""
    logins = Random(20261124).sample(stage.logins, len(stage.logins))
    for number, login in enumerate(logins):
        before = stage.decided(login)
        stage.server.deliver(login, linkedin(f"Nina Newcomer{chr(97 + number)}"))
        began = time.monotonic()
        idle.until(lambda login=login, before=before: stage.decided(login) > before, "a decision")  # type: ignore[misc]
        yield loop.when_heard(login) - began, time.monotonic() - began


def _waits(letters: Iterator[tuple[float, float]]) -> Waits:
    loop, ours = zip(*islice(letters, _LETTERS), strict=True)
    return Waits(loop, ours)


def _suspend(pid: int, *, until: float) -> None:
    """Let a process miss some minutes, as on a machine that slept: what comes due meanwhile is due at once then."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(max(0.0, until - time.monotonic()))
    os.kill(pid, signal.SIGCONT)


def main() -> None:
    report(list(measures(int(sys.argv[1]) if len(sys.argv) > 1 else _OWNERS)))


if __name__ == "__main__":
    main()
