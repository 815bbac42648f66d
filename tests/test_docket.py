"""Mails judged together end as mails judged one by one: the same cases, numbers and repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from gateway.config import Config
from gateway.journal import Journal
from gateway.journal.schema import cases, entries
from gateway.journal.store import Store, open_file
from gateway.model import Channel, Kind, Notification, Person, Reply, Ruling, State, Verdict
from gateway.owner import for_service
from gateway.pipeline import process, take_in
from tests.notifications import MX, linkedin, old_linkedin
from tests.test_conversation import answer
from tests.test_journal import NOW, account, judgement

ADA = Config.model_validate(
    {"me": {"name": "Ada Miller", "addresses": "ada@example.org"}, "authentication": {"authserv_id": MX}}
)


@dataclass(frozen=True)
class Met:
    """A mail of an invented few people."""

    number: str | None
    slug: str | None
    name: str | None
    kind: Kind
    verdict: Verdict

    @property
    def notification(self) -> Notification:
        url = f"https://www.linkedin.com/in/{self.slug}" if self.slug else None
        return Notification("linkedin", self.kind, Person(name=self.name, profile_url=url), invitation=self.number)


_met = st.builds(
    Met,
    number=st.sampled_from([None, "1", "2", "3"]),
    slug=st.sampled_from([None, "bob", "ann"]),
    name=st.sampled_from([None, "Bob", "Ann"]),
    kind=st.sampled_from([Kind.INVITATION, Kind.REMINDER]),
    verdict=st.sampled_from([Verdict.DECLINE, Verdict.ACCEPT]),
)


@contextmanager
def empty_journal() -> Iterator[Journal]:
    with TemporaryDirectory() as folder:
        store = open_file(Path(folder, "journal", "journal.sqlite"))
        yield Journal(store, "ada")
        store.engine.dispose()


def judged(journal: Journal, batches: Sequence[Sequence[Met]]) -> list[Any]:
    """All that is in the journal when these were judged, a docket a batch, and of each what was known before."""
    repeats, number = [], 0
    for batch in batches:
        keys = [f"{number + place}" for place in range(len(batch))]
        number += len(batch)
        journal.take_in_all(dict.fromkeys(keys, (b"raw", None)), NOW)
        with journal.together() as together:
            docket = together.docket()
            docket.call(met.notification for met in batch)
            for entry, met in zip(together.entries(State.NEW), batch, strict=True):
                repeats.append((docket.name(met.notification), docket.earlier(met.notification)))
                ruling = Ruling(State.CLOSED, answers=f"<{entry.key}@example.org>")
                docket.judged(entry, judgement(met.notification, met.verdict), account("b@example.org"), ruling, NOW)
            docket.write(NOW)
    journal.verify()
    columns = (cases.c.number, cases.c.invitation, cases.c.profile, cases.c.person_name, cases.c.opened_by)
    query = select(entries.c.key, *columns, cases.c.verdict).join(cases, entries.c.case_id == cases.c.id)
    with journal.store.read() as connection:
        rows = [tuple(row) for row in connection.execute(query.order_by(entries.c.id))]
    return [rows, repeats]


@settings(max_examples=60, deadline=None)
@given(mails=st.lists(_met, max_size=8), data=st.data())
def test_a_batch_is_judged_as_its_mails_are_one_by_one(mails: list[Met], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(mails)))
    with empty_journal() as together, empty_journal() as one_by_one:
        found = judged(together, [mails[:cut], mails[cut:]])
        # Until a batch is written its cases are called by the numbers that they will have.
        assert found == judged(one_by_one, [[mail] for mail in mails])


def test_a_repeat_is_another_invitation_that_was_declined_and_no_reminder_of_the_same(journal: Journal) -> None:
    first = Met("1", "bob", "Bob", Kind.INVITATION, Verdict.DECLINE)
    reminder = Met("1", "bob", "Bob", Kind.REMINDER, Verdict.DECLINE)
    second = Met("2", "bob", "Bob", Kind.INVITATION, Verdict.DECLINE)

    _, known = judged(journal, [[first, reminder, second], [reminder]])

    assert known == [("new", 0), ("c1", 0), ("new", 1), ("c1", 1)]


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "ada")


def test_a_mail_of_a_batch_that_another_judged_meanwhile_keeps_what_that_one_found(journal: Journal) -> None:
    ada = for_service(ADA, journal)
    for name in ("Nina Newcomer", "Olaf Other"):
        take_in(linkedin(name), None, journal, NOW)
    first, second = journal.entries(State.NEW)
    journal.settle(first, State.CLOSED, NOW, why="by another")

    process([first, second], ada, journal, NOW)

    assert [entry.case for entry in journal.entries(*State)] == [None, "c1"]
    assert journal.entry(first.id).why == "by another"


def test_who_writes_is_known_from_an_invitation_of_the_same_batch(journal: Journal) -> None:
    """Both may lie in the inbox when it is looked at."""
    ada = for_service(ADA, journal)
    for raw in (
        linkedin("Nina Newcomer"),
        old_linkedin("Olga Stranger", "olga@somewhere.example"),
        answer(None, when=NOW),
        linkedin("Nina Newcomer", invitation=77),
    ):
        take_in(raw, None, journal, NOW)

    process(journal.entries(State.NEW), ada, journal, NOW)

    olga = journal.case("c2")
    assert olga is not None
    assert (olga.verdict, olga.decided_by) == (Verdict.HUMAN, "answer")
    assert [entry.case for entry in journal.entries(*State)] == ["c1", "c2", None, "c3"]
    journal.verify()


def test_a_batch_asks_the_journal_as_often_as_one_mail(journal: Journal) -> None:
    ada = for_service(ADA, journal)
    asked: list[str] = []
    event.listen(
        journal.store.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement)
    )
    counts = []
    for number in (1, 30):
        for place in range(number):
            take_in(linkedin(f"Nina N{number}{chr(97 + place)}"), None, journal, NOW)
        asked.clear()
        process(journal.entries(State.NEW), ada, journal, NOW)
        counts.append(sum("people" not in statement for statement in asked))

    assert counts[1] <= counts[0] + 3


def test_a_case_that_waits_is_listed_and_one_that_does_not_is_not(journal: Journal) -> None:
    paste = Reply("short", "en", Channel.PASTE, None, "s", "b", "s")
    for key, verdict, reply in (
        ("accepted", Verdict.ACCEPT, None),
        ("declined", Verdict.DECLINE, None),
        ("to-paste", Verdict.DECLINE, paste),
        ("refused", Verdict.DECLINE, None),
    ):
        journal.take_in(key, b"raw", None, NOW)
        (entry,) = journal.entries(State.NEW)
        met = Met(key, key, key, Kind.INVITATION, verdict)
        found = judgement(met.notification, verdict)
        ruling = Ruling(State.REFUSED if key == "refused" else State.CLOSED)
        told = {**account("b@example.org"), "reply": None}
        if reply:
            found = type(found)(found.case, found.decision, found.findings, reply)
        journal.judged(entry, found, told, ruling, NOW)

    assert sorted(entry.key for _, entry in journal.waiting(10)) == ["accepted", "refused", "to-paste"]
    assert [entry.key for _, entry in journal.waiting(1)] == ["refused"]
    assert [entry.key for _, entry in journal.latest()] == ["refused", "to-paste", "declined", "accepted"]
