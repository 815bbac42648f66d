"""Owners shared by several processes: each has one, a dead one's go to the others, and a fenced one says nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.errors import LeaseLost
from gateway.journal import Journal
from gateway.journal.leases import Leases
from tests.notifications import old_linkedin
from tests.postgres import Postgres, running
from tests.servers import Dovecot
from tests.sharing import University, until
from tests.submission import SmtpServer
from tests.test_journal import LIMITS, NOW, due


@pytest.fixture
def university(cluster: Postgres, dovecot: Dovecot, smtp_server: SmtpServer) -> Iterator[University]:
    with TemporaryDirectory(prefix="rsvpd-sharing-") as folder:
        found = University(Path(folder), dovecot, smtp_server, cluster.database())
        yield found
        found.end()
        for number in range(len(found.processes)):
            print(found.log(number)[-6000:])  # which pytest shows when a test fails


def test_the_owners_of_a_killed_process_are_taken_over_and_nobody_is_answered_twice(university: University) -> None:
    university.furnish(21)
    first, second, third = (university.begin() for _ in range(3))
    until(lambda: university.shared_by(first, second, third), "fair shares")

    for number, login in enumerate(university.logins.values()):
        university.dovecot.deliver(login, old_linkedin("Olga Peer", f"before{number}@somewhere.example"))
    until(lambda: len(university.answers()) > 3, "some answers")
    first.kill()
    took = until(lambda: university.shared_by(second, third), "the others to take over")
    for number, login in enumerate(university.logins.values()):
        university.dovecot.deliver(login, old_linkedin("Nils Peer", f"after{number}@somewhere.example"))
    until(lambda: len(university.answers().keys() | university.uncertain()) == 42, "all answers")

    assert took < 30
    assert set(university.answers().values()) == {1}
    living = [json.loads(line) for line in university.rsvpd("status", university.url, "--json").splitlines()]
    assert sorted(row["owners"] for row in living if row["living"]) == [10, 11]


@pytest.mark.parametrize("step", ["data", "dot"])
def test_an_answer_under_way_in_a_process_that_freezes_goes_out_at_most_once(university: University, step: str) -> None:
    university.furnish(1)
    first = university.begin()
    until(lambda: university.shared_by(first), "the first to hold the owner")
    (login,) = university.logins.values()
    frozen = threading.Event()

    def freeze(_step: str) -> None:
        if not frozen.is_set():
            os.kill(first.pid, signal.SIGSTOP)
            frozen.set()

    university.smtp.at[step] = freeze
    university.dovecot.deliver(login, old_linkedin("Olga Peer", "olga@somewhere.example"))
    assert frozen.wait(20)
    second = university.begin()
    took = until(lambda: university.shared_by(second), "the second to take over")
    time.sleep(3)
    before = sum(university.answers().values())
    os.kill(first.pid, signal.SIGCONT)
    until(lambda: len(university.held()) == 2, "the first to begin anew")

    assert took < 30
    # Frozen before the mark of the dot it is fenced, and the successor sends; after it nobody may send again.
    assert (before, sum(university.answers().values())) == (1, 1)


def test_a_process_without_the_database_lets_go_and_comes_back(university: University, cluster: Postgres) -> None:
    university.furnish(4)
    first, second = university.begin(), university.begin()
    until(lambda: university.shared_by(first, second), "fair shares")

    cluster.stop()
    until(lambda: all("all owners are let go" in university.log(number) for number in (0, 1)), "both to let go")
    cluster.start()
    took = until(lambda: university.shared_by(first, second), "fair shares again")
    for number, login in enumerate(university.logins.values()):
        university.dovecot.deliver(login, old_linkedin("Olga Peer", f"olga{number}@somewhere.example"))
    until(lambda: len(university.answers()) == 4, "all answers")

    assert took < 30
    assert set(university.answers().values()) == {1}


def test_a_mail_that_comes_while_the_database_is_away_is_answered_once_it_is_back(
    dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    with TemporaryDirectory(prefix="rsvpd-sharing-") as name, ExitStack() as stack:
        (own := Path(name, "postgresql")).mkdir()
        Path(name).chmod(0o755)
        cluster = stack.enter_context(running(own))
        university = University(Path(name), dovecot, smtp_server, cluster.database())
        stack.callback(university.end)
        university.furnish(1)
        university.begin()
        (login,) = university.logins.values()
        dovecot.drop(login, old_linkedin("Olga Stranger", "olga@somewhere.example"))
        until(lambda: university.answers()["olga@somewhere.example"] == 1, "the first answer")
        time.sleep(5)  # its round, and the one after it, are over: the mailbox is only listened at

        cluster.stop()
        dovecot.drop(login, old_linkedin("Nina Newcomer", "nina@elsewhere.example"))
        until(lambda: "owner0000 away: journal" in university.log(0), "the failure")
        cluster.start()

        # Not only when the mailbox is polled, which is minutes later.
        until(lambda: university.answers()["nina@elsewhere.example"] == 1, "the second answer")


def test_owners_put_in_changed_and_removed_are_heeded_while_it_runs(university: University) -> None:
    university.furnish(2)
    process = university.begin()
    until(lambda: university.shared_by(process), "both to be held")

    university.furnish(1)
    until(lambda: university.shared_by(process), "the third to be held")
    until(lambda: "owner0002 is served" in university.log(0), "the third to be served")
    university.write("owner0000", extra='per_hour = "many"\n')
    university.rsvpd("owners", "import", university.files, university.url, status=78)
    university.write("owner0000", extra="per_hour = 3\n")
    told = university.rsvpd("owners", "import", university.files, university.url)
    university.rsvpd("owners", "remove", "owner0001", university.url)
    del university.logins["owner0001"]
    until(lambda: university.shared_by(process), "two to be held")
    until(lambda: "owner0001 is served no more" in university.log(0), "the watch to end")

    assert told == "1 owner put in, 2 as they were, no faults.\n"
    listed = [json.loads(line) for line in university.rsvpd("owners", "list", university.url, "--json").splitlines()]
    assert [(row["owner"], row["pid"]) for row in listed] == [("owner0000", process.pid), ("owner0002", process.pid)]
    assert "owner0000 is served no more" not in university.log(0)
    assert university.log(0).count("owner0002 is served event=") == 1
    assert "correct horse" not in str(university.leases.files())


def test_nothing_is_written_for_an_owner_who_is_another_processes(cluster: Postgres) -> None:
    leases = Leases.at(cluster.database())
    leases.put("ada", "/etc/rsvpd", "")
    first, second = leases.begin(), leases.begin()
    ((held, _),) = leases.take(first, 1)
    store = replace(leases.store, proof=held.proof)
    entry = due(Journal(store, "ada"), "a")

    leases.give_back([held])
    ((again, _),) = leases.take(second, 1)

    with pytest.raises(LeaseLost):
        Journal(store, "ada").claim(entry, LIMITS, NOW)
    assert Journal(replace(store, proof=again.proof), "ada").claim(entry, LIMITS, NOW) is None
    assert again.token == held.token + 1


def test_an_owner_in_the_table_is_commanded_by_name_and_by_a_file_of_that_name(university: University) -> None:
    university.furnish(1)
    process = university.begin()
    until(lambda: university.shared_by(process), "the owner to be held")
    (login,) = university.logins.values()
    university.dovecot.deliver(login, old_linkedin("Olga Peer", "olga@somewhere.example"))
    until(lambda: len(university.answers()) == 1, "the answer")
    named = f"{university.url}#owner0000"
    file = university.folder / "owner0000.toml"
    file.write_text(f'[me]\nname = "Ada Miller"\naddresses = "ada@example.org"\n[journal]\nurl = "{university.url}"\n')
    file.chmod(0o600)

    approved = university.rsvpd("approve", "--config", named, "c1")
    paused = university.rsvpd("pause", "--config", file)

    assert "Olga Peer" in university.rsvpd("list", "--all", "--config", named)
    assert "approve" in approved or "accept" in approved
    assert paused.startswith("Paused")
    assert "owner" in university.rsvpd("show", "c1", "--config", file)
    assert "Olga Peer" in university.rsvpd("digest", named)
    university.rsvpd("list", "--config", f"{university.url}#nobody", status=78)
