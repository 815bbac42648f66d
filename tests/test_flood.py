"""Many mails at once: as many answers as the budgets allow, one a person, and no more memory than one mail needs."""

from __future__ import annotations

import logging
import os
import resource
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import Config
from gateway.journal import Journal
from gateway.journal.store import open_file
from gateway.mail import LARGEST
from gateway.model import Entry, State
from gateway.owner import for_service
from gateway.pipeline import Owner, deliver, process, take_in
from tests.clock import Clock
from tests.notifications import MX, old_linkedin
from tests.test_races import Outbox


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(open_file(tmp_path / "journal.sqlite"), "ada")


def ada(journal: Journal) -> Owner:
    """An owner with the budgets of the defaults: 10 an hour, 30 a day, 5 a day into one domain."""
    settings = {
        "me": {"name": "Ada Miller", "addresses": "ada@example.org"},
        "authentication": {"authserv_id": MX},
        "delivery": {"mode": "send", "hold": "0s"},
    }
    return for_service(Config.model_validate(settings), journal)


def answered(journal: Journal, mails: list[bytes]) -> list[str]:
    """Whom the service answers when these mails come at once."""
    owner, outbox, began = ada(journal), Outbox(), datetime.now(UTC)
    for raw in mails:
        take_in(raw, None, journal, began)
    for entry in journal.entries(State.NEW):
        process([entry], owner, journal, began)
    for entry in journal.due(began):
        deliver(entry, owner, journal, outbox, Clock(began))
    return outbox.recipients


def test_one_inviter_gets_one_answer_however_often_they_ask(journal: Journal) -> None:
    mails = [old_linkedin("Olga Stranger", f"olga+{number}@somewhere.example") for number in range(50)]

    assert answered(journal, mails) == ["olga+0@somewhere.example"]


def test_a_domain_gets_five_answers_a_day_whoever_asks(journal: Journal) -> None:
    mails = [old_linkedin(f"{name} Stranger", f"{name.lower()}@victim.example") for name in names(50)]

    assert len(answered(journal, mails)) == 5


def test_a_flood_of_genuine_invitations_is_answered_within_the_budgets_and_the_rest_waits(journal: Journal) -> None:
    mails = [old_linkedin(f"{name} Stranger", f"{name.lower()}@{name.lower()}.example") for name in names(100)]

    at_once = answered(journal, mails)

    states = Counter(entry.state for entry in journal.entries(*State))
    assert len(at_once) == 10
    assert states == Counter({State.SENT: 10, State.DUE: 90})


def names(count: int) -> list[str]:
    return [chr(65 + number // 26) + chr(97 + number % 26) * 3 for number in range(count)]


def test_a_backlog_of_mails_fills_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(open_file(path), "ada")
    now, count = datetime.now(UTC), 80
    for number in range(count):
        # Refused by its lines: what it costs to judge one is another test's business.
        raw = f"Message-ID: <{number}@x.example>\r\nFrom: a@linkedin.com\r\n\r\n".encode() + b"\n" * (LARGEST - 200)
        take_in(raw, None, journal, now)
    journal.store.engine.dispose()

    def judge_all() -> None:
        journal = Journal(open_file(path), "ada")
        owner = ada(journal)
        logging.disable(logging.CRITICAL)  # pytest keeps what is logged, and with an exception the mail
        for entry in journal.entries(State.NEW):
            process([entry], owner, journal, now)
        assert len(looked_at(journal)) == count

    def look() -> None:
        looked_at(Journal(open_file(path), "ada"))

    idle, judging = peak_of(look), peak_of(judge_all)

    assert judging - idle < 30, "the mails of a backlog are held all at once"


def looked_at(journal: Journal) -> list[Entry]:
    """Every list there is."""
    (
        list(journal.unfiled("INBOX")),
        list(journal.open_to_change()),
        journal.chronicle.between(datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC)),
    )
    return journal.entries(State.UNREADABLE)


def peak_of(work: Callable[[], object]) -> float:
    """The most memory that a child needs for some work, MB."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (4 * 1024**3, 4 * 1024**3))
        work()
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_maxrss * 1024 / 1e6
