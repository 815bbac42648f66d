"""A thousand owners in one service, all listening at one Dovecot: what it costs, how soon it hears, how it comes back.

    python -m bench.idle [OWNERS]

Runs the real `rsvpd run` on a folder of files, prints a table and exits with 1 where a bar is missed.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from bench.measure import resident
from tests.certificates import HOST
from tests.notifications import MX, linkedin
from tests.servers import Dovecot, running
from tests.submission import Login

MOST_MEMORY = 200.0  # MB, resident
MOST_CPU = 2.0  # percent of a core
MOST_WAIT = 2.0  # seconds from a mail's delivery to the decision on it
MOST_RETURN = 60.0  # seconds from the server's start until all listen again
LETTERS = 20
AWAY = 20.0  # seconds that the server is away
_PATIENCE = 900.0  # seconds for whatever has no bar
_LOGIN = re.compile(rb"imap-login: Info: Login: ")
MANY = """\
default_process_limit = {limit}
default_client_limit = {limit}
service imap-login {{
  # A few processes that serve all: one each would take most of the time.
  service_count = 0
  process_min_avail = 2
}}
service imap {{
  # Which otherwise has a limit of its own, 1,024.
  process_limit = {limit}
}}
service stats {{
  client_limit = {limit}
}}
"""
_CONFIG = """\
[me]
name = "Ada Miller"
addresses = ["{login.user}"]
[authentication]
authserv_id = "{mx}"
[imap]
host = "{host}"
port = {server.imaps_port}
user = "{login.user}"
password = {{ file = "passwords/{login.user}" }}
ca_file = "{server.certificate.chain}"
[smtp]
host = "{host}"
port = 9
user = "{login.user}"
password = {{ file = "passwords/{login.user}" }}
tls = "implicit"
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of the table; no bar where none is set."""

    what: str
    value: float
    unit: str
    bar: float | None = None

    @property
    def missed(self) -> bool:
        return self.bar is not None and self.value >= self.bar


@dataclass(slots=True)
class Stage:
    """The server with everybody's mailbox, and the service that listens to all of them."""

    folder: Path
    server: Dovecot
    logins: list[Login] = field(default_factory=list)
    service: subprocess.Popen[bytes] | None = None
    _log_from: int = 0

    def furnish(self, owners: int) -> None:
        """A mailbox and a file for everybody."""
        passwords = self.folder / "etc" / "passwords"
        passwords.mkdir(parents=True)
        for number in range(owners):
            login = self.server.user(f"owner{number:04}@example.org")
            self.logins.append(login)
            (passwords / login.user).write_text(login.password)
            (passwords / login.user).chmod(0o600)
            text = _CONFIG.format(login=login, mx=MX, host=HOST, server=self.server)
            (self.folder / "etc" / f"{self.name(login)}.toml").write_text(text)

    @staticmethod
    def name(login: Login) -> str:
        return login.user.partition("@")[0]

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The process id of `rsvpd run`."""
        environment = {**os.environ, "STATE_DIRECTORY": str(self.folder / "state")}
        with (self.folder / "rsvpd.log").open("wb") as log:
            self.service = subprocess.Popen(
                [Path(sys.executable).with_name("rsvpd"), "run", self.folder / "etc"], env=environment, stderr=log
            )
        try:
            yield self.service.pid
        finally:
            self.service.send_signal(signal.SIGTERM)
            self.service.wait(60)

    def forget_logins(self) -> None:
        """Count logins from now on."""
        self._log_from = (self.server.folder / "dovecot.log").stat().st_size

    @property
    def logged_in(self) -> int:
        with (self.server.folder / "dovecot.log").open("rb") as log:
            log.seek(self._log_from)
            return len(_LOGIN.findall(log.read()))

    @property
    def connected(self) -> int:
        """Connections to the server, logged in or about to."""
        here = f":{self.server.imaps_port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(local.endswith(here) and state == "01" for _, local, _, state, *_ in map(str.split, lines))

    def decided(self, login: Login) -> int:
        """How many mails of an owner are judged."""
        file = self.folder / "state" / self.name(login) / "journal.sqlite"
        with closing(sqlite3.connect(file, timeout=30)) as journal:
            return int(journal.execute("SELECT count(*) FROM entries WHERE judged IS NOT NULL").fetchone()[0])


@dataclass(slots=True)
class Connects:
    """Samples, beside everything else, how many connections are being made at once."""

    stage: Stage
    peak: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def sampled(self) -> Iterator[Connects]:
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            self.peak = max(self.peak, self.stage.connected - self.stage.logged_in)


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(condition: Callable[[], bool], what: str) -> float:
    """Wait for a state; the seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < _PATIENCE, f"waited in vain for {what}"
        time.sleep(0.02)
    return time.monotonic() - began


def settle(stage: Stage, pid: int) -> float:
    """Wait until all are logged in and the service has nothing more to do; the seconds until the last login."""
    taken = until(lambda: stage.logged_in >= len(stage.logins), "all to be logged in")
    used = -1.0
    while cpu(pid) - used > 0.05:
        used = cpu(pid)
        time.sleep(1)
    return taken


def measured(stage: Stage, *, seconds: float = 60.0) -> Iterator[Figure]:
    """Everything, in the order in which it happens."""
    with stage.serving() as pid:
        with Connects(stage).sampled() as connects:
            yield Figure("all logged in for the first time after", settle(stage, pid), "s")
        yield Figure("connections being made at once, at most", connects.peak, "")
        yield Figure("memory of the service", resident(pid), "MB", MOST_MEMORY)
        before = cpu(pid)
        time.sleep(seconds)
        yield Figure("processor while nothing happens", 100 * (cpu(pid) - before) / seconds, "%", MOST_CPU)
        waits = list(heard(stage))
        yield Figure("a mail is decided after, median", statistics.median(waits), "s", MOST_WAIT)
        yield Figure("a mail is decided after, at most", max(waits), "s", MOST_WAIT)
        yield from away_and_back(stage, pid)
        yield Figure("memory of the service after all that", resident(pid), "MB", MOST_MEMORY)


def heard(stage: Stage) -> Iterator[float]:
    """Seconds from delivery to decision, of mails to owners picked at random."""
    chance = Random(20261124)
    for number, login in enumerate(chance.sample(stage.logins, min(LETTERS, len(stage.logins)))):
        before = stage.decided(login)
        stage.server.deliver(login, invitation(login, number))
        yield until(lambda login=login, before=before: stage.decided(login) > before, "a decision")  # type: ignore[misc]


def invitation(login: Login, number: int) -> bytes:
    """One to this owner: what was sent to somebody else is put aside with half of the work."""
    return linkedin(f"Nina Newcomer{chr(97 + number % 26)}", to=f"Ada Miller <{login.user}>")


def away_and_back(stage: Stage, pid: int) -> Iterator[Figure]:
    """The server dies and stays away for a while."""
    stage.server.kill()
    time.sleep(AWAY)
    stage.forget_logins()
    began = time.monotonic()
    stage.server.start()
    with Connects(stage).sampled() as connects:
        until(lambda: stage.logged_in >= len(stage.logins), "all to be back")
        yield Figure("all back after the server's start", time.monotonic() - began, "s", MOST_RETURN)
    yield Figure("connections being made at once, at most", connects.peak, "")
    settle(stage, pid)
    yield Figure("connections in the end", stage.connected, "")


def main() -> None:
    owners = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with TemporaryDirectory(prefix="rsvpd-idle-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "dovecot").mkdir()
        stage = Stage(folder, Dovecot(folder / "dovecot", extra=MANY.format(limit=4 * owners + 200)))
        with running(stage.server):
            stage.furnish(owners)
            print(f"{owners} owners")
            missed = 0
            for figure in measured(stage):
                missed += figure.missed
                bar = f"  < {figure.bar:g}" if figure.bar is not None else ""
                print(f"{figure.what:42}{figure.value:9.2f} {figure.unit:3}{bar}{'  MISSED' if figure.missed else ''}")
                sys.stdout.flush()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
