"""The owner's records as the service keeps them, from a real mailbox and real files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import update

from gateway.config import Config
from gateway.imap import Selected, Session, connect
from gateway.journal import Journal
from gateway.journal.index import PeopleIndex
from gateway.journal.schema import entries
from gateway.journal.store import Store
from gateway.model import Known, Note, NoteKind, Person
from gateway.people import look_up
from gateway.records import Records
from tests.certificates import HOST
from tests.clock import Clock
from tests.servers import Dovecot
from tests.submission import Login
from tests.test_journal import due

STOCK = Note(NoteKind.DEFAULT, None)


@dataclass
class World:
    """An owner's mailbox, files and records."""

    server: Dovecot
    login: Login
    folder: Path
    journal: Journal
    clock: Clock
    session: Session
    records: Records

    def append(self, folder: str, *mails: str) -> None:
        with IMAPClient(HOST, port=self.server.imap_port, ssl=False) as client:
            client.login(self.login.user, self.login.password)
            for mail in mails:
                client.append(folder, mail.replace("\n", "\r\n").encode())

    def refresh(self) -> None:
        self.clock.now += timedelta(hours=2)
        self.records.refresh(self.session)

    def known(self, name: str) -> tuple[Known, str]:
        dossier = look_up(Person(name=name), STOCK, self.records.index, names=("Ada Miller",))
        return dossier.known, dossier.why


@pytest.fixture
def world(dovecot: Dovecot, tmp_path: Path, store: Store) -> Iterator[World]:
    login = dovecot.user()
    (tmp_path / "password").write_text(login.password)
    (tmp_path / "book.vcf").write_text(card("Carla Known"))
    config = Config.model_validate(
        {
            "me": {"name": "Ada Miller", "addresses": "ada@example.org"},
            "evidence": {"contacts": str(tmp_path / "book.vcf")},
            "imap": {
                "host": HOST,
                "port": dovecot.imaps_port,
                "user": login.user,
                "password": {"file": str(tmp_path / "password")},
                "ca_file": str(dovecot.certificate.chain),
            },
        }
    )
    assert config.imap is not None
    session = connect(config.imap, config.imap.secret)
    journal, clock = Journal(store, "me"), Clock(datetime(2026, 11, 23, 8, tzinfo=UTC))
    records = Records(config, PeopleIndex(journal.store, "me"), journal, clock)
    yield World(dovecot, login, tmp_path, journal, clock, session, records)
    session.close()


def card(name: str) -> str:
    return f"BEGIN:VCARD\nVERSION:4.0\nFN:{name}\nEMAIL:{name.split()[0].lower()}@example.net\nEND:VCARD\n"


def sent(to: str, *, subject: str = "Workshop in Lyon") -> str:
    return f"From: ada@example.org\nTo: {to}\nDate: Mon, 03 Mar 2025 10:00:00 +0000\nSubject: {subject}\n\nHello.\n"


def received(sender: str, *, more: str = "") -> str:
    return (
        f"From: {sender}\nTo: ada@example.org\nDate: Tue, 04 Mar 2025 10:00:00 +0000\nSubject: Re: hello\n{more}\nHi.\n"
    )


def test_whom_the_owner_wrote_to_is_known_by_the_sent_folder(world: World) -> None:
    world.append("Sent", sent("Dora Written <dora@example.net>"))

    world.refresh()

    known, why = world.known("Dora Written")
    assert known is Known.YES
    assert "Workshop in Lyon" in why
    assert world.known("Carla Known")[0] is Known.YES
    assert world.known("Nina Newcomer")[0] is Known.NO


def test_only_what_is_new_in_a_folder_is_read_and_the_counts_add_up(world: World) -> None:
    world.append("Sent", sent("Dora Written <dora@example.net>"))
    world.refresh()
    world.append("Sent", sent("Dora Written <dora@example.net>", subject="Again"), sent("Emil New <emil@example.net>"))

    world.refresh()
    world.refresh()

    dora = world.records.index.find(["a:dora@example.net"])
    assert [(one.count, one.about) for one in dora] == [(2, "Again")] or sum(one.count for one in dora) == 2
    assert world.known("Emil New")[0] is Known.YES


def test_a_renumbered_folder_is_read_again_and_nothing_counts_twice(world: World) -> None:
    world.append("Sent", sent("Dora Written <dora@example.net>"))
    world.refresh()
    with IMAPClient(HOST, port=world.server.imap_port, ssl=False) as client:
        client.login(world.login.user, world.login.password)
        client.delete_folder("Sent")
        client.create_folder("Sent")
    world.append("Sent", sent("Emil New <emil@example.net>"))

    world.refresh()

    assert world.known("Dora Written")[0] is Known.NO
    assert world.known("Emil New")[0] is Known.YES


def test_mail_to_the_owner_alone_is_maybe(world: World) -> None:
    world.append("INBOX", received("Fred Oneway <fred@example.net>"))

    world.refresh()

    assert world.known("Fred Oneway")[0] is Known.MAYBE


def test_whoever_answered_a_decline_has_interacted(world: World) -> None:
    entry = due(world.journal, "a", "gina@example.net")
    world.journal.settle(entry, type(entry.state).SENT, world.clock())
    letter = f"<rsvpd.{'0' * 32}@example.org>"
    with world.journal.store.write() as connection:
        connection.execute(update(entries).values(letter_id=letter))
    world.append("INBOX", received("Gina Declined <gina@example.net>", more=f"In-Reply-To: {letter}\n"))

    world.refresh()

    assert world.known("Gina Declined")[0] is Known.YES


def test_an_answer_to_a_letter_that_never_was_proves_nothing(world: World) -> None:
    letter = f"<rsvpd.{'0' * 32}@example.org>"
    world.append("INBOX", received("Mallory Claims <mallory@example.net>", more=f"In-Reply-To: {letter}\n"))

    world.refresh()

    assert world.known("Mallory Claims")[0] is Known.MAYBE


def test_a_file_that_cannot_be_read_any_more_keeps_what_was_known(world: World) -> None:
    world.refresh()
    (world.folder / "book.vcf").unlink()

    world.refresh()

    assert world.known("Carla Known")[0] is Known.YES
    (state,) = [one for one in world.records.index.sources() if one.source == "book.vcf"]
    assert "book.vcf" in str(state)


def test_a_file_that_is_back_unchanged_is_no_trouble_any_more(world: World) -> None:
    book, away = world.folder / "book.vcf", world.folder / "away.vcf"
    world.refresh()
    book.rename(away)
    world.refresh()
    before = [source.source for source in world.records.index.sources() if source.fault]

    away.rename(book)
    world.refresh()

    assert before == ["book.vcf"]
    assert [source.source for source in world.records.index.sources() if source.fault] == []


def test_a_changed_file_is_read_again(world: World) -> None:
    world.refresh()
    (world.folder / "book.vcf").write_text(card("Hugo Fresh"))

    world.refresh()

    assert world.known("Hugo Fresh")[0] is Known.YES
    assert world.known("Carla Known")[0] is Known.NO


def test_a_forgotten_person_does_not_come_back(world: World) -> None:
    world.refresh()
    world.records.index.forget("Carla Known", world.clock())
    (world.folder / "book.vcf").write_text(card("Carla Known") + card("Hugo Fresh"))

    world.refresh()

    assert world.known("Carla Known")[0] is Known.NO
    assert world.known("Hugo Fresh")[0] is Known.YES


def test_folders_without_news_are_not_gone_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[str] = []
    usual = Session.select

    def select(self: Session, folder: str) -> Selected:
        gone.append(folder)
        return usual(self, folder)

    world.append("Sent", sent("Bob Known <bob@example.net>"))
    world.append("INBOX", received("Carla Known <carla@example.net>"))
    world.refresh()
    monkeypatch.setattr(Session, "select", select)
    world.refresh()
    without = list(gone)
    world.append("Sent", sent("Dora Known <dora@example.net>"))
    world.refresh()

    assert without == []
    assert gone == ["Sent", "INBOX"]
    assert world.known("Dora Known")[0] is Known.YES
