"""Several `rsvpd run` on one database of owners, each with a host name and a state directory of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from gateway.errors import JournalFailed
from gateway.journal.leases import Leases
from gateway.journal.store import open_url
from tests.notifications import MX
from tests.servers import Dovecot
from tests.submission import Login, SmtpServer

PATIENCE = 30.0
_CONFIG = """\
[me]
name = "Ada Miller"
addresses = "ada@example.org"
[authentication]
authserv_id = "{mx}"
[imap]
host = "{dovecot.host}"
port = {dovecot.imaps_port}
user = "{login.user}"
password = {{ file = "passwords/{login.user}" }}
ca_file = "{dovecot.certificate.chain}"
[smtp]
host = "{smtp.host}"
port = {smtp.port}
user = "{smtp.login.user}"
password = {{ file = "passwords/smtp" }}
ca_file = "{smtp.certificate.chain}"
[delivery]
mode = "send"
hold = "0s"
"""


def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE, every: float = 0.05) -> float:
    """Wait for a state, looking so often (in seconds); the seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < patience, f"waited in vain for {what}"
        time.sleep(every)
    return time.monotonic() - began


@dataclass(slots=True)
class University:
    """Owners in a table, their mail servers, and the processes that share them."""

    folder: Path
    dovecot: Dovecot
    smtp: SmtpServer
    url: str
    logins: dict[str, Login] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _leases: Leases | None = None

    @property
    def files(self) -> Path:
        return self.folder / "etc"

    @property
    def leases(self) -> Leases:
        self._leases = self._leases or Leases.at(self.url)
        return self._leases

    def furnish(self, owners: int) -> None:
        """A mailbox and a file for everybody, put into the table."""
        self.lay_out(owners)
        self.put_in()

    def lay_out(self, owners: int, extra: str = "") -> None:
        """A mailbox and a file for everybody."""
        passwords = self.files / "passwords"
        passwords.mkdir(parents=True, exist_ok=True)
        (passwords / "smtp").write_text(self.smtp.login.password)
        for number in range(len(self.logins), len(self.logins) + owners):
            login = self.dovecot.user()
            (passwords / login.user).write_text(login.password)
            self.logins[f"owner{number:04}"] = login
            self.write(f"owner{number:04}", extra)

    def put_in(self) -> None:
        """Put the files into the table, by the command line."""
        self.rsvpd("owners", "import", self.files, self.url)

    def write(self, name: str, extra: str = "") -> None:
        """The file of an owner."""
        text = _CONFIG.format(login=self.logins[name], mx=MX, dovecot=self.dovecot, smtp=self.smtp)
        (self.files / f"{name}.toml").write_text(text + extra)

    def rsvpd(self, *arguments: object, status: int = 0) -> str:
        """What a command prints."""
        done = subprocess.run([_rsvpd(), *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def begin(self, *prefix: str, url: str | None = None) -> subprocess.Popen[bytes]:
        """One more process."""
        number = len(self.processes)
        environment = {**os.environ, "STATE_DIRECTORY": str(self.folder / f"state{number}")}
        with (self.folder / f"rsvpd{number}.log").open("wb") as log:
            process = subprocess.Popen([*prefix, _rsvpd(), "run", url or self.url], env=environment, stderr=log)
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End the processes that still run, in order where they can."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def held(self) -> dict[int, int]:
        """How many owners each living process holds, by process id."""
        try:
            return {process.pid: process.held for process in self.leases.processes() if process.living}
        except JournalFailed:
            return {}  # it has just come back

    def nobodys(self) -> int:
        """How many owners no living process holds; all, while nobody can tell."""
        try:
            return self.leases.nobodys()
        except JournalFailed:
            return len(self.logins)

    def shared_by(self, *processes: subprocess.Popen[bytes]) -> bool:
        """Whether these processes, and they alone, hold all owners, and none more than its share."""
        held, share = self.held(), -(-len(self.logins) // len(processes))
        theirs = held.keys() == {process.pid for process in processes}
        return theirs and sum(held.values()) == len(self.logins) and max(held.values()) <= share

    def answers(self) -> Counter[str]:
        """How many mails went to each address."""
        return Counter(address for mail in list(self.smtp.delivered) for address in mail.recipients)

    def uncertain(self) -> set[str]:
        """To whom an answer may have gone: its process ended between the mark and the final dot."""
        query = text("select judgement->'reply'->>'to' from entries where state = 'uncertain'")
        with open_url(self.url).at_once() as connection:
            return set(connection.execute(query).scalars())

    def log(self, number: int) -> str:
        return (self.folder / f"rsvpd{number}.log").read_text()


def _rsvpd() -> str:
    return str(Path(sys.executable).with_name("rsvpd"))
