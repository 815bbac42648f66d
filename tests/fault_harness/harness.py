"""The fault harness: the real service, a real Dovecot and a scripted SMTP server, and everything that can go wrong.

    python -m tests.fault_harness [INJECTIONS]        (make faults)

Each injection has a mailbox and a state directory of its own. The service runs until the fault hits it or it is
done; then it runs again, an hour later by its clock and without a fault, and what the SMTP server and the journal
hold is counted. Prints a row for each kind of fault and a last line; exits with 1 where a bar is missed.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway import service as service_module
from gateway.config import load
from gateway.errors import JournalFailed
from gateway.journal import Journal
from gateway.journal.store import open_file
from gateway.model import Channel, State
from gateway.service import Service
from gateway.state import open_journal
from tests.certificates import HOST, Certificate
from tests.notifications import MX, linkedin, old_linkedin
from tests.servers import Dovecot, running
from tests.submission import Login, SmtpServer

LEAST = 500  # injections of a full run
WORKERS = 4  # they mostly wait
_PATIENCE = 25.0  # seconds a run may take
_QUIET = (State.SENT, State.REFUSED, State.UNCERTAIN, State.CLOSED, State.UNREADABLE)
_STRANGERS = ("olga@somewhere.example", "peer@elsewhere.example")
_processes = multiprocessing.get_context("forkserver")


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault: what, and where it hits."""

    kind: str
    call: str = ""  # a system call that strace tampers with, and how, at which occurrence
    how: str = ""
    when: int = 0
    smtp: tuple[str, str] | None = None  # a step of the dialogue, and what happens there
    after: float = 0.0  # seconds until `act`
    act: str = ""  # "kill", "restart", "freeze", "renumber", "twice"
    step: timedelta = timedelta(hours=1)  # of the clock before the second run


@dataclass(slots=True)
class Tally:
    """What became of the answers that were due."""

    injections: int = 0
    answered_once: int = 0
    duplicates: int = 0
    silent_losses: int = 0
    parked: int = 0
    hit: int = 0  # runs that the fault ended or disturbed
    slowest_restart: float = 0.0
    lost: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.injections += other.injections
        self.answered_once += other.answered_once
        self.duplicates += other.duplicates
        self.silent_losses += other.silent_losses
        self.parked += other.parked
        self.hit += other.hit
        self.slowest_restart = max(self.slowest_restart, other.slowest_restart)
        self.lost += other.lost

    @property
    def good(self) -> bool:
        return self.duplicates == 0 and self.silent_losses == 0


def injections() -> Iterator[Injection]:
    """Faults of every kind in turn, without end: each round goes one occurrence further."""
    for number in itertools.count(1):
        for call, how in (
            ("fdatasync", "signal=KILL"),
            ("fdatasync", "error=EIO"),
            ("pwrite64", "signal=KILL"),
            ("pwrite64", "error=EIO"),
            ("pwrite64", "error=ENOSPC"),
            ("sendto", "signal=KILL"),
            ("sendto", "error=ECONNRESET"),
            ("recvfrom", "signal=KILL"),
            ("recvfrom", "error=ECONNRESET"),
            ("connect", "error=ECONNREFUSED"),
        ):
            if call != "connect" or number <= 3:
                yield Injection(f"{how} at {call}", call=call, how=how, when=number)
        steps = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot")
        step = steps[(number - 1) % len(steps)]
        for reply in ("451 4.3.0 later", "550 5.7.1 never", "cut"):
            yield Injection(f"SMTP {reply.split()[0]}", smtp=(step, reply))
        for fate in ("lost", "dropped"):
            yield Injection(f"SMTP {fate} after the dot", smtp=("dot", fate))
        for act in ("kill", "restart", "freeze", "renumber", "twice"):
            yield Injection(f"{act} meanwhile", act=act, after=0.05 * (number % 20))
        yield Injection("clock an hour back", act="kill", after=0.05 * (number % 20), step=-timedelta(hours=1))


@dataclass(slots=True)
class Stage:
    """A worker's servers; every injection has a mailbox of its own on them."""

    dovecot: Dovecot
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def play(self, injection: Injection) -> Tally:
        folder = self.folder / f"{next(self._numbers)}"
        folder.mkdir()
        smtp = SmtpServer(Login("ada@example.org", "pass word"), Certificate.make(folder))
        if injection.smtp:
            smtp.faults[injection.smtp[0]] = injection.smtp[1]
        smtp.start()
        login = self.dovecot.user()
        try:
            file = _configured(folder, self.dovecot, login, smtp)
            for raw in (*(old_linkedin("A Stranger", to) for to in _STRANGERS), linkedin("Carla Known")):
                self.dovecot.deliver(login, raw)
            hit = self._faulty_run(injection, file, login)
            began = time.monotonic()
            for offset in (injection.step, injection.step + timedelta(hours=5)):
                _run(file, offset)
            took = time.monotonic() - began
            return self._counted(injection, file, smtp, hit=hit, took=took)
        finally:
            smtp.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def _faulty_run(self, injection: Injection, file: Path, login: Login) -> bool:
        """Run the service with the fault; whether that ended or disturbed it."""
        child = _start(file, timedelta(0), stopped=bool(injection.call))
        tracer = _tampered(child.pid or 0, injection) if injection.call else None
        timer = threading.Timer(injection.after, self._act, (injection.act, child, file, login))
        if injection.act:
            timer.start()
        child.join(_PATIENCE)
        if child.is_alive():
            child.kill()
            child.join()
        if injection.act:
            timer.cancel()  # the service was done before it could be disturbed
            timer.join()
        if tracer:
            tracer.wait(10)
        self.dovecot.thaw()
        return child.exitcode != 0 or bool(injection.smtp or injection.act)

    def _act(self, act: str, child: multiprocessing.process.BaseProcess, file: Path, login: Login) -> None:
        with suppress(ProcessLookupError, ValueError, OSError):
            if act == "kill":
                child.kill()
            elif act == "restart":
                self.dovecot.kill()
                self.dovecot.start()
            elif act == "freeze":
                self.dovecot.freeze()
                time.sleep(0.5)
                self.dovecot.thaw()
            elif act == "renumber":
                self.dovecot.renumber(login)
            else:
                _run(file, timedelta(0))

    def _counted(self, injection: Injection, file: Path, smtp: SmtpServer, *, hit: bool, took: float) -> Tally:
        tally = Tally(injections=1, hit=hit, slowest_restart=took)
        sent = Counter(recipient for letter in smtp.delivered for recipient in letter.recipients)
        journal = Journal(open_file(file.parent / "state" / "ada" / "journal.sqlite"), "ada")
        shown = {entry.reply.to: entry for entry in journal.entries(*_QUIET, State.DUE, State.HELD) if entry.reply}
        for stranger in _STRANGERS:
            entry = shown.get(stranger)
            if sent[stranger] > 1:
                tally.duplicates += 1
            elif entry is None or (sent[stranger] == 0 and entry.state is State.SENT):
                tally.silent_losses += 1
                tally.lost.append(f"{injection}: {stranger} {entry.state if entry else 'is not in the journal'}")
            elif sent[stranger] == 1 and entry.state is State.SENT:
                tally.answered_once += 1
            else:
                tally.parked += 1
        return tally


def _configured(folder: Path, dovecot: Dovecot, login: Login, smtp: SmtpServer) -> Path:
    (folder / "imap-password").write_text(login.password)
    (folder / "smtp-password").write_text(smtp.login.password)
    (folder / "book.vcf").write_text("BEGIN:VCARD\nVERSION:4.0\nFN:Carla Known\nEMAIL:c@example.net\nEND:VCARD\n")
    file = folder / "ada.toml"
    file.write_text(f"""\
[me]
name = "Ada Miller"
addresses = "ada@example.org"
[evidence]
contacts = "book.vcf"
[authentication]
authserv_id = "{MX}"
[imap]
host = "{HOST}"
port = {dovecot.imaps_port}
user = "{login.user}"
password = {{ file = "imap-password" }}
ca_file = "{dovecot.certificate.chain}"
[smtp]
host = "{HOST}"
port = {smtp.port}
user = "{smtp.login.user}"
password = {{ file = "smtp-password" }}
ca_file = "{smtp.certificate.chain}"
[delivery]
mode = "send"
hold = "0s"
""")
    return file


# The child: the service of `rsvpd run`, until it has nothing more to do


def serve(file: Path, offset: timedelta, stopped: bool) -> None:
    """Run the service on a file until all is settled, by a clock that is `offset` off."""
    os.environ["STATE_DIRECTORY"] = str(file.parent / "state")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if stopped:
        os.kill(os.getpid(), signal.SIGSTOP)
    now = service_module.now
    service_module.now = lambda: now() + offset
    try:
        config = load(file)
        service = Service([service_module.watch(config)])
        journal = open_journal(config)
    except JournalFailed:
        sys.exit(78)
    threading.Thread(target=_stop_when_settled, args=(service, journal, offset), daemon=True).start()
    service.run()
    sys.exit(0)


def _stop_when_settled(service: Service, journal: Journal, offset: timedelta) -> None:
    deadline = time.monotonic() + _PATIENCE / 2
    while time.monotonic() < deadline:
        time.sleep(0.05)
        with suppress(JournalFailed):
            if _settled(journal, datetime.now(UTC) + offset):
                break
    service.stop()


def _settled(journal: Journal, now: datetime) -> bool:
    every = journal.entries(*State)
    answers = [entry for entry in every if entry.reply and entry.reply.channel is not Channel.PASTE]
    waits = [entry for entry in every if entry.state in (State.NEW, State.SENDING, State.DOT)]
    due = [entry for entry in answers if entry.state is State.DUE and (entry.not_before or now) <= now]
    return len(every) >= len(_STRANGERS) + 1 and not waits and not due and not journal.unfiled()


def _start(file: Path, offset: timedelta, *, stopped: bool) -> multiprocessing.process.BaseProcess:
    child = _processes.Process(target=serve, args=(file, offset, stopped))
    child.start()
    return child


def _run(file: Path, offset: timedelta) -> None:
    child = _start(file, offset, stopped=False)
    child.join(_PATIENCE)
    if child.is_alive():
        child.kill()
        child.join()


def _tampered(pid: int, injection: Injection) -> subprocess.Popen[bytes]:
    """Attach strace to the stopped child, then let it go on."""
    rule = f"inject={injection.call}:{injection.how}:when={injection.when}"
    command = ["strace", "-f", "-p", str(pid), "-e", f"trace={injection.call}", "-e", rule, "-o", "/dev/null"]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and "T" not in _state(pid):
        time.sleep(0.005)
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert tracer.stderr
    tracer.stderr.readline()  # "strace: Process N attached"
    os.kill(pid, signal.SIGCONT)
    return tracer


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "T"


# The run


def run(count: int, tell: Callable[[str], None]) -> dict[str, Tally]:
    """So many injections, a few at a time; the tally of each kind."""
    _processes.set_forkserver_preload(["gateway.service", "tests.fault_harness.harness"])
    todo, lock = itertools.islice(injections(), count), threading.Lock()
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
                        tell(f"{done} of {count} injections")

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    return tallies


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LEAST
    tallies = run(count, lambda line: print(line, file=sys.stderr, flush=True))
    whole = Tally()
    print(f"{'fault':32}{'injections':>11}{'hit':>6}{'once':>6}{'twice':>7}{'lost':>6}{'parked':>8}{'restart':>9}")
    for kind, tally in sorted(tallies.items()):
        whole.add(tally)
        numbers = f"{tally.injections:11}{tally.hit:6}{tally.answered_once:6}{tally.duplicates:7}"
        print(f"{kind:32}{numbers}{tally.silent_losses:6}{tally.parked:8}{tally.slowest_restart:8.1f}s")
    for line in whole.lost:
        print(f"lost: {line}")
    print(
        f"injections={whole.injections} answered_once={whole.answered_once} duplicates={whole.duplicates} "
        f"silent_losses={whole.silent_losses} parked={whole.parked}"
    )
    return 0 if whole.good and whole.injections >= min(count, LEAST) else 1
