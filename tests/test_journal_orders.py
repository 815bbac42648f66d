"""What commands by mail and standing words leave in the journal, on each database there is."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from gateway.errors import JournalFailed
from gateway.journal import Journal
from gateway.journal.schema import confirmations
from gateway.journal.store import Store
from gateway.model import Case, Scope, Standing, State, Verdict
from tests.test_journal import NOW, due


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, "ada")


@pytest.fixture
def case(journal: Journal) -> Case:
    due(journal, "a")
    (found,) = journal.cases()
    return found


def test_leave_is_spent_once_and_by_its_owner(journal: Journal) -> None:
    other = Journal(journal.store, "bea")

    assert journal.orders.spend("n", NOW)
    assert not journal.orders.spend("n", NOW)
    assert other.orders.spend("n", NOW)


def test_of_many_that_spend_the_same_leave_at_once_one_has_it(journal: Journal, case: Case) -> None:
    start = threading.Barrier(4)
    took: list[bool] = []

    def obey() -> None:
        start.wait()
        with journal.together() as one:
            if one.orders.spend("n", NOW):
                one.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)
                took.append(True)

    threads = [threading.Thread(target=obey) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert took == [True]
    assert [event.why for event in journal.history(case)].count("approved by the owner") == 2  # and the answer closed


def test_what_is_done_together_is_done_or_not(journal: Journal, case: Case) -> None:
    def begin_and_fail() -> None:
        with journal.together() as one:
            one.orders.spend("n", NOW)
            one.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)
            assert one.case("c1") != case
            raise RuntimeError

    with pytest.raises(RuntimeError):
        begin_and_fail()

    assert journal.case("c1") == case
    assert journal.orders.spend("n", NOW)
    journal.verify()


def test_leave_that_was_spent_before_does_not_undo_what_is_done_with_it(journal: Journal, case: Case) -> None:
    journal.orders.spend("old", NOW)

    with journal.together() as one:
        assert one.orders.spend("new", NOW)
        assert not one.orders.spend("old", NOW)
        one.overrule(case, Verdict.ACCEPT, "approved by the owner", NOW)

    found = journal.case("c1")
    assert found is not None
    assert found.verdict is Verdict.ACCEPT
    assert not journal.orders.spend("new", NOW)


def test_a_fault_within_says_that_the_journal_failed(journal: Journal, case: Case) -> None:
    word = Standing(Scope.PERSON, True, "Bob", "linkedin:in/bob", NOW, "c1")

    def say_twice() -> None:
        with journal.together() as one:
            one.standing.say(word, case)
            one.standing.say(word, case)  # the same key again

    with pytest.raises(JournalFailed):
        say_twice()

    assert journal.standing.all() == ()


def test_words_hold_until_they_are_taken_back_and_each_is_written_down(journal: Journal, case: Case) -> None:
    company = Standing(Scope.COMPANY, False, "Acme", "Acme", NOW, "c1")
    person = Standing(Scope.PERSON, True, "Bob", "linkedin:in/bob", NOW, "c1")
    for word in (company, person):
        journal.standing.say(word, case)
    both = journal.standing.all()
    journal.standing.take_back(company, case, NOW)

    assert both == (person, company)
    assert journal.standing.all() == (person,)
    said = [(event.what, event.why) for event in journal.history(case)][-3:]
    assert said == [
        ("owner: never company", "Acme"),
        ("owner: always person", "Bob"),
        ("owner: taken back", "no longer never: Acme"),
    ]


def test_erasing_a_person_erases_what_was_said_of_them_and_not_of_their_company(journal: Journal, case: Case) -> None:
    company = Standing(Scope.COMPANY, False, "Acme", "Acme", NOW, "c1")
    for word in (company, Standing(Scope.PERSON, True, "Bob", "linkedin:in/bob", NOW, "c1")):
        journal.standing.say(word, case)

    assert journal.forget("Bob", NOW) == 1

    assert journal.standing.all() == (company,)
    journal.verify()


@pytest.mark.parametrize(
    ("reached", "due_again", "kept"),
    [
        (State.DUE, True, "Done"),
        (State.SENDING, True, "Done"),
        (State.DOT, False, "Done"),
        (State.SENT, False, ""),
        (State.REFUSED, False, ""),
        (State.UNCERTAIN, False, ""),
    ],
)
def test_a_confirmation_goes_out_at_most_once(journal: Journal, reached: State, due_again: bool, kept: str) -> None:
    entry = due(journal, "a")
    journal.orders.confirm(entry, "Done", NOW)
    if reached is not State.DUE:
        assert journal.orders.claim(entry.id)
        assert not journal.orders.claim(entry.id)
    if reached not in (State.DUE, State.SENDING):
        journal.orders.settle(entry.id, reached)

    journal.recover(NOW)

    assert journal.orders.unconfirmed() == ([(entry.id, "Done", NOW)] if due_again else [])
    with journal.store.read() as connection:
        assert connection.execute(select(confirmations.c.text)).scalar() == kept
