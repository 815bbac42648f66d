"""Catching up with a full mailbox: every notification judged in full and written into the journal.

    python -m bench.catchup [MAILS]

Starts a Dovecot of its own. One mail in ten is a notification with 60 kB of HTML. All begin with a connection to make
and end when the mails are moved, over TLS. The people index is made before, as it is once an owner: bench.people
measures it.
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
from bench.mailbox import SHARE, lay_out, left, mailbox
from bench.measure import Measure, at_most, beside, faster, report, slower, tell
from bench.peers import Job, Peer
from tests.certificates import HOST
from tests.notifications import MX
from tests.servers import Dovecot, running

ROUNDS = 3
_SMALL, _USUAL, _LARGE = 1_000, 10_000, 50_000
_ROUND_TRIP = 0.02  # seconds
_BATCH = 200  # mails
_COMMANDS = 15  # for so many notifications: sizes, bodies, papers, marks and moves, in sets
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
    """What bench.one_round found of rsvpd, in a process of its own."""
    password = job.folder / "password"
    password.write_text(job.login.password)
    password.chmod(0o600)
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

    def _job(self) -> Job:
        self._turn += 1
        folder = self._folder / str(self._turn)
        folder.mkdir()
        return Job(self._server, mailbox(self._server, self._mails), self._port, folder)

    def round(self, others: Sequence[Peer], taken: dict[str, list[float]]) -> None:
        """Everybody in turn, each with a mailbox of their own."""
        for peer in others:
            job = self._job()
            taken[peer.__name__].append(peer(job))
            self._all_are_moved(job, peer.__name__)
            tell(f"  {self.number:,} mails: {peer.__name__} {taken[peer.__name__][-1]:.2f} s")
        job = self._job()
        for name, value in ours(job).items():
            taken[name].append(value)
        self._all_are_moved(job, "rsvpd")
        tell(f"  {self.number:,} mails: rsvpd {taken['first'][-1]:.2f} s, {taken['memory'][-1]:.0f} MB")

    def _all_are_moved(self, job: Job, who: str) -> None:
        """Who does less has no time to be compared with."""
        expected, found = self.number - self.number // SHARE, left(self._server, job.login)
        assert found == expected, f"{who} left {found} mails in the inbox instead of {expected}"


def measured(stages: Sequence[Stage], others: Sequence[Peer], rounds: int = ROUNDS) -> list[dict[str, float]]:
    """Medians by name for each stage, all taking turns in each round."""
    taken: list[defaultdict[str, list[float]]] = [defaultdict(list) for _ in stages]
    for turn in range(rounds):
        # Who comes first finds the machine as the last one left it: not the same each time.
        order = [*others[turn % len(others) :], *others[: turn % len(others)]]
        for stage, values in zip(stages, taken, strict=True):
            stage.round(order, values)
    return [{name: statistics.median(found) for name, found in values.items()} for values in taken]


def measures() -> Iterator[Measure]:
    """10,000 mails, and everybody who can go through them."""
    others = [peers.raw, peers.naive, peers.imap_tools, peers.imapautofiler, peers.imapfilter, peers.sieve_filter]
    with Stage(_USUAL) as stage:
        (found,) = measured([stage], others)
    yield from of_size(_USUAL, found)
    yield faster("catch-up 10,000: beside imapautofiler", found["first"], found["imapautofiler"], "s", 4)
    yield faster("catch-up 10,000: beside the naive loop", found["first"], found["naive"], "s", 12)
    for name in ("imap_tools", "imapfilter", "sieve_filter"):
        yield beside(f"catch-up 10,000: beside {name.replace('_', '-')}", found["first"], found[name], "s")


def far() -> Iterator[Measure]:
    """1,000 mails on a server that is far away."""
    with Stage(_SMALL, round_trip=_ROUND_TRIP) as stage:
        (found,) = measured([stage], [peers.raw, peers.imapautofiler, peers.imap_tools])
    yield faster("catch-up 1,000 at 20 ms: beside imapautofiler", found["first"], found["imapautofiler"], "s", 30)
    yield beside("catch-up 1,000 at 20 ms: beside imap-tools", found["first"], found["imap_tools"], "s")
    yield beside("catch-up 1,000 at 20 ms: beside the raw protocol", found["first"], found["raw"], "s")


def large() -> Iterator[Measure]:
    """50,000 mails, and beside them a fiftieth of it."""
    with Stage(_SMALL) as one, Stage(_LARGE) as other:
        small, found = measured([one, other], [peers.raw, peers.imapautofiler])
    yield from of_size(_LARGE, found)
    yield faster("catch-up 50,000: beside imapautofiler", found["first"], found["imapautofiler"], "s", 12)
    each = small["first"] / _SMALL, found["first"] / _LARGE
    yield slower("catch-up: cost a mail, 50,000 beside 1,000", each[1] * 1000, each[0] * 1000, "ms", 1.3)
    yield slower("catch-up: memory, 50,000 beside 1,000", found["memory"], small["memory"], "MB", 1.1)


def of_size(number: int, found: dict[str, float]) -> Iterator[Measure]:
    """What is asked of a mailbox of any size."""
    title, matches = f"catch-up {number:,}", number // SHARE
    extra = (found["first"] - found["raw"]) / matches * 1000
    yield Measure(
        f"{title}: in all", found["first"], "s", None, floor=found["raw"], ratio=found["first"] / found["raw"]
    )
    yield at_most(f"{title}: above the floor, a notification", extra, "ms", 2.5, floor=found["raw"])
    yield at_most(f"{title}: memory", found["memory"], "MB", 90)
    # Every batch is fetched and moved: two commands.
    commands = found["commands"] / (matches / _BATCH)
    yield at_most(f"{title}: commands for 200 notifications", commands, "", _COMMANDS, floor=2)
    yield slower(f"{title}: a restart with nothing to do", found["restart"] * 1000, found["bare"] * 1000, "ms", 3)
    yield slower(f"{title}: a poll with nothing to do", found["poll"] * 1000, found["search"] * 1000, "ms", 3)
    rounds = found["round"] * 1000, found["search"] * 1000
    yield Measure(
        f"{title}: a whole round with nothing to do",
        rounds[0],
        "ms",
        None,
        floor=rounds[1],
        ratio=rounds[0] / rounds[1],
    )


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else _USUAL
    with Stage(number) as stage:
        (found,) = measured([stage], [peers.raw])
    for name, value in found.items():
        print(f"{name:10}{value:10.3f}")
    report(list(of_size(number, found)))


if __name__ == "__main__":
    main()
