"""The journal against a plain model: whatever comes in whatever order, nobody is answered twice, nothing vanishes."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.errors import JournalFailed
from gateway.journal import Answer, Journal
from gateway.journal.entries import ON_THE_WIRE
from gateway.journal.store import open_file
from gateway.model import Entry, Limits, Place, Ruling, State, Verdict
from tests.test_journal import account, due

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WINDOW = timedelta(days=30)
LIMITS = Limits(WINDOW, per_hour=1000, per_day=1000, per_domain=1000)
PEOPLE = ("ada", "bob")
MOST = 4  # mails; with more, few things would happen to the same one


class JournalMachine(RuleBasedStateMachine):
    """Mails of two people come, are answered, crash, are overruled and retried; the model counts what left."""

    answers = Bundle("answers")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "journal.sqlite")
        self.journal = Journal(open_file(self.path), "me")
        self.now = START
        self.number = 0
        self.taken: set[str] = set()
        self.dots: dict[int, list[datetime]] = {}  # entry -> when a dot may have gone out
        self.of_person: dict[str, list[datetime]] = {person: [] for person in PEOPLE}
        self.retried: set[int] = set()

    @precondition(lambda self: self.number < MOST)
    @rule(target=answers, person=st.sampled_from(PEOPLE))
    def a_mail_comes_and_is_to_be_answered(self, person: str) -> tuple[Entry, str]:
        self.number += 1
        key = f"k{self.number}"
        entry = due(self.journal, key, f"{person}@example.org", slug=f"{person}{self.number}")
        self.taken.add(key)
        return entry, person

    @rule(number=st.integers(1, 20))
    def the_same_mail_comes_again(self, number: int) -> None:
        key = f"k{number}"
        if key in self.taken:
            assert not self.journal.take_in(key, b"raw", Place("INBOX", 2, number), self.now)

    @rule(answer=answers, reaches=st.sampled_from(["claim", "dot", State.SENT, State.UNCERTAIN, State.REFUSED]))
    def it_is_sent_as_far_as(self, answer: tuple[Entry, str], reaches: str) -> None:
        entry, person = answer
        if self.journal.claim(self.journal.entry(entry.id), LIMITS, self.now) or reaches == "claim":
            return
        self.journal.mark_dot(entry, self.now)
        self.dots.setdefault(entry.id, []).append(self.now)
        if reaches is not State.REFUSED:  # a mail that the server refused is with nobody
            self.of_person[person].append(self.now)
        if isinstance(reaches, State):
            self.journal.settle(entry, reaches, self.now)

    @rule(answer=answers)
    def a_dot_without_a_claim_is_refused(self, answer: tuple[Entry, str]) -> None:
        if self.journal.entry(answer[0].id).state is not State.SENDING:
            with pytest.raises(JournalFailed):
                self.journal.mark_dot(answer[0], self.now)

    @rule()
    def the_process_dies_and_starts_again(self) -> None:
        self.journal.store.engine.dispose()
        self.journal = Journal(open_file(self.path), "me")
        self.journal.recover(self.now)

    @rule(answer=answers)
    def the_owner_approves(self, answer: tuple[Entry, str]) -> None:
        case = self.journal.case(self.journal.entry(answer[0].id).case or "")
        assert case is not None
        self.journal.overrule(case, Verdict.ACCEPT, "approved by the owner", self.now)

    @rule(answer=answers)
    def the_owner_declines(self, answer: tuple[Entry, str]) -> None:
        entry, person = self.journal.entry(answer[0].id), answer[1]
        case = self.journal.case(entry.case or "")
        assert case is not None
        to = f"{person}@example.org"
        wanted = Answer(entry, account(to), Ruling(State.DUE, recipient=to, letter_id=entry.letter_id))
        took = self.journal.overrule(case, Verdict.DECLINE, "moved to Declined", self.now, answer=wanted)
        assert took == (entry.state not in ON_THE_WIRE)
        if entry.state is State.REFUSED:
            self.retried.add(entry.id)

    @rule(answer=answers)
    def the_owner_says_send_it_again(self, answer: tuple[Entry, str]) -> None:
        entry = self.journal.entry(answer[0].id)
        if entry.state in (State.REFUSED, State.UNCERTAIN):
            self.journal.settle(entry, State.DUE, self.now, why="sent again at the owner's word")
            self.retried.add(entry.id)

    @rule(days=st.integers(1, 20))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)

    @invariant()
    def no_answer_leaves_twice_unasked(self) -> None:
        for entry_id, moments in getattr(self, "dots", {}).items():
            assert len(moments) <= 1 or entry_id in self.retried

    @invariant()
    def nobody_is_answered_twice_within_the_window_unasked(self) -> None:
        if getattr(self, "retried", True):
            return
        for moments in self.of_person.values():
            ordered = sorted(moments)
            assert all(later - earlier >= WINDOW for earlier, later in pairwise(ordered))

    @invariant()
    def nothing_vanishes(self) -> None:
        if hasattr(self, "journal"):
            assert {entry.key for entry in self.journal.entries(*State)} == self.taken

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.store.engine.dispose()
            self.folder.cleanup()


JournalMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestJournal = JournalMachine.TestCase
