"""The daily upkeep of the journal."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import JournalFailed
from gateway.journal import Journal
from gateway.journal.store import open_file
from gateway.model import State
from gateway.upkeep import KEPT_BACKUPS, MAILS_KEPT, Upkeep
from tests.test_journal import NOW, due


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(open_file(tmp_path / "journal.sqlite"), "ada")


def upkeep(journal: Journal, folder: Path, now: datetime) -> None:
    Upkeep(journal, folder / "backup", lambda: now).daily()


def test_a_day_has_one_backup_and_a_week_of_them_is_kept(journal: Journal, tmp_path: Path) -> None:
    due(journal, "a")

    for hours in range(0, 24 * 10, 6):
        upkeep(journal, tmp_path, NOW + timedelta(hours=hours))

    names = sorted(file.name for file in (tmp_path / "backup").iterdir())
    assert len(names) == KEPT_BACKUPS
    assert names[-1] == f"journal-{NOW + timedelta(hours=24 * 9 + 18):%Y-%m-%d}.sqlite"
    copy = sqlite3.connect(tmp_path / "backup" / names[-1])
    assert copy.execute("SELECT state FROM entries").fetchall() == [("due",)]


def test_old_mails_go_and_what_was_decided_stays(journal: Journal, tmp_path: Path) -> None:
    closed, waiting = due(journal, "a", slug="a"), due(journal, "b", slug="b")
    journal.settle(closed, State.SENT, NOW)

    upkeep(journal, tmp_path, NOW + MAILS_KEPT + timedelta(seconds=1))

    assert journal.raw(closed) is None
    assert journal.entry(closed.id).judgement is not None
    assert journal.raw(waiting) == b"raw"


def test_a_backup_that_cannot_be_written_is_told_and_tried_again(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "backup").write_text("in the way")
    upkeep(journal, tmp_path, NOW)
    assert "no backup" in caplog.text

    (tmp_path / "backup").unlink()
    upkeep(journal, tmp_path, NOW)

    assert len(list((tmp_path / "backup").iterdir())) == 1


def test_a_journal_that_was_tampered_with_is_not_served(journal: Journal) -> None:
    due(journal, "a")
    with journal.store.write() as connection:
        connection.exec_driver_sql("UPDATE events SET why = 'nothing' WHERE what = 'decline'")

    with pytest.raises(JournalFailed, match="was changed"):
        journal.verify()


def test_all_of_the_journal_is_looked_at_once_a_day_and_what_was_changed_stops_every_round(
    journal: Journal, tmp_path: Path
) -> None:
    due(journal, "a")
    daily = Upkeep(journal, tmp_path / "backup", lambda: clock[0])
    clock = [NOW]
    daily.daily()
    with journal.store.write() as connection:
        connection.exec_driver_sql("UPDATE events SET why = 'nothing' WHERE what = 'decline'")
    clock[0] += timedelta(hours=1)
    daily.daily()

    clock[0] += timedelta(days=1)
    for _ in range(3):
        clock[0] += timedelta(minutes=1)
        with pytest.raises(JournalFailed, match="was changed"):
            daily.daily()

    assert len(list((tmp_path / "backup").iterdir())) == 1  # none of what is not sound


def test_a_backup_that_fails_has_the_journal_looked_at_no_more_often(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backup").write_text("in the way")
    daily, looked = Upkeep(journal, tmp_path / "backup", lambda: NOW), []
    monkeypatch.setattr(Journal, "verify", lambda _: looked.append(NOW))

    for _ in range(3):
        daily.daily()

    assert looked == [NOW]


def test_the_pages_of_the_journal_are_looked_at_once_a_day(journal: Journal, tmp_path: Path) -> None:
    for number in range(40):
        due(journal, f"key{number}", slug=f"bob{number}")
    journal.rest()
    path = tmp_path / "journal.sqlite"
    broken = bytearray(path.read_bytes())
    root = sqlite3.connect(path).execute("SELECT rootpage FROM sqlite_master WHERE name = 'entries_recipient'")
    start = (root.fetchone()[0] - 1) * 4096
    broken[start + 8 : start + 4096] = bytes(4088)  # an index that nothing asks today
    path.write_bytes(broken)

    with pytest.raises(JournalFailed, match=f"{path}: "):
        upkeep(journal, tmp_path, NOW)
