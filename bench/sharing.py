"""Owners shared by one, two and three processes: how much they get done, what of, and what a million owners would take.

    python -m bench.sharing [OWNERS [INVITATIONS]]

Dovecot, PostgreSQL (with fsync, as in earnest), a mail server that keeps what it gets, and the processes are all on
this machine, so the seconds of CPU tell more than the rate. Each answer is looked for by its address: none may be lost,
none go out twice. It prints tables and takes some six minutes on two cores.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from bench.idle import MANY
from bench.measure import resident, tell
from gateway.config import Imap
from gateway.records import EVERY
from tests import postgres
from tests.certificates import Certificate
from tests.notifications import old_linkedin
from tests.servers import Dovecot, running
from tests.sharing import University, until
from tests.submission import Login, SmtpServer

_OWNERS, _INVITATIONS, _PROCESSES = 60, 1200, (1, 2, 3)
_PATIENCE = 1800.0
_WATCHED = 60.0  # seconds in which nothing happens
_TICK = 60.0  # seconds between two looks of the service at its clock
_TOLD = 12.0  # seconds after which PostgreSQL's connections have told what they did
_COUNTED = "-c shared_preload_libraries=pg_stat_statements"
_NO_LIMIT = "per_hour = 1000000\nper_day = 1000000\n"
_POLL = 10.0  # seconds, of the owners who are only watched
_MILLION = 1_000_000
_A_MONTH, _A_YEAR = 10, 120  # invitations of an owner
_MONTH = 30 * 86400.0
_STATEMENTS, _RSVPD, _POSTGRES = map(attrgetter, ("statements", "rsvpd", "postgres"))
# Where the seconds of CPU go.
RSVPD, POSTGRES, DOVECOT, SINK = PARTS = ("rsvpd", "PostgreSQL", "Dovecot", "this bench and its mail server")


@dataclass(frozen=True, slots=True)
class Load:
    """What was used up to a moment."""

    at: float
    cpu: dict[str, float]  # seconds
    statements: int  # BEGIN and COMMIT among them
    transactions: int
    wal: int  # bytes
    scanned: int  # rows read without an index

    @property
    def rsvpd(self) -> float:
        """Seconds of CPU."""
        return self.cpu[RSVPD]

    @property
    def postgres(self) -> float:
        """The same."""
        return self.cpu[POSTGRES]

    def since(self, before: Load) -> Load:
        return Load(
            self.at - before.at,
            {part: seconds - before.cpu[part] for part, seconds in self.cpu.items()},
            self.statements - before.statements,
            self.transactions - before.transactions,
            self.wal - before.wal,
            self.scanned - before.scanned,
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands in a table."""

    rows: int
    bytes: int  # with its indexes


@dataclass(slots=True)
class Observer:
    """Looks at a database from beside it, so that its own questions are not counted."""

    url: str
    connections: int = 0  # at most
    _over: Event = field(default_factory=Event)

    @property
    def name(self) -> str:
        return str(make_url(self.url).database)

    @contextmanager
    def _asking(self, database: str) -> Iterator[psycopg.Connection]:
        place = make_url(self.url)
        with psycopg.connect(
            dbname=database, host=str(place.query["host"]), user=str(place.query["user"]), autocommit=True
        ) as connection:
            yield connection

    def database(self) -> tuple[int, int, int]:
        """Statements, transactions, and bytes of WAL so far."""
        with self._asking("postgres") as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            found = connection.execute(
                "SELECT (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE dbid = d.datid)::bigint,"
                " xact_commit, (pg_current_wal_lsn() - '0/0')::bigint FROM pg_stat_database d WHERE datname = %s",
                (self.name,),
            ).fetchone()
        assert found
        return found

    def scanned(self) -> int:
        """Rows that were read without an index so far."""
        with self._asking(self.name) as connection:
            found = connection.execute("SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables")
            return int(found.fetchall()[0][0])

    def tables(self) -> dict[str, Kept]:
        """What stands in each."""
        with self._asking(self.name) as connection:
            names = [name for (name,) in connection.execute("SELECT relname FROM pg_stat_user_tables")]
            counted = sql.SQL("SELECT count(*), pg_total_relation_size({}::regclass) FROM {}")
            return {
                name: Kept(*connection.execute(counted.format(name, sql.Identifier(name))).fetchall()[0])
                for name in names
            }

    def mails(self) -> int:
        """Bytes of the mails themselves, which are dropped after 90 days."""
        with self._asking(self.name) as connection:
            return int(connection.execute("SELECT coalesce(sum(pg_column_size(raw)), 0) FROM entries").fetchall()[0][0])

    def rounds(self) -> int:
        """How many owners had one."""
        with self._asking(self.name) as connection:
            return int(connection.execute("SELECT count(*) FROM facts WHERE name = 'upkeep'").fetchall()[0][0])

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Look all the time how many connections there are to the database."""
        thread = Thread(target=self._count, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _count(self) -> None:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
        with self._asking("postgres") as connection:
            while not self._over.wait(0.5):
                self.connections = max(self.connections, connection.execute(asked, (self.name,)).fetchall()[0][0])


@dataclass(slots=True)
class Scene:
    """A database with owners, and the processes that share them."""

    university: University
    cluster: postgres.Postgres
    observer: Observer
    started: float = 0.0  # MB of memory of a process without owners
    empty: dict[str, Kept] = field(default_factory=dict)

    @property
    def owners(self) -> int:
        return len(self.university.logins)

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        return self.university.processes

    def load(self) -> Load:
        cpu = {
            RSVPD: family(*(process.pid for process in self.processes)),
            POSTGRES: family(self.cluster.pid),
            DOVECOT: family(self.university.dovecot.pid),
            SINK: time.process_time(),
        }
        return Load(time.monotonic(), cpu, *self.observer.database(), self.observer.scanned())

    def begin(self, processes: int) -> None:
        """Start the processes, without owners."""
        assert self.university.leases.processes() == []
        for _ in range(processes):
            self.university.begin()
        until(lambda: len(self.university.held()) == processes, "all processes to live", _PATIENCE)
        self.started = max(resident(process.pid) for process in self.processes)
        self.empty = self.observer.tables()

    def put_in(self) -> None:
        """Give the owners to processes that live already: none takes more than its fair share."""
        self.university.put_in()
        until(lambda: self.university.shared_by(*self.processes), "fair shares", _PATIENCE)


@dataclass(frozen=True, slots=True)
class Idle:
    """Owners to whom nothing happens."""

    owners: int
    looks: Load  # of some time in which each was looked at every poll
    rounds: Load  # the same, with a whole round of each
    living: Load  # of a process without owners
    started: float
    memory: float  # MB
    tables: dict[str, Kept]  # an owner's, times the owners

    def a_look(self, amount: Callable[[Load], float]) -> float:
        """What a look at an owner takes of something."""
        return self._of_owners(self.looks, amount) / self.looks.at * _POLL

    def a_round(self, amount: Callable[[Load], float]) -> float:
        """What a whole round takes in which nothing is to do."""
        return max(0.0, self._of_owners(self.rounds, amount) - self.a_look(amount) * self.rounds.at / _POLL)

    def _of_owners(self, load: Load, amount: Callable[[Load], float]) -> float:
        """An owner's part, without what a process takes that has none."""
        return max(0.0, amount(load) - amount(self.living) / self.living.at * load.at) / self.owners


@dataclass(frozen=True, slots=True)
class Busy:
    """A backlog that was answered."""

    processes: int
    answers: int  # of which the load is
    seconds: float  # to the last answer
    load: Load  # until all was filed, too
    connections: int
    machine: float  # cores in use, whoever used them
    tables: dict[str, Kept]
    mails: int
    invitations: int

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    def each(self, amount: float) -> float:
        """Of one invitation."""
        return amount / self.answers


def family(*pids: int) -> float:
    """Seconds of CPU of processes and all their children; what ended counts with who waited for it."""
    children, used = defaultdict[int, list[int]](list), dict[int, float]()
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children[int(fields[1])].append(int(file.parent.name))
        used[int(file.parent.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def of(pid: int) -> float:
        return used.get(pid, 0.0) + sum(map(of, children[pid]))

    return sum(map(of, pids))


def _in_use() -> float:
    """Seconds for which the machine's cores were in use, together."""
    fields = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # all but idle and iowait


def idle(scene: Scene) -> Idle:
    """Watch owners to whom nothing happens, in one process."""
    university, observer = scene.university, scene.observer
    for file in university.files.glob("*.toml"):
        file.write_text(file.read_text().replace("[imap]\n", f'[imap]\npoll = "{_POLL:.0f}s"\n'))
    scene.begin(1)
    before = scene.load()
    time.sleep(_TOLD)
    living = scene.load().since(before)
    scene.put_in()
    until(lambda: observer.rounds() == scene.owners, "all first rounds", _PATIENCE, 1.0)
    time.sleep(3 * _POLL)  # after a first round, in which the journal is begun, comes another
    before = scene.load()
    time.sleep(_WATCHED)
    looks = scene.load().since(before)
    for name in university.logins:
        bell = university.folder / "state0" / name / "bell"
        bell.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        bell.touch()
    before = scene.load()
    time.sleep(_TICK + _TOLD)
    rounds = scene.load().since(before)
    return Idle(
        scene.owners, looks, rounds, living, scene.started, resident(scene.processes[0].pid),
        _grown(scene.empty, observer.tables()),
    )  # fmt: skip


def _grown(before: dict[str, Kept], after: dict[str, Kept]) -> dict[str, Kept]:
    none = Kept(0, 0)
    return {
        name: Kept(kept.rows - before.get(name, none).rows, kept.bytes - before.get(name, none).bytes)
        for name, kept in after.items()
    }


def busy(scene: Scene, processes: int, invitations: int) -> Busy:
    """Have a backlog answered."""
    university, observer = scene.university, scene.observer
    logins = list(university.logins.values())
    strangers = [f"peer{number}@domain{number}.example" for number in range(invitations)]
    for number, stranger in enumerate(strangers):
        university.dovecot.drop(logins[number % len(logins)], old_linkedin(f"Peer N{number}", stranger))
    delivered = university.smtp.delivered
    delivered.clear()
    with observer.counting():
        scene.begin(processes)
        scene.put_in()
        before, in_use, done = scene.load(), _in_use(), len(delivered)
        until(lambda: len(delivered) >= invitations, "the last answer", _PATIENCE)
        seconds, in_use = time.monotonic() - before.at, _in_use() - in_use
        time.sleep(_TOLD)
    load = scene.load().since(before)
    sent = Counter(address for mail in delivered for address in mail.recipients)
    assert sent == Counter(strangers), "an answer was lost, or went out twice"
    return Busy(
        processes, invitations - done, seconds, load, observer.connections, in_use / seconds,
        _grown(scene.empty, observer.tables()), observer.mails(), invitations,
    )  # fmt: skip


def _row(what: str, *figures: str) -> None:
    print(f"{what:58}" + "".join(f"{figure:>12}" for figure in figures), flush=True)


def tell_of_idle(found: Idle) -> None:
    beat = found.living
    print(f"{found.owners} idle owners, one process")
    _row("  statements a second of a process without owners", f"{beat.statements / beat.at:.1f}")
    _row("  transactions a second of it", f"{beat.transactions / beat.at:.1f}")
    _row("  rows it reads without an index, a second", f"{beat.scanned / beat.at:.1f}")
    _row("  statements of a look at an owner, every poll", f"{found.a_look(_STATEMENTS):.1f}")
    _row("  statements of a round without anything to do, every hour", f"{found.a_round(_STATEMENTS):.1f}")
    _row("  ms of CPU of such a round: rsvpd", f"{1000 * found.a_round(_RSVPD):.1f}")
    _row("  ms of CPU of such a round: PostgreSQL", f"{1000 * found.a_round(_POSTGRES):.1f}")
    _row("  memory of a process without owners, MB", f"{found.started:.0f}")
    _row("  memory an owner, MB", f"{(found.memory - found.started) / found.owners:.2f}")
    _row("  rows an owner", f"{sum(kept.rows for kept in found.tables.values()) / found.owners:.1f}")
    _row("  kB an owner", f"{sum(kept.bytes for kept in found.tables.values()) / found.owners / 1000:.1f}")


def tell_of_busy(found: list[Busy]) -> None:
    _row("processes", *(f"{one.processes}" for one in found))
    _row("  invitations answered a second", *(f"{one.rate:.1f}" for one in found))
    _row("  cores in use", *(f"{one.machine:.2f}" for one in found))
    for part in PARTS:
        _row(f"  ms of CPU an invitation: {part}", *(f"{1000 * one.each(one.load.cpu[part]):.1f}" for one in found))
    _row("  statements an invitation", *(f"{one.each(one.load.statements):.1f}" for one in found))
    _row("  transactions an invitation", *(f"{one.each(one.load.transactions):.1f}" for one in found))
    _row("  kB of WAL an invitation", *(f"{one.each(one.load.wal) / 1000:.1f}" for one in found))
    _row("  connections to PostgreSQL at most, all together", *(f"{one.connections}" for one in found))


def of_an_invitation(busy: Busy, idle: Idle, owners: int) -> dict[str, Kept]:
    """What invitations left behind in each table, all of them together: without what an idle owner has."""
    of_owners = {
        name: Kept(kept.rows * owners // idle.owners, kept.bytes * owners // idle.owners)
        for name, kept in idle.tables.items()
    }
    return {name: kept for name, kept in _grown(of_owners, busy.tables).items() if kept.rows > 0}


def tell_of_tables(left: dict[str, Kept], busy: Busy) -> None:
    print("an invitation leaves, with the indexes:")
    for name, kept in sorted(left.items(), key=lambda item: -item[1].bytes):
        rows, size = kept.rows / busy.invitations, kept.bytes / busy.invitations / 1000
        _row(f"  {name}", f"{rows:.2f} rows", f"{size:.2f} kB")
    _row("  of which the mail itself", "", f"{busy.mails / busy.invitations / 1000:.2f} kB")


def tell_of_a_million(idle: Idle, found: list[Busy], left: dict[str, Kept]) -> None:
    """What follows for a million owners with ten invitations a month each."""
    one, last = found[0], found[-1]
    rate = _MILLION * _A_MONTH / _MONTH
    poll = Imap.model_fields["poll"].default.total_seconds()
    looks, rounds = _MILLION / poll, _MILLION / EVERY.total_seconds()
    rows = sum(kept.rows for kept in left.values()) / last.invitations
    size = sum(kept.bytes for kept in left.values()) / last.invitations
    mails = last.mails / last.invitations
    of_owners = sum(kept.bytes for kept in idle.tables.values()) / idle.owners
    print("a million owners, ten invitations a month each:")
    _row("  invitations a second", f"{rate:.2f}")
    _row("  processes for that, by the rate of one", f"{math.ceil(rate / one.rate)}")
    _row("  statements a second for invitations", f"{rate * one.each(one.load.statements):,.0f}")
    _row("  transactions a second for invitations", f"{rate * one.each(one.load.transactions):,.0f}")
    _row("  statements a second for looks", f"{looks * idle.a_look(_STATEMENTS):,.0f}")
    _row("  statements a second for rounds without anything to do", f"{rounds * idle.a_round(_STATEMENTS):,.0f}")
    _row("  statements a second of 100 processes' leases", f"{100 * idle.living.statements / idle.living.at:,.0f}")
    for part, amount in ((RSVPD, _RSVPD), (POSTGRES, _POSTGRES)):
        cores = rate * one.each(amount(one.load)), rounds * idle.a_round(amount) + looks * idle.a_look(amount)
        _row(f"  cores for invitations, and for what is idle: {part}", *(f"{number:.1f}" for number in cores))
    _row("  WAL a second for invitations, MB", f"{rate * one.each(one.load.wal) / 1e6:.2f}")
    _row("  rows a year, millions", f"{rows * _MILLION * _A_YEAR / 1e6:,.0f}")
    _row("  disk a year without the mails, GB", f"{(size - mails) * _MILLION * _A_YEAR / 1e9:,.0f}")
    _row("  disk of the mails of 90 days, GB", f"{mails * _MILLION * 3 * _A_MONTH / 1e9:,.0f}")
    _row("  disk of the owners, GB", f"{of_owners * _MILLION / 1e9:,.0f}")


def main() -> None:
    owners = int(sys.argv[1]) if len(sys.argv) > 1 else _OWNERS
    invitations = int(sys.argv[2]) if len(sys.argv) > 2 else _INVITATIONS
    print(f"{owners} owners, {invitations} invitations; {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory(prefix="rsvpd-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("dovecot", "postgres", "smtp"):
            (folder / part).mkdir()
        many = MANY.format(limit=16 * owners + 200)
        dovecot = stack.enter_context(running(Dovecot(folder / "dovecot", extra=many)))
        cluster = stack.enter_context(postgres.running(folder / "postgres", settings=_COUNTED))
        smtp = SmtpServer(Login("ada@example.org", "pass word"), Certificate.make(folder / "smtp"))
        smtp.start()
        stack.callback(smtp.stop)

        @contextmanager
        def scene(title: str) -> Iterator[Scene]:
            tell(title)
            place = folder / title.replace(" ", "-")
            place.mkdir()
            university = University(place, dovecot, smtp, cluster.database())
            try:
                university.lay_out(owners, _NO_LIMIT)
                yield Scene(university, cluster, Observer(university.url))
            except BaseException:
                for number in range(len(university.processes)):
                    print(university.log(number)[-3000:], file=sys.stderr)
                raise
            finally:
                university.end()

        with scene("idle owners") as stage:
            idle_ones = idle(stage)
        tell_of_idle(idle_ones)
        busy_ones = []
        for processes in _PROCESSES:
            with scene(f"{processes} at work") as stage:
                busy_ones.append(busy(stage, processes, invitations))
        tell_of_busy(busy_ones)
        left = of_an_invitation(busy_ones[-1], idle_ones, owners)
        tell_of_tables(left, busy_ones[-1])
        tell_of_a_million(idle_ones, busy_ones, left)


if __name__ == "__main__":
    main()
