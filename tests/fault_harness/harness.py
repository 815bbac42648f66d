"""The fault harness: the real service, a real Dovecot and a scripted SMTP server, and everything that can go wrong.

    python -m tests.fault_harness [INJECTIONS]        (make faults)

Each injection has a mailbox and a state directory of its own. The service runs until the fault hits it or it is
done; then it runs twice more without a fault, hours later by its clock, and what the SMTP server and the journal
hold is counted. Prints a row for each kind of fault and a last line; exits with 1 where a bar is missed.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.journal import Journal
from gateway.journal.store import open_file
from gateway.model import State
from tests.accounts import accounts
from tests.certificates import HOST, Certificate
from tests.fault_harness.child import PATIENCE, end, start
from tests.fault_harness.injections import Injection, injections
from tests.notifications import MX, linkedin, old_linkedin
from tests.servers import Dovecot, running
from tests.submission import Login, SmtpServer

LEAST = 500  # faults that must have happened in a full run
WORKERS = 4  # they mostly wait
_ENDED = (State.SENT, State.REFUSED, State.UNCERTAIN, State.CLOSED, State.UNREADABLE)
_STRANGERS = ("olga@somewhere.example", "peer@elsewhere.example")
_MAILS = (*(old_linkedin("A Stranger", to) for to in _STRANGERS), linkedin("Carla Known"))
_CONFIG = """\
[me]
name = "Ada Miller"
addresses = "ada@example.org"
[evidence]
contacts = "book.vcf"
[authentication]
authserv_id = "{mx}"
{accounts}[delivery]
mode = "send"
hold = "0s"
"""


@dataclass(slots=True)
class Tally:
    """What became of the answers that were due."""

    injections: int = 0
    hit: int = 0  # faults that happened before the service was done
    answered_once: int = 0
    duplicates: int = 0
    silent_losses: int = 0
    parked: int = 0
    slowest_restart: float = 0.0  # seconds until all that was left was done
    lost: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)  # of what is parked

    def add(self, other: Tally) -> None:
        self.injections += other.injections
        self.hit += other.hit
        self.answered_once += other.answered_once
        self.duplicates += other.duplicates
        self.silent_losses += other.silent_losses
        self.parked += other.parked
        self.slowest_restart = max(self.slowest_restart, other.slowest_restart)
        self.lost += other.lost
        self.reasons += other.reasons


@dataclass(slots=True)
class Stage:
    """A worker's servers; every injection has a mailbox of its own on them."""

    dovecot: Dovecot
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def play(self, injection: Injection) -> Tally:
        """Let the fault happen, let the service go on without it, and count."""
        folder = self.folder / f"{next(self._numbers)}"
        folder.mkdir()
        smtp = SmtpServer(Login("ada@example.org", "pass word"), Certificate.make(folder))
        if injection.smtp:
            smtp.faults[injection.smtp[0]] = injection.smtp[1]
        smtp.start()
        try:
            login = self.dovecot.user()
            file = _configured(folder, self.dovecot, login, smtp)
            for raw in _MAILS:
                self.dovecot.deliver(login, raw)
            hit = self._with_the_fault(injection, file, login) or bool(injection.smtp and not smtp.faults)
            took = [_run(file, offset) for offset in (injection.step, injection.step + timedelta(hours=5))]
            return _counted(injection, file, smtp, hit=hit, slowest=max(took))
        finally:
            smtp.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def _with_the_fault(self, injection: Injection, file: Path, login: Login) -> bool:
        """Run the service; whether the fault hit it."""
        if injection.call:
            return _tampered(injection, file)
        child = start(file, timedelta(0), mails=len(_MAILS))
        hit: list[bool] = []
        timer = threading.Timer(injection.after, lambda: hit.append(self._act(injection.act, child, file, login)))
        if injection.act:
            timer.start()
        end(child)
        timer.cancel()  # the service was done before it could be disturbed
        if injection.act:
            timer.join()
        return any(hit)

    def _act(self, act: str, child: BaseProcess, file: Path, login: Login) -> bool:
        if not child.is_alive():
            return False
        if act == "kill":
            child.kill()
        elif act == "restart":
            self._restart()
        elif act == "freeze":
            self.dovecot.freeze()
            time.sleep(1)
            self.dovecot.thaw()
        elif act == "renumber":
            with suppress(FileNotFoundError):  # nobody has looked into the mailbox yet
                self.dovecot.renumber(login)
        elif act == "twice":
            _run(file, timedelta(0))
        return True

    def _restart(self) -> None:
        self.dovecot.kill()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(RuntimeError):  # the ports of the dead are not free at once
                self.dovecot.start()
                return


def _configured(folder: Path, dovecot: Dovecot, login: Login, smtp: SmtpServer) -> Path:
    (folder / "book.vcf").write_text("BEGIN:VCARD\nVERSION:4.0\nFN:Carla Known\nEMAIL:c@example.net\nEND:VCARD\n")
    file = folder / "ada.toml"
    file.write_text(_CONFIG.format(mx=MX, accounts=accounts(folder, dovecot, login, smtp)))
    return file


def _run(file: Path, offset: timedelta) -> float:
    """Run the service without a fault; the seconds it took."""
    began = time.monotonic()
    end(start(file, offset, mails=len(_MAILS)))
    return time.monotonic() - began


def _tampered(injection: Injection, file: Path) -> bool:
    """Run the service under strace, which makes one of its system calls go wrong; whether it came so far."""
    child = start(file, timedelta(0), mails=len(_MAILS), stops_at="start" if injection.starting else "round")
    _await_stop(child)
    seen = file.parent / "strace"
    rule = f"inject={injection.call}:{injection.how}:when={injection.when}"
    command = ["strace", "-f", "-p", f"{child.pid}", "-o", str(seen), "-e", f"trace={injection.call}", "-e", rule]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr
        assert b"attached" in tracer.stderr.readline()
        os.kill(child.pid or 0, signal.SIGCONT)
        end(child)
        tracer.wait(PATIENCE)
    return "INJECTED" in seen.read_text("latin-1") or child.exitcode == -signal.SIGKILL


def _await_stop(child: BaseProcess) -> None:
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "the service did not come to its first round"
        time.sleep(0.005)


def _counted(injection: Injection, file: Path, smtp: SmtpServer, *, hit: bool, slowest: float) -> Tally:
    tally = Tally(injections=1, hit=hit, slowest_restart=slowest)
    letters = Counter(recipient for letter in smtp.delivered for recipient in letter.recipients)
    journal = Journal(open_file(file.parent / "state" / "ada" / "journal.sqlite"), "ada")
    every = journal.entries(*State)
    for stranger in _STRANGERS:
        entry = next((entry for entry in every if entry.reply and entry.reply.to == stranger), None)
        state, why = (entry.state, entry.why) if entry else (None, "it is not in the journal")
        if letters[stranger] > 1:
            tally.duplicates += 1
            tally.lost.append(f"twice: {injection}: {stranger}: {state} {why}")
        elif letters[stranger] == 1 and state is State.SENT:
            tally.answered_once += 1
        elif state in _ENDED and state is not State.SENT and why:
            tally.parked += 1
            tally.reasons[f"{state}: {re.sub(rf'{HOST}:[0-9]+', 'the mail server', why)}"] += 1
        else:
            tally.silent_losses += 1
            tally.lost.append(f"lost: {injection}: {stranger}: {state} {why}")
    journal.store.engine.dispose()
    return tally


def run(count: int | None, tell: Callable[[str], None]) -> dict[str, Tally]:
    """So many injections of all kinds, or all there are, a few at a time; the tally of each kind."""
    every = list(injections())
    random.Random(6).shuffle(every)
    chosen, lock = every[:count], threading.Lock()
    todo = iter(chosen)
    tallies: dict[str, Tally] = defaultdict(Tally)

    def work(_number: int) -> None:
        with (
            TemporaryDirectory(prefix="rsvpd-faults-") as folder,
            running(Dovecot(Path(folder))) as dovecot,
            TemporaryDirectory(prefix="rsvpd-faults-") as state,
        ):
            stage = Stage(dovecot, Path(state))
            while True:
                with lock:
                    injection = next(todo, None)
                if injection is None:
                    return
                tally = stage.play(injection)
                with lock:
                    tallies[injection.kind].add(tally)
                    done = sum(one.injections for one in tallies.values())
                if done % 25 == 0:
                    tell(f"{done} of {len(chosen)} injections")

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    return tallies


def main() -> int:
    """Run and print; the exit status."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else None
    tallies = run(count, lambda line: print(line, file=sys.stderr, flush=True))
    whole = Tally()
    print(f"{'fault':44}{'injections':>11}{'hit':>6}{'once':>6}{'twice':>7}{'lost':>6}{'parked':>8}{'restart':>9}")
    for kind, tally in sorted(tallies.items()):
        whole.add(tally)
        numbers = f"{tally.injections:11}{tally.hit:6}{tally.answered_once:6}{tally.duplicates:7}"
        print(f"{kind:44}{numbers}{tally.silent_losses:6}{tally.parked:8}{tally.slowest_restart:8.1f}s")
    for reason, number in whole.reasons.most_common():
        print(f"parked {number:3} {reason}")
    for line in whole.lost:
        print(line)
    print(
        f"injections={whole.injections} answered_once={whole.answered_once} duplicates={whole.duplicates} "
        f"silent_losses={whole.silent_losses} parked={whole.parked}"
    )
    enough = whole.hit >= LEAST or count is not None
    return 0 if enough and not whole.duplicates and not whole.silent_losses else 1
