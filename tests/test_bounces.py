"""Answers that come back block their address, and several of them stop all sending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from gateway.bounces import bounced_letters
from gateway.config import Config
from gateway.journal import Journal
from gateway.journal.schema import entries
from gateway.journal.store import Store
from gateway.mail import parse
from gateway.model import Limits, State
from gateway.owner import for_service
from gateway.pipeline import BREAKER, PAUSED, process, take_in
from tests.test_journal import due

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LIMITS = Limits(timedelta(days=30), per_hour=10, per_day=30, per_domain=10)


def report(
    letter: str, *, action: str = "failed", kind: str = "multipart/report; report-type=delivery-status"
) -> bytes:
    """A non-delivery report, as the owner's mail server writes it."""
    return f"""\
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example.org>
To: ada@example.org
Subject: Undelivered Mail Returned to Sender
Date: Mon, 23 Nov 2026 09:00:00 +0000
Message-ID: <{letter[7:15]}@mx.example.org>
MIME-Version: 1.0
Content-Type: {kind}; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you ...

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; bob@example.org
Action: {action}
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

From: Ada Miller <ada@example.org>
Message-ID: {letter}
Subject: Your invitation to connect

--b--
""".replace("\n", "\r\n").encode()


def letter(number: int) -> str:
    return f"<rsvpd.{number:032x}@example.org>"


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "ada")


def sent(journal: Journal, number: int) -> None:
    entry = due(journal, f"k{number}", f"p{number}@example.org", slug=f"p{number}")
    with journal.store.write() as connection:
        connection.execute(update(entries).where(entries.c.id == entry.id).values(letter_id=letter(number)))
    assert journal.claim(entry, LIMITS, NOW) is None
    journal.settle(entry, State.SENT, NOW)


def arrives(journal: Journal, raw: bytes) -> None:
    config = Config.model_validate({"me": {"name": "Ada Miller", "addresses": "ada@example.org"}})
    take_in(raw, None, journal, NOW)
    for entry in journal.entries(State.NEW):
        process([entry], for_service(config, journal), journal, NOW)


def test_a_report_names_the_letters_that_failed() -> None:
    assert bounced_letters(parse(report(letter(1)))) == {letter(1)}


@pytest.mark.parametrize("changes", [{"action": "delayed"}, {"kind": "multipart/mixed"}])
def test_what_is_no_report_of_a_failure_names_none(changes: dict[str, str]) -> None:
    assert bounced_letters(parse(report(letter(1), **changes))) == frozenset()


def test_an_address_whose_mail_came_back_gets_nothing_for_sixty_days(journal: Journal) -> None:
    sent(journal, 1)
    arrives(journal, report(letter(1)))
    again = due(journal, "again", "p1@example.org", slug="somebody-else")

    soon, later = (journal.claim(again, LIMITS, NOW + timedelta(days=days)) for days in (59, 61))

    assert soon is not None
    assert "came back" in soon.why
    assert later is None
    (case, *_) = [case for case in journal.cases() if case.inviter.name == "P1"]
    assert "bounced" in [event.what for event in journal.history(case)]


def test_a_report_about_a_letter_that_never_was_changes_nothing(journal: Journal) -> None:
    sent(journal, 1)

    arrives(journal, report(letter(99)))

    assert [entry.state for entry in journal.entries(*State) if entry.letter_id == letter(1)] == [State.SENT]
    assert journal.bounces_since(NOW - timedelta(days=1)) == 0


def test_the_same_report_twice_counts_once(journal: Journal) -> None:
    sent(journal, 1)

    arrives(journal, report(letter(1)))
    arrives(journal, report(letter(1)) + b"\r\nforwarded once more\r\n")

    assert journal.bounces_since(NOW - timedelta(days=1)) == 1


def test_several_bounces_in_a_day_stop_all_sending(journal: Journal) -> None:
    for number in range(BREAKER):
        sent(journal, number)

    for number in range(BREAKER):
        assert journal.fact(PAUSED) is None
        arrives(journal, report(letter(number)))

    assert f"{BREAKER} answers came back" in (journal.fact(PAUSED) or "")
