"""What the owner says while the service is at work, and a journal that fails midway: no word of theirs is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.config import Config
from gateway.errors import JournalFailed, SendFailed, SendUncertain
from gateway.journal import Answer, Journal
from gateway.journal.store import Store
from gateway.model import Limits, Ruling, State, Verdict
from gateway.owner import for_service
from gateway.pipeline import Post, deliver
from tests.clock import Clock
from tests.notifications import old_linkedin
from tests.test_journal import LIMITS, account, due, invitation, judgement
from tests.test_round import MONDAY, Scene, scene
from tests.test_story import owner

__all__ = ["owner", "scene"]  # the fixtures

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ADA = Config.model_validate({"me": {"name": "Ada Miller", "addresses": "ada@example.org"}})
ONE_AN_HOUR = Limits(timedelta(days=30), per_hour=1, per_day=30, per_domain=5)


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "ada")


class Outbox:
    """A mail server that takes everything, and remembers it."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, bytes]] = []

    def __call__(self, message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        before_dot()
        self.letters.append((recipient, message))
        return "250 ok"

    @property
    def recipients(self) -> list[str]:
        return [recipient for recipient, _ in self.letters]


def test_an_answer_that_was_taken_back_while_others_were_sent_stays_back_though_the_budget_is_spent(
    journal: Journal,
) -> None:
    first, second = due(journal, "a", "a@example.org", slug="a"), due(journal, "b", "b@example.org", slug="b")
    ada, outbox = replace(for_service(ADA, journal), limits=ONE_AN_HOUR), Outbox()
    deliver(first, ada, journal, outbox, lambda: NOW)
    case = journal.case(second.case or "")
    assert case is not None
    journal.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)

    deliver(second, ada, journal, outbox, lambda: NOW)

    taken_back = journal.entry(second.id)
    assert (taken_back.state, taken_back.why) == (State.CLOSED, "approved by the owner")
    assert outbox.recipients == ["a@example.org"]


def test_a_mail_that_two_judge_at_once_is_answered_once(journal: Journal) -> None:
    journal.take_in("a", b"raw", None, NOW)
    (read_by_the_slow,) = journal.entries(State.NEW)
    ruling = Ruling(State.DUE, recipient="bob@example.org", letter_id="<a@example.org>")
    ada, outbox = for_service(ADA, journal), Outbox()
    for entry in (read_by_the_slow, read_by_the_slow):
        journal.judged(entry, judgement(invitation()), account("bob@example.org"), ruling, NOW)
        for answer in journal.due(NOW):
            deliver(answer, ada, journal, outbox, lambda: NOW)

    assert outbox.recipients == ["bob@example.org"]
    assert len(journal.cases()) == 1


def test_an_answer_that_went_out_by_another_hand_stays_sent(journal: Journal) -> None:
    entry = due(journal, "a")
    ada, outbox = for_service(ADA, journal), Outbox()
    deliver(entry, ada, journal, outbox, lambda: NOW)

    deliver(entry, ada, journal, outbox, lambda: NOW)

    assert journal.entry(entry.id).state is State.SENT
    assert outbox.recipients == ["bob@example.org"]


def refusing(failure: SendFailed) -> Post:
    def post(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        raise failure

    return post


def test_a_server_that_says_later_is_asked_ever_more_rarely_and_given_up_after_days(journal: Journal) -> None:
    entry, ada, now = due(journal, "a"), for_service(ADA, journal), NOW
    waits = []
    while deliver(entry, ada, journal, refusing(SendFailed("451 later")), Clock(now)) is State.DUE:
        entry = journal.entry(entry.id)
        assert entry.not_before is not None
        waits.append(entry.not_before - now)
        now = entry.not_before

    assert waits[:5] == [timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 80)]
    assert max(waits) == timedelta(hours=4)
    assert "gave up after 4 days: 451 later" in journal.entry(entry.id).why
    assert timedelta(days=4) < now - NOW < timedelta(days=5)


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (SendFailed("550 no", permanent=True), State.REFUSED),
        (SendFailed("552 too big", permanent=True), State.REFUSED),
        (SendFailed("535 login", permanent=True, setup=True), State.DUE),
        (SendFailed("421 closing"), State.DUE),
        (SendUncertain("cut after the dot"), State.UNCERTAIN),
    ],
)
def test_a_refusal_for_good_is_parked_and_a_wrong_login_is_not_the_mails_fault(
    journal: Journal, failure: SendFailed, state: State
) -> None:
    assert deliver(due(journal, "a"), for_service(ADA, journal), journal, refusing(failure), Clock(NOW)) is state


def test_a_hold_that_the_owner_ended_is_not_ended_again(journal: Journal) -> None:
    entry = due(journal, "a")
    journal.settle(entry, State.HELD, NOW, not_before=NOW)
    (held,) = journal.hold_over(NOW)
    (case,) = journal.cases()
    journal.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)

    released = journal.settle(held, State.DUE, NOW, only_from=(State.HELD,))

    assert not released
    assert journal.entry(entry.id).state is State.CLOSED


@pytest.mark.parametrize("state", [State.SENDING, State.DOT, State.SENT, State.UNCERTAIN])
def test_declining_a_case_that_is_being_answered_sends_no_second_answer(journal: Journal, state: State) -> None:
    entry = due(journal, "a")
    journal.claim(entry, LIMITS, NOW)
    journal.settle(entry, state, NOW)

    answer = Answer(entry, account("bob@example.org"), Ruling(State.DUE, recipient="bob@example.org"))
    (case,) = journal.cases()
    took = journal.overrule(case, Verdict.DECLINE, "declined by the owner", NOW, answer=answer)

    assert not took
    assert journal.entry(entry.id).state is state


def test_a_case_that_the_owner_decided_meanwhile_is_not_moved_by_the_policy(journal: Journal) -> None:
    entry = due(journal, "a")
    journal.settle(entry, State.CLOSED, NOW)
    (waiting,) = journal.open_to_change()
    (case,) = journal.cases()
    journal.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)

    ruling = Ruling(State.DUE, recipient="bob@example.org")
    moved = journal.judged_again(waiting, Verdict.DECLINE, account("bob@example.org"), ruling, "human -> decline", NOW)

    (case,) = journal.cases()
    assert not moved
    assert (case.verdict, case.decided_by) == (Verdict.ACCEPT, "owner")
    assert journal.entry(entry.id).state is State.CLOSED


# A database that cannot take one state any more, and how it recovers.
_FULL_DISK = {
    "sqlite": (
        """CREATE TRIGGER full_disk BEFORE UPDATE ON entries WHEN new.state = '{step}'
        BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END""",
        "DROP TRIGGER full_disk",
    ),
    "postgresql": (
        """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'database or disk is full'; END $$;
        CREATE TRIGGER full_disk BEFORE UPDATE ON entries FOR EACH ROW WHEN (new.state = '{step}')
        EXECUTE FUNCTION full_disk()""",
        "DROP TRIGGER full_disk ON entries",
    ),
}


@pytest.mark.parametrize(
    ("step", "outcome", "letters"), [("sending", State.SENT, 1), ("dot", State.SENT, 1), ("sent", State.UNCERTAIN, 1)]
)
def test_what_a_failing_journal_left_half_done_is_put_right_without_a_restart(
    scene: Scene, step: str, outcome: State, letters: int
) -> None:
    scene.owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))
    journal, now = scene.work.journal, MONDAY - timedelta(days=5)
    fill, clear = _FULL_DISK[journal.store.engine.dialect.name]
    with journal.store.write() as connection:
        connection.exec_driver_sql(fill.format(step=step))
    with pytest.raises(JournalFailed, match="full"):
        scene.round_at(now)
    with journal.store.write() as connection:
        connection.exec_driver_sql(clear)

    scene.round_at(now + timedelta(minutes=10))

    (entry,) = journal.entries(*State)
    assert entry.state is outcome
    assert len(scene.owner.smtp.delivered) == letters
