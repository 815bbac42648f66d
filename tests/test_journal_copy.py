"""A journal that moves from its SQLite file to PostgreSQL: the same there, and never mixed with another."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.errors import JournalFailed
from gateway.journal import Journal
from gateway.journal.copying import copy_journal
from gateway.journal.store import Store, open_file, open_url
from gateway.model import State
from tests.postgres import Postgres
from tests.test_journal import due


@pytest.fixture
def source(tmp_path: Path) -> Store:
    store = open_file(tmp_path / "journal.sqlite")
    journal = Journal(store, "ada")
    journal.set_fact("secret", "s3")
    for number in range(3):
        due(journal, f"key{number}", f"bob{number}@example.org", f"bob{number}")
    journal.advance("INBOX", 7, 42)
    return store


def test_a_copied_journal_is_whole_and_copying_again_changes_nothing(source: Store, cluster: Postgres) -> None:
    target = open_url(cluster.database())
    due(Journal(target, "grace"), "another")

    copied = copy_journal(source, target, lambda _owner, _rows: None)
    again = copy_journal(source, target, lambda _owner, _rows: None)

    there, here = Journal(target, "ada"), Journal(source, "ada")
    there.verify()
    assert copied["ada"] > 0
    assert again == {"ada": 0}
    assert [(e.key, e.state, e.case, e.reply) for e in there.entries(*State)] == [
        (e.key, e.state, e.case, e.reply) for e in here.entries(*State)
    ]
    assert (there.fact("secret"), there.cursor("INBOX")) == ("s3", (7, 42))


def test_other_rows_of_the_owner_in_the_target_stop_it(source: Store, cluster: Postgres) -> None:
    target = open_url(cluster.database())
    Journal(target, "ada").set_fact("secret", "another")

    with pytest.raises(JournalFailed, match="the database has other rows of this owner"):
        copy_journal(source, target, lambda _owner, _rows: None)
    assert Journal(target, "ada").entries(*State) == []


def test_a_copy_that_was_ended_in_the_middle_goes_on_where_it_was(source: Store, cluster: Postgres) -> None:
    due(Journal(source, "grace"), "another")
    Journal(source, "grace").set_fact("secret", "g5")
    target = open_url(cluster.database())

    def end_after_the_first(_owner: str, _rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_journal(source, target, end_after_the_first)
    between = Journal(target, "grace").fact("secret")
    copied = copy_journal(source, target, lambda _owner, _rows: None)

    assert between is None
    assert (copied["ada"], copied["grace"] > 0) == (0, True)
    assert Journal(target, "grace").fact("secret") == "g5"


def test_a_row_that_differs_is_told_of(source: Store, cluster: Postgres) -> None:
    target = open_url(cluster.database())
    copy_journal(source, target, lambda _owner, _rows: None)
    with target.at_once() as connection:
        connection.execute(text("update entries set recipient = 'mallory@example.net' where key = 'key1'"))

    with pytest.raises(JournalFailed, match="ada, entries: the database has other rows"):
        copy_journal(source, target, lambda _owner, _rows: None)
