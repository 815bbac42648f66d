"""The power is cut, at any step of an answer's way: what was not on disk is gone, and still nobody is answered twice.

A transaction that does not wait for the disk is on it with the next one that does, so what a cut leaves is the journal
as the last lasting transaction left it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Connection, event

from gateway.journal import Journal
from gateway.journal.store import open_url
from gateway.model import State
from tests import postgres
from tests.clock import Clock, watch_by
from tests.desk import STRANGER, Desk, _begin, _lone_owner
from tests.notifications import linkedin, old_linkedin
from tests.test_journal import LIMITS, NOW, due
from tests.test_story import DECLINED, Owner

__all__ = ["_begin", "_lone_owner"]  # the fixtures
_FULL = 2  # of SQLite's PRAGMA synchronous


@dataclass(frozen=True)
class Moment:
    """What was on disk after a transaction, and how many letters had gone out."""

    on_disk: Path
    letters: int


@dataclass
class Blackouts:
    """Notes at the end of each transaction what a power cut would leave."""

    journal: Path
    folder: Path
    letters: Callable[[], int]
    moments: list[Moment] = field(default_factory=list)
    _on_disk: Path | None = None
    _lasting: bool = False  # the transaction under way

    @contextmanager
    def noted(self, journal: Journal) -> Iterator[None]:
        engine = journal.store.engine
        listeners = (engine, "commit", self._ends), (engine.pool, "checkin", self._over)
        for listener in listeners:
            event.listen(*listener)
        try:
            yield
        finally:
            for listener in listeners:
                event.remove(*listener)

    def _ends(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        self._lasting = driver.execute("PRAGMA synchronous").fetchone() == (_FULL,)

    def _over(self, *_: object) -> None:
        if self._lasting:
            self._lasting = False
            self._on_disk = self.folder / str(len(self.moments))
            self._on_disk.mkdir(parents=True)
            for suffix in ("", "-wal"):
                shutil.copy2(f"{self.journal}{suffix}", self._on_disk)
        if self._on_disk:
            self.moments.append(Moment(self._on_disk, self.letters()))


def after_the_cut(moment: Moment, found: Desk, journal: Path) -> tuple[int, list[State]]:
    """How many letters have gone out when the service has been started again, and how the mails stand."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{journal}{suffix}").unlink(missing_ok=True)
    for file in moment.on_disk.iterdir():
        shutil.copy2(file, journal.parent)
    before = len(found.owner.smtp.delivered)
    watched = watch_by(Clock(found.clock.now + timedelta(hours=1)), found.config)
    try:
        watched.round.run()
        watched.round.run()
        states = [entry.state for entry in watched.round.journal.entries(*State)]
    finally:
        watched.round.close()
        watched.lock.release()
    return moment.letters + len(found.owner.smtp.delivered) - before, states


def test_a_power_cut_at_any_step_of_an_answer_repeats_none_and_hides_none(
    begin: Callable[..., Desk], tmp_path: Path
) -> None:
    found = begin(hold="0s")
    journal = tmp_path / "state" / "ada" / "journal.sqlite"
    cuts = Blackouts(journal, tmp_path / "cuts", lambda: len(found.owner.smtp.delivered))
    found.owner.deliver(old_linkedin(*STRANGER))
    with cuts.noted(found.journal):
        found.round()
    found.work.close()
    found.work.journal.rest()
    (journal.parent / "lock").unlink()

    outcomes = {}
    for moment in dict.fromkeys(cuts.moments):
        with found.owner.mailbox() as client:  # the second witness, without which the journal alone must know
            client.select_folder("Sent")
            client.delete_messages(client.search())
            client.expunge()
        outcomes[moment] = after_the_cut(moment, found, journal)

    assert {moment.letters for moment in outcomes} == {0, 1}
    for moment, (letters, states) in outcomes.items():
        (state,) = states
        assert (letters, state) in ((1, State.SENT), (1, State.UNCERTAIN), (0, State.UNCERTAIN)), moment
    assert (1, [State.UNCERTAIN]) in outcomes.values()  # cut between the dot and the word that it was taken


@pytest.mark.parametrize("moved", [True, False])
def test_a_power_cut_while_mails_are_filed_lays_no_paper_out_twice_and_decides_nothing(
    begin: Callable[..., Desk], tmp_path: Path, moved: bool
) -> None:
    found = begin(mode="draft")
    journal = tmp_path / "state" / "ada" / "journal.sqlite"
    cuts = Blackouts(journal, tmp_path / "cuts", lambda: 0)
    found.owner.deliver(old_linkedin(*STRANGER), linkedin("Nina Newcomer"))
    with cuts.noted(found.journal):
        found.round()
    papers = [len(found.owner.folder_of(folder)) for folder in ("Drafts", "Invitations/Review", DECLINED)]
    found.work.close()
    found.work.journal.rest()
    (journal.parent / "lock").unlink()

    if not moved:
        found.move(DECLINED, "INBOX")
    _, states = after_the_cut(cuts.moments[-1], found, journal)

    assert papers == [1, 1, 2]
    assert [len(found.owner.folder_of(folder)) for folder in ("Drafts", "Invitations/Review", DECLINED)] == papers
    assert states == [State.CLOSED, State.CLOSED]
    now = datetime.now(UTC)
    assert found.journal.chronicle.overruled(now - timedelta(days=1), now + timedelta(days=1)) == []


@pytest.fixture(autouse=True)
def _mailboxes(lone_owner: Owner) -> None:
    """The owner's folders are there before anything is looked at."""
    with lone_owner.mailbox() as client:
        for folder in ("Sent", "Drafts"):
            if not client.folder_exists(folder):
                client.create_folder(folder)


def test_a_postgresql_that_forgets_its_latest_at_a_crash_forgets_no_mark() -> None:
    """Many run theirs with synchronous_commit = off; what it acknowledged last is then gone when it crashes."""
    with TemporaryDirectory(prefix="rsvpd-postgresql-") as name:
        forgetful = "-c fsync=off -c synchronous_commit=off -c wal_writer_delay=10s"
        with postgres.running(Path(name), settings=forgetful) as cluster:
            journal = Journal(open_url(cluster.database()), "ada")
            entry = due(journal, "a")
            journal.claim(entry, LIMITS, NOW)
            journal.mark_dot(entry, NOW)
            journal.store.engine.dispose()

            cluster.stop()  # at once, as a crash would
            cluster.start()

            journal.recover(NOW)
            assert [found.state for found in journal.entries(*State)] == [State.UNCERTAIN]
            journal.store.engine.dispose()
