"""What keeps a process that has lost an owner from writing and sending: each fence by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from gateway import smtp
from gateway.errors import LeaseLost, SendFailed
from gateway.journal import Journal
from gateway.journal.leases import LASTS, MARGIN, Holding, Leases, Tenure, now
from gateway.pipeline import Post
from gateway.watches import fenced
from tests.postgres import Postgres
from tests.submission import SmtpServer
from tests.test_journal import LIMITS, NOW, due
from tests.test_smtp import MAIL, RECIPIENT, SENDER, account


@dataclass
class Shared:
    """An owner in the hands of the first of two processes, with an answer that is due."""

    leases: Leases
    first: Tenure
    second: Tenure
    held: Holding

    @property
    def journal(self) -> Journal:
        """As the first process has it."""
        return Journal(replace(self.leases.store, proof=self.held.proof), "ada")

    def time_passes(self) -> None:
        """The first has given no sign of life for too long, by the database's clock."""
        with self.leases.store.at_once() as connection:
            late = "update processes set until = clock_timestamp() - interval '1 second' where id = :id"
            connection.execute(text(late), {"id": self.first.process})


@pytest.fixture
def shared(cluster: Postgres) -> Shared:
    leases = Leases.at(cluster.database())
    leases.put("ada", "/etc/rsvpd", "")
    first, second = leases.begin(), leases.begin()
    ((held, _),) = leases.take(first, 1)
    return Shared(leases, first, second, held)


def post_to(server: SmtpServer) -> Post:
    def post(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        return smtp.send(
            account(server), message, sender=SENDER, recipient=recipient,
            secret=lambda: SecretStr(server.login.password), before_dot=before_dot,
        )  # fmt: skip

    return post


def holding(seconds: float) -> Holding:
    """An owner who is ours for some seconds yet."""
    return Holding("ada", 1, Tenure(ends=now() + seconds))


def test_a_mail_goes_out_as_long_as_the_owner_is_ours(smtp_server: SmtpServer) -> None:
    post = fenced(post_to(smtp_server), holding(LASTS).check)

    post(MAIL, recipient=RECIPIENT, before_dot=lambda: None)

    assert len(smtp_server.delivered) == 1


def test_no_mail_server_is_asked_when_the_time_is_nearly_over(smtp_server: SmtpServer) -> None:
    post = fenced(post_to(smtp_server), holding(MARGIN - 0.1).check)

    with pytest.raises(LeaseLost):
        post(MAIL, recipient=RECIPIENT, before_dot=lambda: None)
    assert smtp_server.heard == []


def test_the_dot_stays_away_when_time_ran_out_after_its_mark(smtp_server: SmtpServer) -> None:
    held, marked = holding(LASTS), []

    def mark() -> None:
        marked.append(True)
        held.tenure.ends = now() + MARGIN - 0.1  # the process was frozen when it had committed the mark

    with pytest.raises(LeaseLost):
        fenced(post_to(smtp_server), held.check)(MAIL, recipient=RECIPIENT, before_dot=mark)
    assert (marked, smtp_server.delivered) == ([True], [])


def test_a_tenure_that_was_given_up_sends_nothing_however_long_it_would_last(smtp_server: SmtpServer) -> None:
    held = holding(LASTS)
    held.tenure.over = True

    with pytest.raises(LeaseLost):
        fenced(post_to(smtp_server), held.check)(MAIL, recipient=RECIPIENT, before_dot=lambda: None)
    assert smtp_server.heard == []


@pytest.mark.parametrize("how", ["time ran out", "given back and taken by another", "taken by another"])
def test_neither_claim_nor_mark_is_written_once_the_owner_is_lost(shared: Shared, how: str) -> None:
    entry = due(shared.journal, "a")
    assert shared.journal.claim(entry, LIMITS, NOW) is None
    waiting = due(shared.journal, "b", "grace@example.net", "grace")

    if how.startswith("given"):
        shared.leases.give_back([shared.held])
    else:
        shared.time_passes()
    if how != "time ran out":
        assert len(shared.leases.take(shared.second, 1)) == 1

    with pytest.raises(LeaseLost):
        shared.journal.mark_dot(entry, NOW)
    with pytest.raises(LeaseLost):
        shared.journal.claim(waiting, LIMITS, NOW)
    with pytest.raises(LeaseLost):
        shared.journal.weeks.claim("2026-W47", NOW)


def test_a_process_that_comes_back_to_its_owner_is_not_the_one_it_was(shared: Shared) -> None:
    before = shared.journal
    shared.leases.give_back([shared.held])
    shared.leases.take(shared.first, 1)

    with pytest.raises(LeaseLost):
        before.set_fact("written", "by the hands it had left")


def test_an_owner_is_taken_by_nobody_while_the_old_hand_still_writes(shared: Shared) -> None:
    with shared.journal.together() as together:
        together.set_fact("written", "in time")
        shared.time_passes()
        during = shared.leases.take(shared.second, 1)

    assert during == []
    assert len(shared.leases.take(shared.second, 1)) == 1


def test_a_life_that_ran_out_is_not_prolonged(shared: Shared) -> None:
    shared.time_passes()

    with pytest.raises(LeaseLost):
        shared.leases.prolong(shared.first)


def test_a_sign_of_life_counts_from_before_it_was_asked_for(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter((100.0, 200.0))
    monkeypatch.setattr("gateway.journal.leases.now", lambda: next(moments))

    shared.leases.prolong(shared.first)

    assert shared.first.ends == 100.0 + LASTS


def test_the_server_ends_a_transaction_in_which_nothing_is_asked(shared: Shared) -> None:
    with shared.leases.store.read() as connection:
        assert connection.execute(text("show idle_in_transaction_session_timeout")).scalar() == "10s"


def test_a_lost_owner_is_no_failure_of_the_mail_server() -> None:
    # Who puts a mail off for it would write again for an owner who is another's.
    assert not issubclass(LeaseLost, SendFailed)
