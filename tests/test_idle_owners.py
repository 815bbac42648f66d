"""What is asked of the database for owners to whom nothing happens: a million of them must not be its whole work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from gateway.journal.leases import Leases
from gateway.journal.store import Store
from gateway.pipeline import PAUSED
from gateway.watches import Watch
from tests.clock import Clock, watch_by
from tests.notifications import old_linkedin
from tests.postgres import Postgres
from tests.servers import Dovecot
from tests.submission import SmtpServer
from tests.test_story import Owner, owner_at

POLL = timedelta(minutes=5, seconds=1)
_LOOKED_AT = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"


@pytest.fixture
def leases(cluster: Postgres) -> Leases:
    """Of 6,000 owners: 300 are a process's that has died, the others a living one's."""
    made = Leases.at(cluster.database())
    living, dead = made.begin(), made.begin()
    with made.store.write() as connection:
        numbers = "FROM generate_series(1, 6000) AS number"
        connection.execute(text(f"INSERT INTO owners SELECT 'owner' || number, '/etc/rsvpd', '', number {numbers}"))
        held = text(
            "INSERT INTO holdings SELECT 'owner' || number,"
            f" CASE WHEN number % 20 = 0 THEN :dead ELSE :living END, 1 {numbers}"
        )
        connection.execute(held, {"living": living.process, "dead": dead.process})
        connection.execute(text("UPDATE owners_count SET owners = 6000"))
    made.end(dead)
    with made.store.at_once() as connection:
        connection.execute(text("ANALYZE"))
    return made


@contextmanager
def rows_read(leases: Leases) -> Iterator[tuple[Leases, list[int]]]:
    """The same in one transaction, and how many rows it looked at."""
    counted: list[int] = []
    with leases.store.together() as store, store.read() as connection:
        before = connection.execute(text(_LOOKED_AT)).scalar_one()  # with what the connection has not told of yet
        yield replace(leases, store=store), counted
        counted.append(int(connection.execute(text(_LOOKED_AT)).scalar_one() - before))


def test_what_a_look_at_the_shares_reads_does_not_grow_with_the_owners(leases: Leases) -> None:
    tenure = leases.begin()
    while leases.take(tenure, 1000):
        pass

    with rows_read(leases) as (within, rows):
        assert within.take(tenure, 250) == []
        assert within.fair_share() == 3000
        assert within.removed() == 0
        assert within.changed_since(6000) == []

    assert rows[0] < 100


def test_what_the_dead_had_is_found_without_reading_what_the_living_have(leases: Leases) -> None:
    tenure = leases.begin()

    with rows_read(leases) as (within, rows):
        taken = within.take(tenure, 20)

    assert len({file.name for _, file in taken}) == 20
    assert all(int(file.name.removeprefix("owner")) % 20 == 0 for _, file in taken)
    assert rows[0] < 1000
    assert leases.nobodys() == 280


def test_the_count_of_owners_is_kept_by_who_puts_them_in_and_takes_them_out(cluster: Postgres) -> None:
    url = cluster.database()
    leases = Leases.at(url)
    leases.begin()

    for name in ("ada", "bea", "ada", "cleo"):
        leases.put(name, "/etc/rsvpd", f"another of {name}'s")
    leases.put("bea", "/etc/rsvpd", "a new version")
    leases.remove("ada")
    leases.remove("ada")

    assert (leases.fair_share(), leases.removed()) == (2, 1)
    with leases.store.at_once() as connection:  # as they were before there was a count
        connection.execute(text("DELETE FROM owners_count"))
    assert Leases.at(url).fair_share() == 2


@pytest.fixture
def ada(cluster: Postgres, dovecot: Dovecot, smtp_server: SmtpServer, tmp_path: Path) -> Iterator[Owner]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
        yield owner_at(dovecot, smtp_server, tmp_path, cluster.database())


@contextmanager
def looked_after(owner: Owner, clock: Clock) -> Iterator[Watch]:
    """The owner's watch after two rounds: in the first, the journal is begun."""
    watch = watch_by(clock, owner.config())
    try:
        for _ in range(2):
            watch.round.run()
            clock.now += POLL
        yield watch
    finally:
        watch.round.close()
        watch.lock.release()


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """What is asked."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def test_a_look_at_an_owner_to_whom_nothing_happened_asks_the_database_once(ada: Owner) -> None:
    clock = Clock(datetime(2026, 11, 25, 8, 0, tzinfo=UTC))
    with looked_after(ada, clock) as watch, statements(watch.round.journal.store) as asked:
        for _ in range(3):
            watch.round.turn()
            clock.now += POLL

    assert len(asked) == 3


def test_what_is_written_on_another_host_is_heeded_at_the_next_look(ada: Owner) -> None:
    clock = Clock(datetime(2026, 11, 25, 8, 0, tzinfo=UTC))
    with looked_after(ada, clock) as watch:
        journal = watch.round.journal
        journal.set_fact(PAUSED, clock.now.isoformat())
        ada.deliver(old_linkedin("Olga Peer", "olga@somewhere.example"))
        for _ in range(2):
            watch.round.run()
            clock.now += POLL
        watch.round.turn()
        clock.now += POLL
        while_paused = len(ada.smtp.delivered)

        journal.set_fact(PAUSED, None)
        watch.round.turn()

    assert while_paused == 0
    assert [mail.recipients for mail in ada.smtp.delivered] == [("olga@somewhere.example",)]
