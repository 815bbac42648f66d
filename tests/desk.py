"""An owner at work: the service's rounds, one at a time under the test's clock, and a mail program beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from imapclient import IMAPClient

from gateway.config import Config
from gateway.journal import Journal
from gateway.model import Verdict
from gateway.round import Round
from tests.clock import Clock, watch_by
from tests.servers import Dovecot
from tests.submission import SmtpServer
from tests.test_story import Owner, owner_at

HOLD = timedelta(minutes=15)
STRANGER = ("Olga Stranger", "olga@somewhere.example")  # declined by policy
UNCLEAR = ("Sam Twice", "sam@three.example")  # needs-human
KNOWN = ("Carla Known", "carla@example.net")  # accept-candidate


@dataclass
class Desk:
    """An owner's rounds, one at a time, and the owner's mail program beside them."""

    owner: Owner
    config: Config
    work: Round
    clock: Clock

    def round(self, *, after: timedelta = timedelta(minutes=1)) -> None:
        self.clock.now += after
        self.work.run()

    def end_of_hold(self) -> None:
        self.round(after=HOLD)

    @property
    def journal(self) -> Journal:
        return self.work.journal

    @property
    def verdict(self) -> tuple[Verdict, str]:
        (case,) = self.journal.cases()
        return case.verdict, case.decided_by

    @property
    def answered(self) -> list[tuple[str, ...]]:
        return [letter.recipients for letter in self.owner.smtp.delivered]

    @property
    def today(self) -> tuple[datetime, datetime]:
        return self.clock.now - timedelta(days=1), self.clock.now + timedelta(days=1)

    @property
    def overruled(self) -> list[str]:
        return [why for _, why in self.journal.chronicle.overruled(*self.today)]

    def move(self, start: str, end: str, *, subject: str = "") -> None:
        with self.mail_program(start) as client:
            client.move(client.search(["SUBJECT", subject] if subject else "ALL"), end)

    def copy(self, start: str, end: str) -> None:
        with self.mail_program(start) as client:
            client.copy(client.search(), end)

    def delete(self, folder: str, *, expunge: bool = True) -> None:
        with self.mail_program(folder) as client:
            client.add_flags(client.search(), [b"\\Deleted"])
            if expunge:
                client.expunge()

    @contextmanager
    def mail_program(self, folder: str) -> Iterator[IMAPClient]:
        with self.owner.mailbox() as client:
            client.select_folder(folder)
            yield client

    def lies_in(self, *folders: str) -> list[int]:
        return [len(self.owner.folder_of(folder)) for folder in folders]


@contextmanager
def desk(owner: Owner, config: Config) -> Iterator[Desk]:
    """The parts of `rsvpd run` without its loop, and with a clock that the test moves."""
    clock = Clock(datetime.now(UTC))
    watched = watch_by(clock, config)
    try:
        yield Desk(owner, config, watched.round, clock)
    finally:
        watched.round.close()
        watched.lock.release()


@pytest.fixture(name="lone_owner")
def _lone_owner(dovecot: Dovecot, smtp_server: SmtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """An owner with a journal in a file, as most have it."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return owner_at(dovecot, smtp_server, tmp_path)


@pytest.fixture(name="begin")
def _begin(lone_owner: Owner) -> Iterator[Callable[..., Desk]]:
    """Makes a desk where the given mails have been judged and filed."""
    with ExitStack() as stack:

        def begin(*mails: bytes, hold: str = "15m", **settings: str) -> Desk:
            found = stack.enter_context(desk(lone_owner, lone_owner.config(hold=hold, **settings)))
            lone_owner.deliver(*mails)
            found.round()
            return found

        yield begin


@contextmanager
def journal_fails(journal: Journal, when: str) -> Iterator[None]:
    """The journal takes no change of an entry for which this holds."""
    with journal.store.write() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER full BEFORE UPDATE ON entries WHEN {when} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    try:
        yield
    finally:
        with journal.store.write() as connection:
            connection.exec_driver_sql("DROP TRIGGER full")
