"""Whose owners these are: the processes that share a PostgreSQL, and what each of them holds.

A process lives as long as its row says, by the database's clock, and it alone can prolong that, never once it has run
out. So its id is the fence: an owner's rows are written only by a process that lives and has the owner by this token.
"""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import CLOCK_BOOTTIME, clock_gettime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    false,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from gateway.errors import JournalFailed, LeaseLost
from gateway.journal.store import Store, open_url

LASTS = 12.0  # seconds that a process lives on without a sign of life
MARGIN = 3.0  # seconds before that in which nothing is sent any more: the way to a mail server, and clocks that drift
_SHARING = "the sharing of owners"  # the name of the lock under which owners change hands

shared = MetaData()

# The processes that serve, or did; an id is never used again.
processes = Table(
    "processes",
    shared,
    Column("id", String(32), primary_key=True),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("beat", DateTime(timezone=True), nullable=False),  # the last sign of life
    Column("until", DateTime(timezone=True), nullable=False),
    Column("blind", Boolean, nullable=False, server_default=false()),  # it reaches no IMAP server
)

# Owners' files. A secret never stands in one.
owners = Table(
    "owners",
    shared,
    Column("name", String, primary_key=True),
    Column("folder", String, nullable=False),  # what relative paths in the text are relative to, on every host
    Column("text", String, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
)

# Beside the files, because these rows change whenever an owner changes hands.
holdings = Table(
    "holdings",
    shared,
    Column("owner", String, primary_key=True),
    Column("process", String(32), index=True),
    Column("token", BigInteger, nullable=False),  # counts the hands it went through
)

# What the owners granted at Google and Microsoft, as gateway.grants writes it.
grants = Table(
    "grants",
    shared,
    Column("owner", String, primary_key=True),
    Column("account", String, primary_key=True),
    Column("text", String),  # null: nobody signed in yet
    Column("turn", String(32)),  # whose it is to replace the grant
    Column("holds", Boolean),  # whether that is the process that holds the owner; else it is a command
    Column("until", DateTime(timezone=True)),  # after that, others may take the turn
)

# One row, kept by whoever puts an owner in or takes one out: each process asks it with every look at its share, and to
# count a million owners so often would be most of what the database does.
counts = Table(
    "owners_count",
    shared,
    Column("owners", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),  # so far
)

# Every process that some owner is said to be with, living or not: from one to the next in the index, since there are a
# few of them and perhaps a million rows.
_HOLDERS = text("""
    WITH RECURSIVE holders (process) AS (
        SELECT min(process) FROM holdings
        UNION ALL
        SELECT (SELECT min(process) FROM holdings WHERE process > holders.process)
        FROM holders WHERE holders.process IS NOT NULL
    )
    SELECT process FROM holders
    WHERE process IS NOT NULL AND process NOT IN (SELECT id FROM processes WHERE until > clock_timestamp())
""")


def now() -> float:
    """Seconds by a clock that nobody sets and that goes on while the machine sleeps."""
    return clock_gettime(CLOCK_BOOTTIME)


@dataclass(slots=True)
class Tenure:
    """A process's life in the database; once over it never begins again."""

    process: str = field(default_factory=lambda: uuid.uuid4().hex)
    ends: float = 0.0  # by now(); never later than the database has it
    over: bool = False

    @property
    def safe(self) -> bool:
        """Whether what is done at once is still done in time."""
        return not self.over and now() < self.ends - MARGIN


@dataclass(frozen=True, slots=True)
class Holding:
    """An owner in the hands of this process."""

    owner: str
    token: int
    tenure: Tenure

    def check(self) -> None:
        """LeaseLost when another may hold the owner by now; asks no database."""
        if not self.tenure.safe:
            raise LeaseLost(f"{self.owner} may be another process's by now; nothing is sent")

    @property
    def proof(self) -> Any:
        """The statement that finds a row as long as the owner is held; nobody takes it before the transaction ends."""
        return (
            select(holdings.c.token)
            .join(processes, processes.c.id == holdings.c.process)
            .where(
                holdings.c.owner == self.owner,
                holdings.c.process == self.tenure.process,
                holdings.c.token == self.token,
                processes.c.until > func.clock_timestamp(),
            )
            .with_for_update(read=True, of=holdings)
        )


@dataclass(frozen=True, slots=True)
class OwnersFile:
    """An owner's file as it stands in the table."""

    name: str
    folder: str
    text: str
    revision: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process as others see it; moments are the database's."""

    id: str
    host: str
    pid: int
    since: datetime
    beat: datetime
    living: bool
    held: int

    def as_json(self) -> dict[str, Any]:
        """The same for programs; moments are in ISO 8601."""
        moments = {"since": self.since.isoformat(timespec="seconds"), "beat": self.beat.isoformat(timespec="seconds")}
        return {"host": self.host, "pid": self.pid, "living": self.living, "owners": self.held, **moments}


@dataclass(frozen=True, slots=True)
class Leases:
    """The tables by which processes share owners; JournalFailed when they cannot be asked."""

    store: Store
    url: str

    @classmethod
    def at(cls, url: str) -> Leases:
        """The tables at a database URL, made if they are not there; PostgreSQL only."""
        store = open_url(url)
        if store.engine.dialect.name != "postgresql":
            raise JournalFailed(f"{store.engine.dialect.name} cannot be shared; only PostgreSQL can")
        with store.write() as connection:
            shared.create_all(connection)
            if connection.execute(select(counts)).first() is None:
                there = connection.execute(select(func.count()).select_from(owners)).scalar_one()
                connection.execute(insert(counts).values(owners=there, removed=0))
        return cls(store.of(_SHARING), url)

    # Living

    def begin(self) -> Tenure:
        """A new life."""
        tenure = Tenure(ends=now() + LASTS)
        row = {"id": tenure.process, "host": socket.gethostname(), "pid": os.getpid()}
        moment = func.clock_timestamp()
        with self.store.write() as connection:
            long_dead = processes.c.until < moment - text("interval '1 day'")
            connection.execute(delete(processes).where(long_dead))
            values = {**row, "since": moment, "beat": moment, "until": moment + text(f"interval '{LASTS} seconds'")}
            connection.execute(insert(processes).values(**values))
        return tenure

    def prolong(self, tenure: Tenure, *, blind: bool = False) -> None:
        """Live on, and tell whether the IMAP servers are out of reach; LeaseLost when it is too late for that."""
        began, moment = now(), func.clock_timestamp()
        alive = (processes.c.id == tenure.process, processes.c.until > moment)
        # Without the lock of those who take: a sign of life waits for nobody.
        with self.store.at_once() as connection:
            took = connection.execute(
                update(processes)
                .where(*alive)
                .values(beat=moment, until=moment + text(f"interval '{LASTS} seconds'"), blind=blind)
            )
        if took.rowcount != 1:
            raise LeaseLost("no sign of life came through for too long; others may serve these owners by now")
        tenure.ends = began + LASTS

    def end(self, tenure: Tenure) -> None:
        """Die in order: what is held is free at once."""
        tenure.over = True
        with self.store.write() as connection:
            connection.execute(delete(processes).where(processes.c.id == tenure.process))

    # Sharing

    def fair_share(self, *, blind: bool = False) -> int:
        """How many owners each living process should hold that sees; none who is blind, unless all are."""
        living = processes.c.until > func.clock_timestamp()
        query = select(func.count(), func.count().filter(processes.c.blind.is_(False))).where(living)
        with self.store.read() as connection:
            all_owners = int(connection.execute(select(counts.c.owners)).scalar_one())
            alive, seeing = connection.execute(query).one()
        if blind and seeing:
            return 0
        return -(-all_owners // max(1, int(seeing or alive)))

    def take(self, tenure: Tenure, most: int) -> list[tuple[Holding, OwnersFile]]:
        """Up to so many owners that nobody living holds."""
        with self.store.read() as connection:
            free = select(holdings.c.owner).where(_free(connection))
            if connection.execute(free.limit(1)).first() is None:
                return []
        # In no order: that of the names would be found by reading all who are not free.
        free = free.limit(most).with_for_update(skip_locked=True)
        with self.store.write() as connection:
            names = list(connection.execute(free).scalars())
            taken = (
                update(holdings)
                .where(holdings.c.owner.in_(names))
                .values(process=tenure.process, token=holdings.c.token + 1)
                .returning(holdings.c.owner, holdings.c.token)
            )
            tokens = {row.owner: row.token for row in connection.execute(taken)}
            # Who held them before writes nothing more, so nobody needs to wait for their turn to run out.
            left = (grants.c.owner.in_(names), grants.c.holds.is_(True))
            connection.execute(update(grants).where(*left).values(turn=None, until=None, holds=None))
            files = connection.execute(select(owners).where(owners.c.name.in_(names)).order_by(owners.c.name)).all()
        return [
            (Holding(row.name, tokens[row.name], tenure), OwnersFile(row.name, row.folder, row.text, row.revision))
            for row in files
        ]

    def give_back(self, given: list[Holding]) -> None:
        """Let others have these owners; of one that is another's by now nothing changes."""
        with self.store.write() as connection:
            for holding in given:
                mine = (holdings.c.process == holding.tenure.process, holdings.c.token == holding.token)
                connection.execute(
                    update(holdings).where(holdings.c.owner == holding.owner, *mine).values(process=None)
                )

    def removed(self) -> int:
        """How many owners were taken out of the table so far."""
        with self.store.read() as connection:
            return int(connection.execute(select(counts.c.removed)).scalar_one())

    def held(self, tenure: Tenure) -> set[str]:
        """The owners that are in the table as this process's."""
        with self.store.read() as connection:
            return set(
                connection.execute(select(holdings.c.owner).where(holdings.c.process == tenure.process)).scalars()
            )

    def processes(self) -> list[Process]:
        """Every process of the last day, those that live first."""
        held = select(func.count()).where(holdings.c.process == processes.c.id).scalar_subquery()
        living = (processes.c.until > func.clock_timestamp()).label("living")
        query = select(processes, living, held.label("held")).order_by(living.desc(), processes.c.since)
        with self.store.read() as connection:
            return [
                Process(
                    id=row.id, host=row.host, pid=row.pid, since=row.since.astimezone(UTC),
                    beat=row.beat.astimezone(UTC), living=row.living, held=row.held if row.living else 0,
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def holders(self) -> dict[str, str | None]:
        """Every owner, and the id of the living process that holds them."""
        query = (
            select(owners.c.name, processes.c.id)
            .outerjoin(holdings, holdings.c.owner == owners.c.name)
            .outerjoin(processes, (processes.c.id == holdings.c.process) & (processes.c.until > func.clock_timestamp()))
            .order_by(owners.c.name)
        )
        with self.store.read() as connection:
            return {row.name: row.id for row in connection.execute(query)}

    def nobodys(self) -> int:
        """How many owners no living process holds."""
        with self.store.read() as connection:
            free = select(func.count()).select_from(holdings).where(_free(connection))
            return int(connection.execute(free).scalar_one())

    # The owners' files

    def put(self, name: str, folder: str, content: str) -> bool:
        """Take in an owner's file, or a new version of it; False when it is there as it is."""
        with self.store.write() as connection:
            old = connection.execute(select(owners).where(owners.c.name == name)).first()
            if old is not None and (old.folder, old.text) == (folder, content):
                return False
            # Under the lock of write(), so that a higher number is never seen before a lower one.
            last = connection.execute(select(func.coalesce(func.max(owners.c.revision), 0))).scalar_one()
            row = {"folder": folder, "text": content, "revision": last + 1}
            connection.execute(
                insert(owners).values(name=name, **row).on_conflict_do_update(index_elements=["name"], set_=row)
            )
            connection.execute(insert(holdings).values(owner=name, token=0).on_conflict_do_nothing())
            if old is None:
                connection.execute(update(counts).values(owners=counts.c.owners + 1))
        return True

    def remove(self, name: str) -> bool:
        """Serve an owner no more; what the journal holds of them stays. False when there is none of this name."""
        with self.store.write() as connection:
            connection.execute(delete(grants).where(grants.c.owner == name))
            # The holding goes with it, and whoever has it can write nothing from then on.
            connection.execute(delete(holdings).where(holdings.c.owner == name))
            found = connection.execute(delete(owners).where(owners.c.name == name)).rowcount == 1
            if found:
                connection.execute(update(counts).values(owners=counts.c.owners - 1, removed=counts.c.removed + 1))
        return found

    def changed_since(self, revision: int) -> list[OwnersFile]:
        """Files that were put in after a revision, in that order."""
        query = select(owners).where(owners.c.revision > revision).order_by(owners.c.revision)
        with self.store.read() as connection:
            return [OwnersFile(row.name, row.folder, row.text, row.revision) for row in connection.execute(query)]

    def revision(self) -> int:
        """The latest."""
        with self.store.read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(owners.c.revision), 0))).scalar_one())

    def file(self, name: str) -> OwnersFile | None:
        """An owner's file; None when there is none of this name."""
        with self.store.read() as connection:
            row = connection.execute(select(owners).where(owners.c.name == name)).first()
        return OwnersFile(row.name, row.folder, row.text, row.revision) if row else None

    def files(self) -> list[OwnersFile]:
        """Every owner's file."""
        return sorted(self.changed_since(-1), key=lambda file: file.name)


def _free(connection: Connection) -> ColumnElement[bool]:
    # Who is dead stays so, and they are few: told by their ids, the index finds what they held. As a join it would be
    # found by reading every owner.
    dead = list(connection.execute(_HOLDERS).scalars())
    return or_(holdings.c.process.is_(None), holdings.c.process.in_(dead))
