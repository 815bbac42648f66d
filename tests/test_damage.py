"""A journal that is not what it was: restored from a backup, damaged by a byte, or left by a mail that killed us."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event

from gateway.cli import main
from gateway.config import Config, load
from gateway.errors import JournalFailed
from gateway.journal import Journal, store
from gateway.journal.entries import seal_of_answer
from gateway.journal.store import open_file
from gateway.model import Note, Notification, State
from gateway.owner import for_service
from gateway.pipeline import MOST_TRIES, deliver, process, take_in
from gateway.state import looks_of
from gateway.watches import Watch, watch
from tests.clock import Clock, watch_by
from tests.notifications import linkedin, old_linkedin, reminder
from tests.test_journal import LIMITS, NOW, due
from tests.test_races import ADA, Outbox
from tests.test_round import MONDAY, Scene, scene
from tests.test_story import owner

__all__ = ["owner", "scene"]  # the fixtures
# PostgreSQL has its own backups, and guards its own pages.
only_a_file = pytest.mark.parametrize("owner", ["sqlite"], indirect=True)

START = MONDAY - timedelta(days=5)
FLIPS = 80


def reopened(scene: Scene) -> Scene:
    """The same owner after a restart."""
    clock = Clock(MONDAY - timedelta(days=5))
    return Scene(scene.owner, watch_by(clock, scene.work.config).round, clock)


def restored(scene: Scene, backup: Path) -> Scene:
    """The same owner after somebody put a backup in the place of the journal."""
    scene.work.close()
    scene.work.journal.store.engine.dispose()
    journal = backup.parent.parent / "journal.sqlite"
    for suffix in ("", "-wal", "-shm"):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
    shutil.copy2(backup, journal)
    (journal.parent / "lock").unlink()
    return reopened(scene)


@only_a_file
@pytest.mark.parametrize("sent_copy", [True, False])
def test_what_went_out_after_a_backup_does_not_go_out_again_when_it_is_restored(
    scene: Scene, tmp_path: Path, sent_copy: bool
) -> None:
    """Sent is the second witness; without a copy there, the answer goes out once more and this test would show it."""
    scene.owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
    journal = scene.work.journal
    journal.set_fact("paused", "yes")
    scene.round_at(START)
    scene.round_at(START + timedelta(days=1))  # the backup holds an answer that is due
    journal.set_fact("paused", None)
    scene.owner.deliver(old_linkedin("Peer Stranger", "peer@elsewhere.example"))
    scene.round_at(START + timedelta(days=1, hours=1))
    before = sorted(recipient for letter in scene.owner.smtp.delivered for recipient in letter.recipients)
    if not sent_copy:
        with scene.owner.mailbox() as client:
            client.select_folder("Sent")
            client.delete_messages(client.search())
            client.expunge()
    backup = next((tmp_path / "state" / "ada" / "backup").glob("journal-*19.sqlite"))

    again = restored(scene, backup)
    again.work.journal.set_fact("paused", None)
    again.owner.deliver(reminder_of_olga())
    again.round_at(START + timedelta(days=1, hours=2))
    again.round_at(START + timedelta(days=2))

    answered = [recipient for letter in again.owner.smtp.delivered for recipient in letter.recipients]
    assert before == ["olga@somewhere.example", "peer@elsewhere.example"]
    assert sorted(set(answered)) == before
    assert (len(answered) == 2) is sent_copy
    again.work.close()


def reminder_of_olga() -> bytes:
    return reminder("Olga Stranger")


@only_a_file
def test_a_second_service_on_the_same_mailbox_sees_in_sent_that_an_answer_went_out(scene: Scene) -> None:
    scene.owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
    scene.round_at(START)
    with scene.owner.mailbox() as client:
        client.select_folder("Invitations/Declined")
        client.move(client.search(), "INBOX")
    shutil.rmtree(Path(os.environ["STATE_DIRECTORY"]))  # another host knows nothing of this one

    other = reopened(scene)
    other.round_at(START + timedelta(hours=1))

    (entry,) = other.work.journal.entries(*State)
    assert (entry.state, "Sent folder holds an answer" in entry.why) == (State.CLOSED, True)
    assert len(scene.owner.smtp.delivered) == 1
    other.work.close()


# A byte that is another


def filled(path: Path) -> Journal:
    """A journal with an answer that is due, one that went out, one that is held and a mail that is new."""
    journal = Journal(open_file(path), "ada")
    first, second, third = (due(journal, name, f"{name}@example.org", slug=name) for name in ("bob", "carl", "dora"))
    ada, outbox = for_service(ADA, journal), Outbox()
    deliver(first, ada, journal, outbox, lambda: NOW)
    journal.settle(third, State.HELD, NOW, not_before=NOW + timedelta(hours=1))
    take_in(linkedin("Nina Newcomer"), None, journal, NOW)
    assert journal.claim(second, replace(LIMITS, per_day=1), NOW) is not None
    journal.store.engine.dispose()
    return journal


def outcome(path: Path) -> list[tuple[str, bytes]]:
    """What a service sends that begins with this journal."""
    outbox, now = Outbox(), NOW + timedelta(hours=2)
    with suppress(JournalFailed):
        journal = Journal(open_file(path), "ada")
        try:
            journal.verify()
            ada = for_service(ADA, journal)
            journal.recover(now)
            for entry in journal.entries(State.NEW):
                process([entry], ada, journal, now)
            for entry in journal.hold_over(now):
                journal.settle(entry, State.DUE, now, only_from=(State.HELD,))
            for entry in journal.due(now):
                deliver(entry, ada, journal, outbox, lambda: now)
        finally:
            journal.store.engine.dispose()
    return [(to, raw.partition(b"\r\n\r\n")[2]) for to, raw in outbox.letters]


def test_no_flipped_byte_of_the_journal_makes_a_wrong_answer(tmp_path: Path) -> None:
    filled(tmp_path / "journal.sqlite")
    whole = (tmp_path / "journal.sqlite").read_bytes()
    chance = random.Random(7)
    # Most of a file is free space and index: half of the flips hit what stands in the rows with an answer.
    inside = [at for word in (b"@example.org", b'"reply"', b"due", b"sent", b"claimed") for at in places(whole, word)]
    wanted = set(outcome(copied(tmp_path, whole)))
    wrong, refused = [], 0

    for number in range(FLIPS):
        at = chance.choice(inside) + chance.randrange(-8, 8) if number % 2 else chance.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[at % len(whole)] ^= 1 << chance.randrange(8)
        sent = outcome(copied(tmp_path, bytes(flipped)))
        refused += len(sent) < len(wanted)
        wrong += [(at, letter) for letter in sent if letter not in wanted] + [(at, sent)] * (len(sent) > len(set(sent)))

    assert len(wanted) == 2
    assert wrong == []
    assert refused > FLIPS // 20, "hardly any flip was of consequence: the test proves too little"


def places(whole: bytes, word: bytes) -> list[int]:
    found, at = [], whole.find(word)
    while at >= 0:
        found.append(at)
        at = whole.find(word, at + 1)
    return found


def copied(folder: Path, content: bytes) -> Path:
    path = folder / "copy" / "journal.sqlite"
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE entries SET judgement = replace(judgement, 'bob@example.org', 'eve@example.org')",
        "UPDATE entries SET recipient = 'a:eve@example.org'",
        "UPDATE entries SET claimed = '2025-01-01T00:00:00.000000+00:00'",
        "UPDATE events SET why = 'nothing' WHERE what = 'decline'",
        "DELETE FROM events WHERE what = 'decline'",
        "UPDATE entries SET judgement = '{broken'",
        "UPDATE entries SET state = 'dux'",
    ],
)
def test_a_service_does_not_begin_with_a_journal_that_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tampering: str
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    config = tmp_path / "ada.toml"
    config.write_text('[me]\nname = "Ada Miller"\naddresses = "ada@example.org"\n')
    path = tmp_path / "state" / "ada" / "journal.sqlite"
    journal = Journal(open_file(path), "ada")
    due(journal, "a", "bob@example.org")
    journal.store.engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute(tampering)
    connection.close()

    result = CliRunner().invoke(main, ["run", str(config)])

    assert result.exit_code == 78, result.output
    assert "rsvpd: journal" in result.output


# A start after an orderly stop


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "ada.toml").write_text(HANDED_OVER)
    found = Served(load(tmp_path / "ada.toml"), tmp_path / "state" / "ada" / "journal.sqlite")
    journal = Journal(open_file(found.path), "ada")
    due(journal, "a", "bob@example.org")
    take_in(linkedin("Nina Newcomer"), None, journal, NOW)
    journal.store.engine.dispose()
    found.begin().end()
    yield found
    for one in found.begun:
        with suppress(OSError):
            one.lock.release()


HANDED_OVER = """\
[me]
name = "Ada Miller"
addresses = "ada@example.org"
[smtp]
host = "mail.example.org"
user = "ada@example.org"
password = { env = "HOME" }
[lmtp]
listen = "127.0.0.1:2424"
"""


@dataclass
class Served:
    """An owner whose mail is handed over, and the services that looked after them, one after the other."""

    config: Config
    path: Path
    begun: list[Watch] = field(default_factory=list)

    def begin(self) -> Watch:
        self.begun.append(watch(self.config))
        self.begun[-1].round.run()
        return self.begun[-1]

    def tamper(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)


def everything_asked(work: Callable[[], object]) -> list[str]:
    """The statements of a piece of work."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return asked


def killed(served: Served) -> None:
    os.close(served.begin().lock.descriptor)  # type: ignore[union-attr]


def failed(served: Served) -> None:
    one = served.begin()
    one.round.journal.store.engine.dispose()
    with pytest.MonkeyPatch.context() as patch, suppress(JournalFailed):
        patch.setattr(Journal, "new", broken)
        one.round.run()
    one.end()


def broken(_journal: Journal) -> None:
    raise JournalFailed("disk full")


def replaced(served: Served) -> None:
    copy = served.path.with_name("copy")
    shutil.copy2(served.path, copy)
    copy.rename(served.path)


def written_to_with_the_old_times(served: Served) -> None:
    times = served.path.stat()
    served.tamper("UPDATE facts SET value = value")
    os.utime(served.path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("left", "whole"),
    [
        (lambda _served: None, False),
        (lambda served: served.begin().end(), False),
        (killed, True),
        (failed, True),
        (replaced, True),
        (written_to_with_the_old_times, True),
        (lambda served: served.path.with_name("journal.sqlite-wal").touch(mode=0o600), True),
        (lambda served: served.path.with_name("lock").unlink(), True),
    ],
)
def test_all_of_a_journal_is_looked_at_unless_it_is_as_a_service_left_it_in_good_order(
    served: Served, left: Callable[[Served], None], whole: bool
) -> None:
    left(served)

    asked = everything_asked(lambda: served.begun.append(watch(served.config)))

    assert ("PRAGMA quick_check" in asked) is whole
    assert any("FROM events WHERE events.owner = ? ORDER BY events.id" in one for one in asked) is whole
    assert asked  # what may still go out, at least


TAMPERING = [
    ("UPDATE entries SET judgement = replace(judgement, 'bob@example.org', 'eve@example.org')",),
    ("UPDATE entries SET recipient = 'a:eve@example.org' WHERE recipient IS NOT NULL",),
    ("UPDATE events SET why = 'nothing' WHERE what = 'decline'",),
    ("DELETE FROM events WHERE what = 'decline'",),
    ("DELETE FROM events WHERE what = 'due'",),
]


@pytest.mark.parametrize("tampering", [*TAMPERING, ("UPDATE events SET why = '' WHERE entry_id = 2",)])
def test_what_was_changed_after_an_orderly_stop_is_found_at_the_next_start(
    served: Served, tampering: tuple[str, ...]
) -> None:
    served.tamper(*tampering)

    for _ in range(2):
        with pytest.raises(JournalFailed, match="was changed"):
            watch(served.config)


def test_an_answer_and_its_seal_that_were_changed_while_a_service_ran_are_found_at_the_next_start(
    served: Served,
) -> None:
    one = served.begin()
    entry = one.round.journal.entries(State.DUE)[0]
    assert entry.judgement is not None
    told = json.dumps(entry.judgement).replace("bob@example.org", "eve@example.org")
    forged, sealed = seal_of_answer(json.loads(told)), seal_of_answer(entry.judgement)
    served.tamper(
        f"UPDATE entries SET judgement = '{told}', recipient = 'a:eve@example.org' WHERE id = {entry.id}",
        f"UPDATE events SET why = replace(why, '{sealed}', '{forged}')",
    )
    one.end()

    assert served.path.with_name("lock").read_text().rstrip() == looks_of(served.path) != ""
    with pytest.raises(JournalFailed, match=f"entry {entry.id} was changed"):
        watch(served.config)


@pytest.mark.parametrize("tampering", TAMPERING)
def test_an_answer_that_was_changed_while_a_service_ran_is_found_at_the_next_start(
    served: Served, tampering: tuple[str, ...]
) -> None:
    one = served.begin()
    served.tamper(*tampering)
    one.end()

    assert served.path.with_name("lock").read_text().rstrip() == looks_of(served.path) != ""
    with pytest.raises(JournalFailed, match="was changed"):
        watch(served.config)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE entries SET claimed = '2025-01-01T00:00:00.000000+00:00'",
        "UPDATE entries SET recipient = 'a:eve@example.org'",
    ],
)
def test_what_went_out_within_the_window_is_looked_at_at_each_start(tmp_path: Path, tampering: str) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    deliver(due(journal, "a", "bob@example.org"), for_service(ADA, journal), journal, Outbox(), lambda: NOW)
    journal.verify_answers(NOW - timedelta(days=1))
    with journal.store.write() as connection:
        connection.exec_driver_sql(tampering)

    with pytest.raises(JournalFailed, match="entry 1 was changed"):
        journal.verify_answers(NOW - timedelta(days=1))
    journal.verify_answers(NOW + timedelta(days=1))  # longer ago, it is looked at once a day


def test_what_a_start_looks_at_does_not_grow_with_what_is_over(tmp_path: Path) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    for number in range(30):
        entry = due(journal, f"over{number}", f"bob{number}@example.org", slug=f"bob{number}")
        journal.settle(entry, State.SENT, NOW)
    waiting = due(journal, "a", "ada@example.net", slug="ada")
    read: list[int] = []
    entries = import_module("gateway.journal.entries")

    def link(before: str, row: Mapping[str, Any]) -> str:
        read.append(row["entry_id"])
        return store.link(before, row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "link", link)
        journal.verify_answers(NOW)

    assert set(read) == {waiting.id}


def test_an_answer_that_was_changed_while_the_service_runs_is_not_sent(tmp_path: Path) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    due(journal, "a", "bob@example.org")
    with journal.store.write() as connection:
        connection.exec_driver_sql("UPDATE entries SET judgement = replace(judgement, 'bob@', 'eve@')")
    (entry,), outbox = journal.due(NOW), Outbox()

    with pytest.raises(JournalFailed, match="is not what was decided"):
        deliver(entry, for_service(ADA, journal), journal, outbox, lambda: NOW)

    assert outbox.letters == []


def test_a_mail_that_was_changed_in_the_journal_is_not_judged(tmp_path: Path) -> None:
    journal = Journal(open_file(tmp_path / "journal.sqlite"), "ada")
    take_in(linkedin("Nina Newcomer"), None, journal, NOW)
    with journal.store.write() as connection:
        connection.exec_driver_sql("UPDATE entries SET raw = CAST(replace(raw, 'Nina', 'Dora') AS BLOB)")
    (entry,) = journal.entries(State.NEW)

    with pytest.raises(JournalFailed, match="was changed"):
        process([entry], for_service(ADA, journal), journal, NOW)


# A mail that kills


def test_a_mail_that_kills_the_process_is_set_aside_and_the_others_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(open_file(path), "ada")
    for raw in (linkedin("Polly Poison"), linkedin("Nina Newcomer")):
        take_in(raw, None, journal, NOW)
    journal.store.engine.dispose()

    deaths = 0
    while died(lambda: judge_all(path)):
        deaths += 1

    assert deaths == MOST_TRIES
    poison, other = Journal(open_file(path), "ada").entries(*State)
    assert (poison.state, poison.why) == (State.UNREADABLE, f"reading it ended the program {MOST_TRIES} times")
    assert other.state is State.CLOSED


def judge_all(path: Path) -> None:
    journal = Journal(open_file(path), "ada")
    ada = for_service(ADA, journal)

    def read(notification: Notification) -> Note:
        if notification.inviter and notification.inviter.name == "Polly Poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return ada.read(notification)

    for entry in journal.entries(State.NEW):
        process([entry], replace(ada, read=read), journal, NOW)


def died(work: Callable[[], None]) -> bool:
    """Do something in a child process; whether it was killed over it."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
