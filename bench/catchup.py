"""Catching up with a full mailbox: every notification judged in full and written into the journal.

    python -m bench.catchup [MAILS]

Starts a Dovecot of its own. One mail in ten is a notification with 60 kB of HTML. The people index is made before, as
it is once an owner: bench.people measures it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import peers
from bench.delay import delayed
from bench.mailbox import SHARE, lay_out, mailbox
from bench.measure import Measure, at_most, faster, report, slower
from bench.peers import Job, Peer
from tests.certificates import HOST
from tests.notifications import MX
from tests.servers import Dovecot, running

ROUNDS = 3
_SMALL, _USUAL, _LARGE = 1_000, 10_000, 50_000
_ROUND_TRIP = 0.02  # seconds
_CONFIG = """\
[me]
name = "Ada Miller"
addresses = "ada@example.org"
[authentication]
authserv_id = "{mx}"
[imap]
host = "{host}"
port = {job.port}
user = "{job.login.user}"
password = {{ file = "password" }}
ca_file = "{job.trust}"
[smtp]
host = "{host}"
user = "ada@example.org"
password = {{ file = "password" }}
"""


def ours(job: Job) -> dict[str, float]:
    """Seconds of the first round and of one with nothing to do, and the memory it took, in a process of its own."""
    (job.folder / "password").write_text(job.login.password)
    config = job.folder / "ada.toml"
    config.write_text(_CONFIG.format(mx=MX, host=HOST, job=job))
    command = [sys.executable, "-m", "bench.one_round", str(config)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


class Stage:
    """A server and a mailbox's mails, from which everybody gets a copy."""

    def __init__(self, number: int, *, round_trip: float = 0.0) -> None:
        self.number, self.round_trip = number, round_trip
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="rsvpd-bench-")))
        self._server = self._stack.enter_context(running(Dovecot(folder)))
        self._folder = folder / "work"
        self._folder.mkdir()
        self._mails = lay_out(folder, self.number)
        port = self._server.imaps_port
        self._port = self._stack.enter_context(delayed(port, self.round_trip)) if self.round_trip else port
        self._turn = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def job(self) -> Job:
        self._turn += 1
        folder = self._folder / str(self._turn)
        folder.mkdir()
        return Job(self._server, mailbox(self._server, self._mails), self._port, folder)

    def measured(self, others: Sequence[Peer], rounds: int) -> dict[str, float]:
        """Medians by name, everybody taking turns in each round."""
        taken: defaultdict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            for peer in others:
                taken[peer.__name__].append(peer(self.job()))
            for name, value in ours(self.job()).items():
                taken[name].append(value)
        return {name: statistics.median(values) for name, values in taken.items()}


def measures() -> Iterator[Measure]:
    with Stage(_SMALL) as stage:
        small = stage.measured([peers.raw], ROUNDS)
    with Stage(_USUAL) as stage:
        everybody = [
            peers.raw,
            peers.naive,
            peers.imap_tools,
            peers.imapautofiler,
            peers.imapfilter,
            peers.sieve_filter,
        ]
        usual = stage.measured(everybody, ROUNDS)
    with Stage(_LARGE) as stage:
        large = stage.measured([peers.raw, peers.imapautofiler], 1)
    with Stage(_SMALL, round_trip=_ROUND_TRIP) as stage:
        far = stage.measured([peers.raw, peers.imapautofiler], ROUNDS)
    yield from of_size(_USUAL, usual)
    yield faster("catch-up 10,000: beside imapautofiler", usual["first"], usual["imapautofiler"], "s", 4)
    yield faster("catch-up 10,000: beside the naive loop", usual["first"], usual["naive"], "s", 12)
    for name in ("imap_tools", "imapfilter", "sieve_filter"):
        yield faster(f"catch-up 10,000: beside {name.replace('_', '-')}", usual["first"], usual[name], "s", 0)
    yield from of_size(_LARGE, large)
    yield faster("catch-up 50,000: beside imapautofiler", large["first"], large["imapautofiler"], "s", 12)
    yield faster("catch-up 1,000 at 20 ms: beside imapautofiler", far["first"], far["imapautofiler"], "s", 30)
    each = small["first"] / _SMALL, large["first"] / _LARGE
    yield slower("catch-up: cost a mail, 50,000 beside 1,000", each[1] * 1000, each[0] * 1000, "ms", 1.3)


def of_size(number: int, found: dict[str, float]) -> Iterator[Measure]:
    """What is asked of a mailbox of any size."""
    title = f"catch-up {number:,}"
    extra = (found["first"] - found["raw"]) / (number // SHARE) * 1000
    yield at_most(f"{title}: above the floor, a notification", extra, "ms", 2.5, floor=found["raw"])
    yield at_most(f"{title}: memory", found["memory"], "MB", 90)
    yield slower(f"{title}: a round with nothing to do", found["idle"] * 1000, found["poll"] * 1000, "ms", 3)


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else _USUAL
    with Stage(number) as stage:
        found = stage.measured([peers.raw], ROUNDS)
    for name, value in found.items():
        print(f"{name:10}{value:10.3f}")
    report(list(of_size(number, found)))


if __name__ == "__main__":
    main()
