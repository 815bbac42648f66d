"""A thousand owners who wait, in one process, beside a loop that does nothing but wait for them.

    python -m bench.crowd [OWNERS]

Both listen at the same server, each to as many mailboxes of its own: in a common one, who is told of a mail later may
never be, as it is filed by then.
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
    logins: list[Login]
    heard: queue.SimpleQueue[tuple[str, float]] = field(default_factory=queue.SimpleQueue)

    @classmethod
    @contextmanager
    def listening(cls, server: Dovecot, owners: int) -> Iterator[RawLoop]:
        logins = [server.user(f"raw{number:04}@example.org") for number in range(owners)]
        command = [sys.executable, "-m", "bench.raw_loop", str(server.imaps_port), str(server.certificate.chain)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.writelines(f"{login.user}\t{login.password}\n" for login in logins)
            process.stdin.close()
            assert process.stdout.readline() == "ready\n"
            loop = cls(process, logins)
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

    def moment_heard(self) -> float:
        """When the next mail was read."""
        return self.heard.get(timeout=_PATIENCE)[1]


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from the deliveries of some mails until the loop had read them, and of others until they were decided."""

    loop: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def longer(self) -> float:
        """By how much the worst of ours exceeds the worst of the loop's."""
        return max(self.ours) - max(self.loop)


def measures(owners: int = _OWNERS) -> Iterator[Measure]:
    title = f"{owners:,} owners"
    with TemporaryDirectory(prefix="rsvpd-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "dovecot").mkdir()
        # For as many of the loop's, and for who looks on.
        extra = idle.MANY.format(limit=6 * owners + 200)
        with running(Dovecot(folder / "dovecot", extra=extra)) as server:
            stage = idle.Stage(folder, server)
            stage.furnish(owners)
            with RawLoop.listening(server, owners) as loop:
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
    """Seconds until a mail was read by the loop, and until one was decided; each time to other owners, at random."""
    places = Random(20261124).sample(range(len(stage.logins)), len(stage.logins))
    for number, place in enumerate(places):
        stage.server.deliver(loop.logins[place], linkedin("Nina Newcomer"))
        began = time.monotonic()
        theirs = loop.moment_heard() - began
        login = stage.logins[place]
        before = stage.decided(login)
        stage.server.deliver(login, idle.invitation(login, number))
        yield theirs, idle.until(lambda login=login, before=before: stage.decided(login) > before, "a decision")  # type: ignore[misc]


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
