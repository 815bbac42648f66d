"""Owners shared by three hosts, and everything that can be taken from a host in turn.

    python -m tests.scale [OWNERS [INVITATIONS]]        (make scale)

Each host is a network namespace with a cable to the database's network, one to the IMAP server's and one to the mail
server's. One host is killed, the next loses the database, the next the IMAP server, one is frozen, and then PostgreSQL
restarts; meanwhile invitations come in. Needs root. Prints a line for each step and a last one; exits with 1 where a
bar is missed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from bench.idle import MANY
from bench.measure import resident
from gateway.errors import JournalFailed
from tests import postgres
from tests.certificates import Certificate
from tests.hands import Hands, Invited, Reckoning, note
from tests.hosts import Host, Network, within
from tests.notifications import old_linkedin
from tests.servers import Dovecot, running
from tests.sharing import University, until
from tests.submission import Login, SmtpServer

MOST_TAKEOVER = 30.0  # seconds from a host's loss until the others listen at its owners' mailboxes
_PATIENCE = 3600.0
_LOGIN = re.compile(rb"imap-login: Info: Login: user=<([^>]+)>, .*?rip=([0-9.]+),")

DATABASE, IMAP, SMTP = NETWORKS = (Network("database", 1), Network("imap", 2), Network("smtp", 3))


@dataclass(slots=True)
class Logins:
    """From where each user logged in last at the IMAP server; what was read of its log is not read again."""

    log: Path
    _read: int = 0
    _last: dict[str, str] = field(default_factory=dict)

    def last(self) -> dict[str, str]:
        """The address of each user's latest login."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            lines = log.read()
        whole = lines.rfind(b"\n") + 1
        self._read += whole
        self._last.update((user.decode(), rip.decode()) for user, rip in _LOGIN.findall(lines[:whole]))
        return self._last


@dataclass(slots=True)
class Scene:
    """All of it."""

    university: University
    cluster: postgres.Postgres
    hosts: list[Host]
    invitations: int
    logins: Logins
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    invited: list[Invited] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)

    def play(self) -> None:
        """Everything, in the order in which it happens."""
        university = self.university
        self.processes = [self.begin(host) for host in self.hosts]
        self.spread("begun")
        self.tell_memory()
        self.invite(6)
        owners = self.owners_of(0)
        self.processes[0].kill()
        self.take_over("one is killed", owners, 0)
        self.invite(5)
        self.processes[0] = self.begin(self.hosts[0])
        self.spread("it is back")
        owners = self.owners_of(1)
        with self.hosts[1].without(DATABASE):
            self.take_over("one has lost the database", owners, 1)
            self.invite(4)
        self.spread("it is back")
        owners = self.owners_of(2)
        with self.hosts[2].without(IMAP):
            self.take_over("one has lost the IMAP server", owners, 2)
            self.invite(3)
        self.spread("it is back")
        owners = self.owners_of(1)
        self.processes[1].send_signal(signal.SIGSTOP)
        self.take_over("one is frozen", owners, 1)
        self.invite(2)
        self.processes[1].send_signal(signal.SIGCONT)
        self.spread("it is back")
        self.cluster.stop()
        time.sleep(5)
        self.cluster.start()
        self.invite(1)
        self.tell("PostgreSQL restarted: fair shares after", self.shared())
        took = self.wait(lambda: self.settled, "all to be decided", 1.0)
        self.tell(f"{len(self.invited)} invitations of {len(university.logins)} owners settled after", took)
        self.tell_memory()

    def begin(self, host: Host) -> subprocess.Popen[bytes]:
        name = self.university.url.partition("///")[2].partition("?")[0]
        url = f"postgresql://postgres@{DATABASE.address}/{name}"
        return self.university.begin(*host.inside, url=url)

    def tell(self, what: str, seconds: float) -> None:
        print(f"{what:60}{seconds:8.1f} s", flush=True)

    def tell_memory(self) -> None:
        living = [process for process in self.processes if process.poll() is None]
        print(f"memory: {', '.join(f'{resident(process.pid):.0f} MB' for process in living)}", flush=True)

    def wait(self, condition: Callable[[], bool], what: str, every: float = 0.25) -> float:
        return until(condition, what, _PATIENCE, every)

    def shared(self) -> float:
        return self.wait(lambda: self.university.shared_by(*self.processes), "fair shares")

    def spread(self, what: str) -> None:
        """Wait until each host has its share, and listens at the mailboxes of all of it: one trouble at a time."""
        self.tell(f"{what}: fair shares after", self.shared())
        self.tell(f"{what}: each listens at its own after", self.wait(self.listened, "all to be logged in"))

    def listened(self) -> bool:
        """Whether each owner's latest login came from the host that holds them."""
        last, holders = self.logins.last(), self.university.leases.holders()
        pids = {process.id: process.pid for process in self.university.leases.processes()}
        address = {pid: host.address(IMAP) for host, pid in zip(self.hosts, map(self.pid, range(3)), strict=True)}
        return all(
            process is not None and last.get(self.university.logins[owner].user) == address.get(pids[process])
            for owner, process in holders.items()
        )

    def owners_of(self, number: int) -> set[str]:
        """The owners that a host's process holds, each with its connection."""
        holders = self.university.leases.holders()
        mine = {process.id for process in self.university.leases.processes() if process.pid == self.pid(number)}
        return {owner for owner, process in holders.items() if process in mine}

    def pid(self, number: int) -> int:
        return self.processes[number].pid

    def take_over(self, what: str, owners: set[str], number: int) -> None:
        """Wait until others hold these owners, and until they have logged in to the mailboxes of all of them."""
        lost, began = self.hosts[number].address(IMAP), time.monotonic()
        users = {self.university.logins[owner].user for owner in owners}
        held = 0.0

        def taken() -> bool:
            nonlocal held
            if not held and not self.university.held().get(self.pid(number)) and self.university.nobodys() == 0:
                held = time.monotonic() - began
            last = self.logins.last()
            return held > 0 and not any(last[user] == lost for user in users)

        took = self.wait(taken, f"a take-over when {what}")
        self.takeovers.append(took)
        self.tell(f"{what}: others hold its {len(owners)} owners after", held)
        self.tell(f"{what}: others listen at their mailboxes after", took)

    def invite(self, parts: int) -> None:
        """Deliver what makes the invitations even over the parts that are left."""
        owners = list(self.university.logins.items())
        for number in range(len(self.invited), len(self.invited) + (self.invitations - len(self.invited)) // parts):
            stranger, (owner, login) = f"peer{number}@domain{number}.example", owners[number % len(owners)]
            self.university.dovecot.drop(login, old_linkedin(f"Peer N{number}", stranger))
            self.invited.append(Invited(stranger, owner))

    @property
    def settled(self) -> bool:
        ended = "select count(*) from entries where state not in ('new', 'due', 'sending', 'dot')"
        try:
            with self.university.leases.store.at_once() as connection:
                return int(connection.execute(text(ended)).scalar_one()) >= len(self.invited)
        except JournalFailed:
            return False  # the database has just come back

    def result(self) -> bool:
        """Print what came of it; whether every bar was kept."""
        store = self.university.leases.store
        reckoning = Reckoning.of(
            self.invited,
            self.university.smtp.delivered,
            store,
            {host.address(SMTP): host.name for host in self.hosts},
        )
        print(f"owners changed hands {Hands.of(store).changes} times")
        print(f"sent from a host whose owner it was not: {len(reckoning.fenced)}", *reckoning.fenced[:10], sep="\n    ")
        print(f"to nobody who had invited: {len(reckoning.strange)}; undecided: {len(reckoning.undecided)}")
        uncertain = sum(reckoning.uncertain.values())
        print(f"uncertain, and so the owner's to decide: {uncertain}, of which {reckoning.uncertain_sent} had gone out")
        for why, number in reckoning.uncertain.items():
            print(f"    {number} x {why}")
        for one in (*reckoning.lost[:10], *reckoning.twice[:10]):
            print("   ", one)
        longest = max(self.takeovers)
        print(
            f"owners={len(self.university.logins)} invitations={len(self.invited)} "
            f"answered_twice={len(reckoning.twice)} lost={len(reckoning.lost)} takeover_max_s={longest:.1f}"
        )
        sound = not (reckoning.twice or reckoning.lost or reckoning.undecided or reckoning.fenced or reckoning.strange)
        return sound and longest < MOST_TAKEOVER


def main() -> None:
    within("tests.scale")
    owners = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    invitations = int(sys.argv[2]) if len(sys.argv) > 2 else 10 * owners
    for network in NETWORKS:
        network.make()
    hosts = [Host(number, NETWORKS) for number in range(3)]
    for host in hosts:
        host.make()
    with TemporaryDirectory(prefix="rsvpd-scale-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("dovecot", "postgres", "smtp"):
            (folder / part).mkdir()
        many = MANY.format(limit=8 * owners + 200)
        dovecot = stack.enter_context(running(Dovecot(folder / "dovecot", extra=many, host=IMAP.address)))
        cluster = stack.enter_context(
            postgres.running(folder / "postgres", address=DATABASE.address, network=DATABASE.range)
        )
        smtp = SmtpServer(
            Login("ada@example.org", "pass word"),
            Certificate.make(folder / "smtp", host=SMTP.address),
            host=SMTP.address,
        )
        smtp.start()
        stack.callback(smtp.stop)
        university = University(folder, dovecot, smtp, cluster.database())
        stack.callback(university.end)
        began = time.monotonic()
        university.furnish(owners)
        print(f"{owners} owners, furnished after {time.monotonic() - began:.1f} s", flush=True)
        note(university.leases.store)
        scene = Scene(university, cluster, hosts, invitations, Logins(dovecot.folder / "dovecot.log"))
        try:
            scene.play()
        except (AssertionError, KeyboardInterrupt):
            for number in range(len(university.processes)):
                print(university.log(number)[-3000:])
            raise
        if keep := os.environ.get("RSVPD_SCALE_LOGS"):
            for log in folder.glob("*.log"):
                (Path(keep) / log.name).write_bytes(log.read_bytes())
        sys.exit(0 if scene.result() else 1)


if __name__ == "__main__":
    main()
