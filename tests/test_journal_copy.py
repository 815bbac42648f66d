"""A journal that moves from its SQLite file to PostgreSQL: the same there, and never mixed with another."""

from __future__ import annotations

from pathlib import Path

import pytest

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
