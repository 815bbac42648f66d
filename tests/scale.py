"""Owners shared by three hosts, and everything that can be taken from a host in turn.

    python -m tests.scale [OWNERS [INVITATIONS]]        (make scale)

Each host is a network namespace, whose only ways out are wires to the database and to the mail servers. One host is
killed, the next loses the database, the next the IMAP server, and then PostgreSQL restarts; meanwhile invitations come
in. Needs root. Prints a line for each step and a last one; exits with 1 where a bar is missed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from bench.idle import MANY
from gateway.journal.store import open_url
from tests import postgres
from tests.certificates import Certificate
from tests.notifications import old_linkedin
from tests.servers import Dovecot, running
from tests.sharing import University, until
from tests.submission import Login, SmtpServer

MOST_TAKEOVER = 30.0  # seconds from a host's loss until the others hold its owners
_PATIENCE = 3600.0


@dataclass(slots=True)
class Host:
    """A network namespace with its wires."""

    name: str
    folder: Path
    wires: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command begins with to run here."""
        return ("ip", "netns", "exec", self.name)

    @contextmanager
    def up(self, ways: dict[str, int], database: Path) -> Iterator[Host]:
        """The host with a wire to each of these ports, and one to the database's socket."""
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            subprocess.run([*self.inside, "ip", "link", "set", "lo", "up"], check=True)
            for what, port in ways.items():
                self._wire(f"{what} far", str(self.folder / what), str(port))
                self._wire(what, str(port), str(self.folder / what), inside=True)
            self._wire("database", str(self.folder / database.name), str(database))
            until(lambda: (self.folder / database.name).exists(), "the wires")
            yield self
        finally:
            for wire in self.wires.values():
                wire.kill()
                wire.wait()
            subprocess.run(["ip", "netns", "delete", self.name], check=True)

    def _wire(self, what: str, listen: str, target: str, *, inside: bool = False) -> None:
        prefix = self.inside if inside else ()
        self.wires[what] = subprocess.Popen([*prefix, sys.executable, "-m", "tests.relay", listen, target])

    @contextmanager
    def without(self, what: str) -> Iterator[None]:
        """The wire swallows everything."""
        os.kill(self.wires[what].pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.wires[what].pid, signal.SIGCONT)


@dataclass(slots=True)
class Scene:
    """All of it."""

    university: University
    cluster: postgres.Postgres
    hosts: list[Host]
    invitations: int
    delivered: int = 0
    takeovers: list[float] = field(default_factory=list)

    def play(self) -> None:
        """Everything, in the order in which it happens."""
        university, owners = self.university, len(self.university.logins)
        processes = [self.begin(host) for host in self.hosts]
        self.tell("fair shares after", until(lambda: university.shared_by(*processes), "fair shares", _PATIENCE))
        self.invite(5)
        processes[0].kill()
        self.take_over("one is killed", processes[1], processes[2])
        self.invite(4)
        processes[0] = self.begin(self.hosts[0])
        until(lambda: university.shared_by(*processes), "fair shares", _PATIENCE)
        with self.hosts[1].without("database"):
            self.take_over("one has lost the database", processes[0], processes[2])
            self.invite(3)
        until(lambda: university.shared_by(*processes), "fair shares", _PATIENCE)
        with self.hosts[2].without("imap"):
            self.invite(2)
            time.sleep(10)
        self.cluster.stop()
        time.sleep(5)
        self.cluster.start()
        began = time.monotonic()
        self.invite(1)
        until(lambda: university.shared_by(*processes), "fair shares", _PATIENCE)
        self.tell("PostgreSQL restarted: fair shares after", time.monotonic() - began)
        began = time.monotonic()
        until(lambda: self.settled, "all to be decided", _PATIENCE)
        self.tell(f"{self.delivered} invitations of {owners} owners settled after", time.monotonic() - began)

    def begin(self, host: Host) -> subprocess.Popen[bytes]:
        return self.university.begin(
            *host.inside, url=f"postgresql:///{self.database}?host={host.folder}&user=postgres"
        )

    @property
    def database(self) -> str:
        return self.university.url.partition("///")[2].partition("?")[0]

    def tell(self, what: str, seconds: float) -> None:
        print(f"{what:60}{seconds:8.1f} s", flush=True)

    def take_over(self, what: str, *others: subprocess.Popen[bytes]) -> None:
        took = until(lambda: self.university.shared_by(*others), f"a take-over when {what}", _PATIENCE)
        self.takeovers.append(took)
        self.tell(f"{what}: the others have its owners after", took)

    def invite(self, parts: int) -> None:
        """Deliver what makes the invitations even over the parts that are left."""
        logins = list(self.university.logins.values())
        for number in range(self.delivered, self.delivered + (self.invitations - self.delivered) // parts):
            stranger = f"peer{number}@domain{number}.example"
            self.university.dovecot.deliver(logins[number % len(logins)], old_linkedin(f"Peer N{number}", stranger))
            self.delivered += 1

    def asked(self, query: str) -> int:
        with open_url(self.university.url).at_once() as connection:
            return int(connection.execute(text(query)).scalar_one())

    @property
    def settled(self) -> bool:
        try:
            return self.asked("select count(*) from entries where state in ('sent', 'uncertain')") >= self.delivered
        except Exception:  # noqa: BLE001 - the database has just come back
            return False

    def result(self) -> bool:
        """Print what came of it; whether every bar was kept."""
        answers = self.university.answers()
        twice = sum(count > 1 for count in answers.values())
        decided = self.asked("select count(*) from entries where judged is not null")
        uncertain = self.asked("select count(*) from entries where state = 'uncertain'")
        lost = self.delivered - min(decided, len(answers) + uncertain)
        longest = max(self.takeovers)
        print(f"uncertain, and so the owner's to decide: {uncertain}")
        print(
            f"owners={len(self.university.logins)} invitations={self.delivered} answered_twice={twice} "
            f"lost={lost} takeover_max_s={longest:.1f}"
        )
        return twice == 0 and lost <= 0 and longest < MOST_TAKEOVER


def main() -> None:
    owners = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    invitations = int(sys.argv[2]) if len(sys.argv) > 2 else 10 * owners
    with TemporaryDirectory(prefix="rsvpd-scale-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("dovecot", "postgres", "smtp"):
            (folder / part).mkdir()
        dovecot = stack.enter_context(running(Dovecot(folder / "dovecot", extra=MANY.format(limit=8 * owners + 200))))
        cluster = stack.enter_context(postgres.running(folder / "postgres"))
        smtp = SmtpServer(Login("ada@example.org", "pass word"), Certificate.make(folder / "smtp"))
        smtp.start()
        stack.callback(smtp.stop)
        university = University(folder, dovecot, smtp, cluster.database())
        stack.callback(university.end)
        university.furnish(owners)
        ways = {"imap": dovecot.imaps_port, "smtp": smtp.port}
        hosts = []
        for number in range(3):
            (folder / f"host{number}").mkdir()
            host = Host(f"rsvpd-{os.getpid()}-{number}", folder / f"host{number}")
            hosts.append(stack.enter_context(host.up(ways, cluster.folder / ".s.PGSQL.5432")))
        scene = Scene(university, cluster, hosts, invitations)
        try:
            scene.play()
        except AssertionError:
            for number in range(len(university.processes)):
                print(university.log(number)[-3000:])
            raise
        sys.exit(0 if scene.result() else 1)


if __name__ == "__main__":
    main()
