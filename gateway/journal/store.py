"""The database under the journal: opened safely, written in short transactions, its events chained by hash."""

from __future__ import annotations

import functools
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    RowMapping,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import Pool, QueuePool
from sqlalchemy.util import LRUCache

from gateway.errors import JournalFailed, LeaseLost
from gateway.journal.prepared import Prepared, driver_of
from gateway.journal.schema import LAYOUT, events, metadata
from gateway.ownership import why_not_keep

_BUSY = 30_000  # milliseconds a writer waits for another
_CONNECTIONS = 8  # to a PostgreSQL that are kept; as many more at a rush
_FROZEN = 10_000  # milliseconds in which a transaction asks nothing before the server ends it
# libpq's, seconds but for the third, milliseconds: a network that swallows everything must show within a lease.
_PROMPT = {"connect_timeout": 3, "keepalives_idle": 3, "tcp_user_timeout": 6000, "keepalives_interval": 1,
           "keepalives_count": 3}  # fmt: skip
_ON_DISK = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_STATEMENTS = 500  # compiled ones that are kept, for all files together


_ALONE = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("owner"), 0)))


@dataclass(frozen=True, slots=True)
class Store:
    """One database, shared by the owners in it."""

    engine: Engine
    owner: str = ""
    _within: Connection | None = None  # set: a transaction that is under way
    proof: Any = None  # set: a statement that finds a row as long as this process may write (gateway.journal.leases)

    def of(self, owner: str) -> Store:
        """The same database for the rows of an owner."""
        return replace(self, owner=owner)

    def rest(self) -> None:
        """Let go of the connections to a file: a thousand owners who wait for mail would hold 700 MB."""
        if isinstance(self.engine, _File):
            self.engine.rest()

    @contextmanager
    def together(self, *, lasting: bool = True) -> Iterator[Store]:
        """One transaction around all that is done by the store it gives."""
        with self.write(lasting=lasting) as connection:
            yield replace(self, _within=connection)

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[Connection]:
        """A transaction that alone may write to the owner's rows; on return it is on disk.

        One that is not `lasting` outlives the process all the same, but a power cut may undo it, with whatever was
        written after it and nothing that was written before; the next lasting one puts it on disk, too. It is for what
        can be found out again, or is undone without harm.
        """
        try:
            if self._within is not None:
                yield self._within
                return
            with self.engine.connect() as connection, connection.begin():
                self._be_alone(connection, lasting=lasting)
                yield connection
        except self._failures as exc:
            raise JournalFailed(f"journal: {_plain(exc)}") from exc

    def _be_alone(self, connection: Connection, *, lasting: bool) -> None:
        """Have a transaction that just began to itself; LeaseLost when this process may not write any more."""
        if isinstance(self.engine, _File):
            driver = driver_of(connection)
            driver.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
            # A transaction that reads first and writes later would otherwise fail when another wrote in between.
            driver.execute("BEGIN IMMEDIATE")
        else:
            if not lasting:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            # SQLite lets one write at a time. Here, too, what a step looked at must hold until it is done:
            # the last event's hash, the budgets, the state of another mail of the same person.
            connection.execute(_ALONE, {"owner": self.owner})
        if self.proof is not None and connection.execute(self.proof).first() is None:
            raise LeaseLost(f"journal: {self.owner} is another process's by now")

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """A transaction that waits for no other writer; for a single statement that looks at nothing else."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except self._failures as exc:
            raise JournalFailed(f"journal: {_plain(exc)}") from exc

    @contextmanager
    def read(self) -> Iterator[Connection]:
        try:
            if self._within is not None:
                yield self._within
                return
            with self.engine.connect() as connection:
                self._see_one_state(connection)
                yield connection
        except self._failures as exc:
            raise JournalFailed(f"journal: {_plain(exc)}") from exc

    def _see_one_state(self, connection: Connection) -> None:
        if isinstance(self.engine, _File):
            connection.begin()
            driver_of(connection).execute("BEGIN")
        else:
            # Each statement sees what is committed by then, in a transaction or not; without, there are no BEGIN and
            # ROLLBACK to wait for.
            connection.execution_options(isolation_level="AUTOCOMMIT").begin()

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        """What SQLAlchemy raises, and the driver, and who finds what no longer is a date or JSON."""
        return SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error, ValueError


def _plain(exc: Exception) -> str:
    # SQLAlchemy's own text quotes the statement with its values: mail, addresses. So do the lines that PostgreSQL adds,
    # and what is said of a text that is no date or JSON any more.
    said = getattr(exc, "orig", None) or exc
    return type(said).__name__ if isinstance(said, SQLAlchemyError | ValueError) else str(said).partition("\n")[0]


def open_file(path: Path, *, whole: bool = True) -> Store:
    """The SQLite journal at a path, made if it is not there; JournalFailed if it cannot be trusted.

    Its pages are looked at only when it is to be `whole`.
    """
    _guard(path)
    store = open_url(f"sqlite:///{path}")
    if whole:
        check_pages(store)
    return store


def check_pages(store: Store) -> None:
    """JournalFailed when the pages of a journal in a file do not fit together."""
    path = Path(store.engine.url.database or "")
    try:
        with store.read() as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check").scalar()
    except JournalFailed as exc:
        raise JournalFailed(f"{path}: {exc}") from exc
    if verdict != "ok":
        raise JournalFailed(f"{path}: damaged ({verdict}); restore a backup from {path.parent}/backup")


def open_url(url: str) -> Store:
    """The journal at a database URL, its tables made if they are not there."""
    try:
        place = make_url(url)
        if place.drivername == "postgresql":
            place = place.set(drivername="postgresql+psycopg")
        engine = _engine_of_file(place) if place.drivername == "sqlite" else _engine_of_server(place)
    except ImportError:
        raise JournalFailed("journal url: PostgreSQL needs psycopg; pip install 'rsvpd[postgresql]'") from None
    except SQLAlchemyError as exc:
        raise JournalFailed(f"journal url: {exc}") from None
    store = Store(engine)
    if place.drivername == "sqlite":
        _furnish(store)
    elif engine not in _furnished:
        with store.write() as connection:
            metadata.create_all(connection)
        _furnished.add(engine)
    return store


_furnished: set[Engine] = set()  # databases on servers that have their tables


def _furnish(store: Store) -> None:
    """Make the tables of a file that are not there; a number in it says that all of them are."""
    with store.read() as connection:
        if connection.exec_driver_sql("PRAGMA user_version").scalar() == LAYOUT:
            return
    with store.write() as connection:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={LAYOUT}")


@functools.cache
def _engine_of_server(place: URL) -> Engine:
    """One engine for all owners of a database: each with a pool of their own would take all its connections."""
    # Among the values are mails and logins, which no traceback and no talkative log may quote.
    options: dict[str, Any] = {"pool_size": _CONNECTIONS, "max_overflow": _CONNECTIONS, "hide_parameters": True}
    engine = create_engine(place, connect_args=_PROMPT, **options)
    event.listen(engine, "connect", _on_our_terms)
    return engine


def _on_our_terms(connection: Any, _record: Any) -> None:
    # A process that is frozen within a transaction would keep its locks, and nobody could take its owners over.
    connection.execute(f"SET idle_in_transaction_session_timeout = {_FROZEN}")
    # A server may be set up to acknowledge commits that a crash of it takes back; a mark before a final dot that is
    # lost in one is a second answer. What waits for a second server as well is left so.
    connection.execute(_ON_DISK)
    connection.commit()


def _engine_of_file(place: URL) -> Engine:
    """An engine that shares what it can with those of the other owners' files: dialect and compiled statements."""
    model = _model()
    # As a create_engine() for each would make them; alone it takes 450 kB an owner.
    return _File(model.dialect, place, model.get_execution_options())


class _File(Engine):
    """An owner's file."""

    def __init__(self, dialect: Dialect, place: URL, options: Mapping[str, Any]) -> None:
        # Compiled statements are kept for all files together.
        super().__init__(_pool_of(dialect, place), dialect, place, query_cache_size=0, execution_options=options)

    @functools.cached_property
    def pool(self) -> Pool:  # type: ignore[override]  # it can be set, as any cached property
        return _pool_of(self.dialect, self.url)

    def rest(self) -> None:
        """Let go of the pool, too: those of a thousand who wait would hold 4 MB, empty as they are."""
        if pool := self.__dict__.pop("pool", None):
            pool.dispose()


def _pool_of(dialect: Dialect, place: URL) -> QueuePool:
    arguments, options = dialect.create_connect_args(place)
    return QueuePool(lambda: _durable(dialect.connect(*arguments, **options)))


@functools.cache
def _model() -> Engine:
    engine = create_engine("sqlite://", execution_options={"compiled_cache": LRUCache(_STATEMENTS)})
    engine.connect().close()  # only then a dialect knows all about its database
    engine.dispose()
    return engine


def _guard(path: Path) -> None:
    """The journal is the owner's alone: no link, no foreign owner, nobody else may read it or its folder."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if why := why_not_keep(path.parent, is_folder=True):
            raise JournalFailed(f"{path.parent}: {why}")
        for file in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
            if (file.exists() or file.is_symlink()) and (why := why_not_keep(file)):
                raise JournalFailed(f"{file}: {why}")
        _make(path)
    except OSError as exc:
        raise JournalFailed(f"{path}: cannot be used ({exc.strerror})") from None


def _make(path: Path) -> None:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600))


def _durable(connection: Any) -> Any:
    # Store begins transactions; the driver must not.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # NORMAL loses acknowledged commits at a power cut, and a lost claim is a second answer.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY}")
    cursor.close()
    return connection


_LAST_HASH = Prepared(
    select(events.c.hash).where(events.c.owner == bindparam("owner")).order_by(events.c.id.desc()).limit(1)
)
_HAPPENED = Prepared(insert(events).inline(), columns=["owner", "at", "entry_id", "case_id", "what", "why", "hash"])
_CHAIN = select(events).where(events.c.owner == bindparam("owner")).order_by(events.c.id)


def append(
    connection: Connection,
    *,
    owner: str,
    at: datetime,
    what: str,
    why: str = "",
    entry_id: int | None = None,
    case_id: int | None = None,
) -> None:
    """Add an event; its hash covers the owner's event before it, so that none can be taken out unseen."""
    happened = {"what": what, "why": why, "entry_id": entry_id, "case_id": case_id}
    append_all(connection, [happened], owner=owner, at=at)


def append_all(connection: Connection, happened: Iterable[dict[str, Any]], *, owner: str, at: datetime) -> None:
    """Add events of one moment in their order: each with `what`, `why`, `entry_id` and `case_id`."""
    before = _LAST_HASH.scalar(connection, {"owner": owner}) or ""
    rows = []
    for one in happened:
        row = {"owner": owner, "at": at, **one}
        before = link(before, row)
        rows.append({**row, "hash": before})
    if rows:
        _HAPPENED.run_for_each(connection, rows)


def first_broken_event(connection: Connection, owner: str) -> int | None:
    """The id of the first event whose hash does not fit, None when the chain is whole."""
    before = ""
    for found in connection.execute(_CHAIN, {"owner": owner}).mappings():
        if found["hash"] != link(before, found):
            return int(found["id"])
        before = found["hash"]
    return None


def link(before: str, row: Mapping[str, Any] | RowMapping) -> str:
    """The hash of an event, over its own words and the hash of the event before it."""
    text = "\x1f".join([before, *(str(row[name]) for name in ("at", "case_id", "entry_id", "owner", "what", "why"))])
    return hashlib.sha256(text.encode()).hexdigest()


def backup(store: Store, target: Path) -> None:
    """Write a compact copy of a SQLite journal and prove that it can be read; the copy is the owner's alone."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600))
    raw = store.engine.raw_connection()
    try:
        raw.cursor().execute("VACUUM INTO ?", (str(target),))
    finally:
        raw.close()
    with closing(sqlite3.connect(target)) as copy:
        verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
        complete = copy.execute("SELECT count(*) FROM events").fetchone() is not None
    if verdict != "ok" or not complete:
        target.unlink(missing_ok=True)
        raise JournalFailed(f"backup {target} is not sound ({verdict}); removed")
