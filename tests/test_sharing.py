"""Owners shared by several processes: each has one, a dead one's go to the others, and a fenced one says nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.notifications import old_linkedin
from tests.postgres import Postgres
from tests.servers import Dovecot
from tests.sharing import University, until
from tests.submission import SmtpServer


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
    until(lambda: len(university.answers()) == 42, "all answers")

    assert took < 30
    assert set(university.answers().values()) == {1}
    living = [json.loads(line) for line in university.rsvpd("status", university.url, "--json").splitlines()]
    assert sorted(row["owners"] for row in living if row["living"]) == [10, 11]
