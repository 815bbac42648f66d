import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from gateway.errors import JournalFailed
from gateway.journal import Journal
from gateway.journal.entries import Denied
from gateway.journal.store import Store, backup, first_broken_event, open_file
from gateway.model import (
    Authentic,
    Decision,
    Dossier,
    Entry,
    Findings,
    Judgement,
    Kind,
    Known,
    Limits,
    Note,
    NoteKind,
    Notification,
    Person,
    Place,
    Provenance,
    Ruling,
    State,
    Verdict,
)
from gateway.pipeline import mail_key

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LIMITS = Limits(window=timedelta(days=30), per_hour=10, per_day=30, per_domain=5)


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "ada")


def invitation(name: str = "Bob Stranger", *, slug: str = "bob", kind: Kind = Kind.INVITATION) -> Notification:
    return Notification("linkedin", kind, Person(name=name, profile_url=f"https://www.linkedin.com/in/{slug}"))


def judgement(notification: Notification, verdict: Verdict = Verdict.DECLINE) -> Judgement:
    findings = Findings(
        notification, Provenance(Authentic.PASS, ""), Note(NoteKind.DEFAULT, None), Dossier(Known.NO, "nobody")
    )
    return Judgement("c", Decision(verdict, "everybody-else", ("nobody you know",), "short"), findings)


def account(recipient: str) -> dict[str, Any]:
    reply = {"template": "short", "language": "en", "channel": "reply-to", "to": recipient, "subject": "s", "body": "b"}
    return {"kind": "invitation", "verdict": "decline", "reply": {**reply, "short": "s"}}


def due(journal: Journal, key: str, recipient: str = "bob@example.org", slug: str = "bob") -> Entry:
    journal.take_in(key, b"raw", None, NOW)
    entry = next(e for e in journal.entries(State.NEW) if e.key == key)
    ruling = Ruling(State.DUE, recipient=recipient, letter_id=f"<{key}@example.org>")
    journal.judged(entry, judgement(invitation(slug.title(), slug=slug)), account(recipient), ruling, NOW)
    return journal.entry(entry.id)


def test_the_same_mail_is_taken_in_once(journal: Journal) -> None:
    first = journal.take_in("key", b"raw", Place("INBOX", 1, 1), NOW)
    second = journal.take_in("key", b"raw", Place("INBOX", 1, 2), NOW)

    assert (first, second) == (True, False)
    assert [entry.place for entry in journal.entries(State.NEW)] == [Place("INBOX", 1, 2)]


def test_owners_in_one_journal_do_not_see_each_other(journal: Journal) -> None:
    other = Journal(journal.store, "bea")
    journal.take_in("key", b"raw", None, NOW)

    assert other.take_in("key", b"raw", None, NOW)
    assert len(other.entries(State.NEW)) == 1


def test_an_answer_is_claimed_by_one_only(journal: Journal) -> None:
    entry = due(journal, "a")

    assert journal.claim(entry, LIMITS, NOW) is None
    assert journal.claim(entry, LIMITS, NOW) == Denied("it is no longer due")


def test_a_crash_before_the_dot_makes_the_answer_due_again(journal: Journal) -> None:
    entry = due(journal, "a")
    journal.claim(entry, LIMITS, NOW)

    journal.recover(NOW)

    assert journal.entry(entry.id).state is State.DUE


def test_a_crash_after_the_dot_parks_the_answer(journal: Journal) -> None:
    entry = due(journal, "a")
    journal.claim(entry, LIMITS, NOW)
    journal.mark_dot(entry, NOW)

    journal.recover(NOW)

    parked = journal.entry(entry.id)
    assert parked.state is State.UNCERTAIN
    assert "nobody can tell" in parked.why
    assert journal.due(NOW) == []


def test_the_dot_is_refused_to_whoever_lost_the_claim(journal: Journal) -> None:
    entry = due(journal, "a")
    journal.claim(entry, LIMITS, NOW)
    journal.recover(NOW)

    with pytest.raises(JournalFailed, match="taken from us"):
        journal.mark_dot(entry, NOW)


@pytest.mark.parametrize("state", [State.SENT, State.DOT, State.UNCERTAIN])
def test_nobody_is_answered_twice_within_the_window(journal: Journal, state: State) -> None:
    first, second = due(journal, "a", slug="bob"), due(journal, "b", slug="bob-the-second")
    journal.claim(first, LIMITS, NOW)
    journal.settle(first, state, NOW)

    denied = journal.claim(second, LIMITS, NOW + timedelta(days=29))

    assert denied == Denied("this person was answered on 2026-11-23 already")
    assert journal.claim(second, LIMITS, NOW + timedelta(days=31)) is None


@pytest.mark.parametrize("again", ["Bob@example.org", "bob+2@EXAMPLE.org", "BOB+linkedin@example.org"])
def test_an_address_is_the_same_whatever_its_case_and_tag(journal: Journal, again: str) -> None:
    first, second = due(journal, "a", slug="bob"), due(journal, "b", again, slug="bob-the-second")
    journal.claim(first, LIMITS, NOW)

    assert journal.claim(second, LIMITS, NOW) == Denied("this person was answered on 2026-11-23 already")


def test_the_window_is_the_persons_whatever_address_they_write_from(journal: Journal) -> None:
    first = due(journal, "a", "bob@example.org")
    second = due(journal, "b", "bob@example.net")
    journal.claim(first, LIMITS, NOW)

    assert journal.claim(second, LIMITS, NOW + timedelta(days=1)) is not None


def test_a_case_is_never_answered_twice_even_after_the_window(journal: Journal) -> None:
    first = due(journal, "a")
    journal.take_in("reminder", b"raw", None, NOW)
    (entry,) = journal.entries(State.NEW)
    reminder = judgement(invitation(kind=Kind.REMINDER))
    journal.judged(entry, reminder, account("bob@example.org"), Ruling(State.DUE, recipient="bob@example.org"), NOW)
    journal.claim(first, LIMITS, NOW)

    denied = journal.claim(journal.entry(entry.id), LIMITS, NOW + timedelta(days=400))

    assert denied is not None
    assert denied.until is None


@pytest.mark.parametrize("other", ["example.org", "sub._xample.org", "a_xample.org"])
def test_a_domain_that_only_looks_alike_has_a_budget_of_its_own(journal: Journal, other: str) -> None:
    limits = replace(LIMITS, per_domain=1)
    first, second, third = (
        due(journal, name, f"{name}@{domain}", slug=name)
        for name, domain in (("bob", other), ("carl", "_xample.org"), ("dora", "_xample.org"))
    )

    assert journal.claim(first, limits, NOW) is None
    assert journal.claim(second, limits, NOW) is None
    assert journal.claim(third, limits, NOW) == Denied(
        "1 answers a day to _xample.org is the limit", until=NOW + timedelta(days=1)
    )


@pytest.mark.parametrize(
    ("limits", "wait"),
    [
        (Limits(timedelta(days=30), per_hour=2, per_day=30, per_domain=5), timedelta(hours=1)),
        (Limits(timedelta(days=30), per_hour=10, per_day=2, per_domain=5), timedelta(days=1)),
        (Limits(timedelta(days=30), per_hour=10, per_day=30, per_domain=2), timedelta(days=1)),
    ],
)
def test_answers_over_a_budget_wait(journal: Journal, limits: Limits, wait: timedelta) -> None:
    entries = [due(journal, f"k{n}", f"p{n}@example.org", slug=f"p{n}") for n in range(3)]

    outcomes = [journal.claim(entry, limits, NOW) for entry in entries]

    assert outcomes[:2] == [None, None]
    assert outcomes[2] is not None
    assert outcomes[2].until == NOW + wait


def test_the_domain_budget_does_not_count_other_domains(journal: Journal) -> None:
    limits = Limits(timedelta(days=30), per_hour=10, per_day=30, per_domain=1)
    one, two = due(journal, "a", "a@example.org", slug="a"), due(journal, "b", "b@sub.example.org", slug="b")

    assert journal.claim(one, limits, NOW) is None
    assert journal.claim(two, limits, NOW) is None


def test_a_hold_is_over_when_its_time_has_come(journal: Journal) -> None:
    entry = due(journal, "a")
    journal.settle(entry, State.HELD, NOW, not_before=NOW + timedelta(minutes=15))

    before = journal.hold_over(NOW + timedelta(minutes=14))
    after = journal.hold_over(NOW + timedelta(minutes=15))

    assert before == []
    assert [one.id for one in after] == [entry.id]


def test_approving_a_case_takes_back_its_waiting_answer(journal: Journal) -> None:
    entry = due(journal, "a")
    (case,) = journal.cases()

    journal.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)

    assert journal.entry(entry.id).state is State.CLOSED
    (case,) = journal.cases()
    assert (case.verdict, case.decided_by) == (Verdict.ACCEPT, "owner")


def test_a_week_has_one_summary(journal: Journal) -> None:
    assert journal.weeks.claim("2026-W47", NOW)
    assert not journal.weeks.claim("2026-W47", NOW)


def test_a_summary_that_surely_was_not_sent_is_sent_after_a_crash(journal: Journal) -> None:
    journal.weeks.claim("2026-W46", NOW)
    journal.weeks.claim("2026-W47", NOW)
    journal.weeks.settle("2026-W47", State.DOT)

    journal.recover(NOW)

    assert journal.weeks.claim("2026-W46", NOW)
    assert not journal.weeks.claim("2026-W47", NOW)


def test_every_step_of_a_case_can_be_read_afterwards(journal: Journal) -> None:
    entry = due(journal, "a")
    journal.claim(entry, LIMITS, NOW)
    journal.mark_dot(entry, NOW)
    journal.settle(entry, State.SENT, NOW, why="250 2.0.0 Ok")
    (case,) = journal.cases()

    history = [event.what for event in journal.history(case)]

    assert history == ["taken-in", "decline", "due", "sending", "dot", "sent"]


def test_a_changed_event_is_noticed(journal: Journal) -> None:
    due(journal, "a")
    with journal.store.read() as connection:
        assert first_broken_event(connection, "ada") is None

    with journal.store.write() as connection:
        connection.execute(text("UPDATE events SET why = 'rule open-door' WHERE what = 'decline'"))

    with journal.store.read() as connection:
        assert first_broken_event(connection, "ada") is not None


@pytest.mark.parametrize("who", ["bob stranger", "BOB@example.org"])
def test_a_forgotten_person_is_nowhere_and_the_chain_of_events_still_holds(journal: Journal, who: str) -> None:
    notification = Notification("linkedin", Kind.INVITATION, Person(name="Bob Stranger", address="bob@example.org"))
    journal.take_in("a", b"raw of Bob Stranger", None, NOW)
    (entry,) = journal.entries(State.NEW)
    journal.judged(entry, judgement(notification), account("bob@example.org"), Ruling(State.CLOSED, "for Bob"), NOW)
    other = due(journal, "b", "carl@example.org", slug="carl")

    erased = journal.forget(who, NOW)

    assert erased == 1
    with journal.store.read() as connection:
        dump = "\n".join(
            str(row)
            for table in ("cases", "entries", "events")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
            if "carl" not in str(row)
        )
        assert first_broken_event(connection, "ada") is None
    assert "Bob" not in dump
    assert "bob@" not in dump
    assert journal.entry(other.id).reply is not None


@pytest.mark.parametrize("who", ["", " ", ".", "-", "@", "bob@", "@stranger", "🙂"])
def test_what_names_nobody_erases_nobody(journal: Journal, who: str) -> None:
    for key, name in (("a", "Bob Stranger"), ("b", "..."), ("c", None), ("d", "Bob"), ("e", "-")):
        journal.take_in(key, b"raw", None, NOW)
        (entry,) = journal.entries(State.NEW)
        notification = Notification("linkedin", Kind.INVITATION, Person(name=name))
        journal.judged(entry, judgement(notification), account(""), Ruling(State.CLOSED), NOW)

    assert journal.forget(who, NOW) == 0

    assert [case.inviter.name for case in journal.cases()] == ["-", "Bob", None, "...", "Bob Stranger"]
    assert all(journal.raw(entry) for entry in journal.entries(State.CLOSED))


@pytest.mark.parametrize("who", ["Stranger, Bob", "bob+news@Example.org"])
def test_a_person_is_erased_however_their_name_or_address_is_written(journal: Journal, who: str) -> None:
    notification = Notification("linkedin", Kind.INVITATION, Person(name="Dr. Bob Stranger"))
    journal.take_in("a", b"raw", None, NOW)
    (entry,) = journal.entries(State.NEW)
    ruling = Ruling(State.HELD, not_before=NOW, recipient="bob@example.org")
    journal.judged(entry, judgement(notification), account("bob@example.org"), ruling, NOW)

    assert journal.forget(who, NOW) == 1


def test_a_journal_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    open_file(path)
    path.chmod(0o644)

    with pytest.raises(JournalFailed, match="others may read it"):
        open_file(path)


def test_a_journal_that_is_a_link_is_refused_and_its_target_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "journal.sqlite").symlink_to(target)

    with pytest.raises(JournalFailed, match="not a regular file"):
        open_file(tmp_path / "journal.sqlite")
    assert target.read_bytes() == b"precious"


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    open_file(path).engine.dispose()
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)

    with pytest.raises(JournalFailed):
        open_file(path)


def test_a_file_that_rests_has_no_pool_and_can_be_used_again(tmp_path: Path) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    journal.take_in("k", b"raw", None, NOW)

    journal.rest()

    assert "pool" not in vars(journal.store.engine)
    assert not any(file.resolve().is_relative_to(tmp_path) for file in Path("/proc/self/fd").iterdir())
    assert not journal.take_in("k", b"raw", None, NOW)


@pytest.mark.parametrize(
    ("mail", "key_of"),
    [
        (b"Subject: s\nMESSAGE-ID: <a@b>\nTo: c\n\nbody", b"MESSAGE-ID: <a@b>\n\nbody"),
        (b"To: d\r\nMessage-ID: <a@b>\r\n\r\nbody\r\n \r\n\t", b"Message-ID: <a@b>\n\nbody"),
        (b"Message-ID: <a@b>\n\n\nbody\n\n", b"Message-ID: <a@b>\n\n\nbody"),
        (b"Message-ID: <a@b> \n\n \n\n", b"Message-ID: <a@b> \n\n"),
        (b"Message-ID: <a@b>", b"Message-ID: <a@b>\n\n"),
        (b"\n\nbody", b"\nbody"),
        (b"", b"\n"),
    ],
)
def test_a_mail_is_known_again_by_its_message_id_and_body(mail: bytes, key_of: bytes) -> None:
    assert mail_key(mail) == sha256(key_of).hexdigest()


def test_a_backup_holds_what_the_journal_holds(tmp_path: Path) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    due(journal, "a")

    backup(journal.store, tmp_path / "backup.sqlite")

    copy = sqlite3.connect(tmp_path / "backup.sqlite")
    assert copy.execute("SELECT state FROM entries").fetchall() == [("due",)]
    assert (tmp_path / "backup.sqlite").stat().st_mode & 0o077 == 0


def test_a_commit_is_on_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    with open_file(tmp_path / "journal.sqlite").read() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    full = 2
    assert pragmas == ["wal", full]


def test_who_writes_is_alone_from_the_beginning(tmp_path: Path) -> None:
    """What a step looks at holds until it writes."""
    path = tmp_path / "journal.sqlite"
    with (
        open_file(path).write(),
        closing(sqlite3.connect(path, timeout=0)) as another,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        another.execute("INSERT INTO facts VALUES ('ada', 'paused', 'now')")


def test_what_somebody_is_told_or_acts_on_waits_for_the_disk_and_what_is_found_out_again_does_not(
    tmp_path: Path,
) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    waited: list[bool] = []

    def ends(connection: Any) -> None:
        driver = connection.connection.dbapi_connection
        waited.append(driver.execute("PRAGMA synchronous").fetchone() == (2,))

    event.listen(journal.store.engine, "commit", ends)

    entry = due(journal, "a")  # taken in, judged
    (case,) = journal.cases()
    journal.begin_reading([entry])
    journal.advance("INBOX", 1, 1)
    journal.claim(entry, LIMITS, NOW)
    journal.mark_dot(entry, NOW)
    journal.settle(entry, State.SENT, NOW)
    journal.filed([entry], "Declined", NOW)
    journal.copied(entry, NOW)
    journal.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)
    journal.settle(entry, State.UNCERTAIN, NOW)
    journal.set_fact("paused", "now")

    assert waited == [True, True, False, False, False, True, False, False, False, True, True, True]


def test_of_the_latest_cases_those_are_counted_that_were_left_apart_and_not_decided_since(journal: Journal) -> None:
    for number in range(5):
        journal.take_in(str(number), b"raw", None, NOW)
        (entry,) = journal.entries(State.NEW)
        ruling = Ruling(State.CLOSED, "too old" if number else "something else")
        asked = judgement(invitation(f"Bob {number}", slug=str(number)))
        journal.judged(entry, asked, account("bob@example.org"), ruling, NOW + timedelta(minutes=number))
    before = journal.left_apart(["too old"], 3), journal.left_apart(["too old"], 9)

    last = journal.cases()[0]
    journal.overrule(last, Verdict.DECLINE, "declined quietly by the owner", NOW + timedelta(hours=1), quietly=True)

    assert before == ((3, 3), (5, 4))
    assert journal.left_apart(["too old"], 9) == (5, 3)


def test_what_is_asked_in_every_round_looks_at_a_few_rows_alone(tmp_path: Path) -> None:
    """However many mails there are: a journal of a million cases has to be asked as quickly as an empty one."""
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    asked = _asked_of(journal)

    journal.waiting(10)
    journal.uncopied()
    list(journal.unfiled("INBOX"))
    journal.due(NOW)
    journal.conversation.awaited(NOW, 10)

    assert [plan[0] for plan in _plans(journal, asked) if plan] == [
        "cases_waiting", "entries_state", "entries_uncopied", "entries_unfiled", "entries_state", "entries_settled",
    ]  # fmt: skip


def test_what_is_known_of_a_mail_only_later_is_found_by_an_index_without_the_others(tmp_path: Path) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    entry = due(journal, "a")
    asked = _asked_of(journal)

    journal.whereabouts.known(["<a@example.org>"])
    journal.conversation.letter(["<b@example.org>"])
    journal.bounced("<b@example.org>", NOW)
    journal.of_case(journal.cases()[0])
    journal.claim(entry, LIMITS, NOW)

    used = {name for plan in _plans(journal, asked) for name in plan}
    assert {"entries_message_id", "entries_letter", "entries_case", "entries_recipient", "entries_claimed"} <= used


def test_what_happened_in_a_span_of_time_is_found_without_every_mail_that_came_in(tmp_path: Path) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    asked = _asked_of(journal)

    journal.chronicle.came_back(NOW, NOW)
    journal.bounces_since(NOW)
    journal.chronicle.asleep(NOW, NOW)
    journal.chronicle.moved(NOW, NOW)
    journal.conversation.answered_since(NOW)
    journal.conversation.outcomes(NOW)
    journal.verify_answers(NOW)

    plans = [plan for plan, (statement, _) in zip(_plans(journal, asked), asked, strict=False) if "at >=" in statement]
    assert len(plans) == 7
    assert all("events_told" in plan for plan in plans)


def test_a_mail_that_comes_in_is_in_few_indexes(tmp_path: Path) -> None:
    """Each is a page more that waits for the disk."""
    path = tmp_path / "journal.sqlite"
    Journal(open_file(path), "ada").take_in("a", b"raw", Place("INBOX", 1, 1), NOW)

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ANALYZE")
        found = connection.execute("SELECT idx FROM sqlite_stat1 WHERE tbl IN ('entries', 'events')").fetchall()

    assert sorted(name for (name,) in found) == [
        "entries_state", "entries_taken_in", "events_entry", "events_owner", "sqlite_autoindex_entries_1",
    ]  # fmt: skip


def _asked_of(journal: Journal) -> list[tuple[str, Any]]:
    """The statements that the database is asked from now on, with their values."""
    asked: list[tuple[str, Any]] = []
    event.listen(
        journal.store.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, parameters, *_: asked.append((statement, parameters)),
    )
    return asked


def _plans(journal: Journal, asked: list[tuple[str, Any]]) -> list[list[str]]:
    """The indexes that each statement goes through."""
    with journal.store.read() as connection:
        plans = [
            str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
            for statement, parameters in asked.copy()
            if statement.startswith("SELECT")
        ]
    return [re.findall(r"USING (?:COVERING )?INDEX (\w+)", plan) for plan in plans]


def test_tables_are_made_once_and_looked_for_only_when_they_may_be_others(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    def opened() -> list[str]:
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            open_file(path, whole=False).engine.dispose()
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return asked

    first, again = opened(), opened()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX entries_unfiled")
        connection.execute("PRAGMA user_version=1")  # of a program that knew no such index
    newer = opened()

    assert any("CREATE TABLE" in statement for statement in first)
    assert again == ["PRAGMA user_version"]
    assert any("entries_unfiled" in statement for statement in newer)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'entries_unfiled'").fetchall()
