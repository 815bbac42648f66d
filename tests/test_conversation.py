"""Inviters who write back, to a real mailbox: the case is the owner's again, and nothing answers but the owner."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from gateway.errors import JournalFailed
from gateway.journal.conversation import Outcome
from gateway.model import State, Verdict
from gateway.review import summary
from gateway.state import open_journal
from tests.desk import STRANGER, Desk, _begin, _lone_owner, journal_fails
from tests.notifications import OWNER, linkedin, old_linkedin
from tests.test_bounces import report
from tests.test_review import rsvpd
from tests.test_story import DECLINED, REVIEW, Owner, owner, serving, settled, wait_for

__all__ = ["_begin", "_lone_owner", "owner"]  # the fixtures

ASKING = '[policy]\npreset = "one-good-reason"\n'
VACATION = "Auto-Submitted: auto-replied\nX-Auto-Response-Suppress: All\n"


def answer(
    to: str | None,
    *,
    when: datetime,
    sender: str = f"{STRANGER[0]} <{STRANGER[1]}>",
    subject: str = "Re: Your invitation to connect",
    text: str = "Hello Ada, what a pity.",
    field: str = "In-Reply-To",
    more: str = "",
) -> bytes:
    """What somebody writes to the owner, in answer to the letter with this Message-ID."""
    others = "<x@somewhere.example> " if field == "References" else ""
    thread = f"{field}: {others}{to}\n" if to else ""
    head = (
        f"From: {sender}\nTo: {OWNER}\nSubject: {subject}\nDate: {format_datetime(when)}\n"
        f"Message-ID: <{secrets.token_hex(8)}@somewhere.example>\n{thread}{more}"
    )
    return f"{head}Content-Type: text/plain; charset=utf-8\n\n{text}\n".replace("\n", "\r\n").encode()


def letter_id(found: Desk) -> str:
    (entry,) = [entry for entry in found.journal.entries(*State) if entry.reply]
    assert entry.letter_id
    return entry.letter_id


def outcomes(found: Desk) -> tuple[Outcome, ...]:
    """What became of the letters of the last days."""
    return found.journal.conversation.outcomes(found.clock.now - timedelta(days=7))


def write_back(found: Desk, to: str | None, **other: str) -> None:
    found.owner.deliver(answer(to, when=found.clock.now, **other))
    found.round()


def accepted_by(name: str, dkim: str = "pass") -> bytes:
    """The network's notice that somebody is a connection now."""
    return linkedin(
        f"{name} via LinkedIn",
        template="email_accept_invite_single_01",
        subject=f"{name.split()[0]} accepted your invitation, explore their network",
        dkim=dkim,
    )


@pytest.fixture(name="declined")
def _declined(begin: Callable[..., Desk]) -> Desk:
    """A stranger got the decline."""
    found = begin(old_linkedin(*STRANGER), hold="0s")
    assert found.answered == [(STRANGER[1],)]
    return found


@pytest.mark.parametrize("field", ["In-Reply-To", "References"])
@pytest.mark.parametrize("sender", [STRANGER[1], "olga@work.example"])
def test_an_answer_to_a_decline_makes_the_case_the_owners_and_is_not_answered(
    declined: Desk, field: str, sender: str
) -> None:
    write_back(declined, letter_id(declined), field=field, sender=sender)
    declined.end_of_hold()

    assert declined.verdict == (Verdict.HUMAN, "answer")
    assert declined.answered == [(STRANGER[1],)]
    assert declined.lies_in(REVIEW, DECLINED) == [1, 0]
    (mail,) = declined.owner.folder_of("INBOX")
    assert set(mail["flags"]) <= {b"\\Recent"}
    shown = rsvpd("show", "--config", declined.config.path, "c1")
    assert 'answers your letter: "Hello Ada, what a pity."' in " ".join(shown.split())
    assert "c1" in rsvpd("list", "--config", declined.config.path)
    assert "what a pity" in summary(declined.config, declined.journal, None, declined.clock.now).text


def test_a_mail_from_the_address_alone_opens_the_case_and_proves_nothing(declined: Desk) -> None:
    write_back(declined, None)
    declined.owner.deliver(linkedin(STRANGER[0], slug="olga-s"))

    declined.round()

    first, second = sorted(declined.journal.cases(), key=lambda case: case.opened)
    assert (first.verdict, first.decided_by) == (Verdict.HUMAN, "answer")
    assert known_of(declined, second.name) == "maybe"
    assert declined.answered == [(STRANGER[1],)]


@pytest.mark.parametrize("sender", [f"{STRANGER[0]} <{STRANGER[1]}>", STRANGER[1]])
def test_who_answered_the_letter_is_known_at_their_next_invitation(declined: Desk, sender: str) -> None:
    write_back(declined, letter_id(declined), sender=sender)
    declined.owner.deliver(linkedin(STRANGER[0], slug="olga-s"))

    declined.round()

    first, second = sorted(declined.journal.cases(), key=lambda case: case.opened)
    assert known_of(declined, second.name) == "yes"
    assert second.verdict is Verdict.ACCEPT
    assert first.verdict is Verdict.HUMAN


def known_of(found: Desk, name: str) -> str:
    (entry,) = [entry for entry in found.journal.entries(*State) if entry.case == name]
    return str((entry.judgement or {})["known"])


@pytest.mark.parametrize("proved", [True, False])
def test_an_automatic_answer_is_noted_and_opens_nothing(declined: Desk, proved: bool) -> None:
    write_back(declined, letter_id(declined) if proved else None, subject="Out of office", more=VACATION)

    assert declined.verdict == (Verdict.DECLINE, "policy")
    shown = rsvpd("show", "--config", declined.config.path, "c1")
    assert f"{STRANGER[1]}: Out of office" in " ".join(shown.split())
    assert outcomes(declined) == (Outcome("previous-interaction", 1, 0, 0, 0, 0),)


@pytest.mark.parametrize(
    ("to", "other"),
    [
        (f"<rsvpd.{'0' * 32}@example.org>", {"sender": "Mallory <mallory@example.net>"}),
        (None, {"sender": "Mallory <mallory@example.net>"}),
        (None, {"sender": "Ada Miller <ada@example.org>"}),
    ],
)
def test_a_mail_that_answers_no_letter_changes_no_case(declined: Desk, to: str | None, other: dict[str, str]) -> None:
    write_back(declined, to, **other)

    assert declined.verdict == (Verdict.DECLINE, "policy")
    assert declined.journal.chronicle.answered(*declined.today) == []


def test_the_owners_own_mail_in_the_thread_is_no_answer(declined: Desk) -> None:
    write_back(declined, letter_id(declined), sender="Ada Miller <ada@example.org>")

    assert declined.verdict == (Verdict.DECLINE, "policy")


def test_who_writes_while_the_answer_waits_is_not_answered(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    write_back(found, None, subject="Hello")

    found.end_of_hold()

    assert found.verdict == (Verdict.HUMAN, "answer")
    assert found.answered == []


def test_an_answer_of_who_was_not_answered_yet_gets_none_when_it_is_put_away(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    write_back(found, None, text="How dare you!")
    found.move("INBOX", DECLINED)

    found.round()
    found.end_of_hold()

    assert found.verdict == (Verdict.DECLINE, "owner")
    assert found.answered == []


def test_a_letter_that_came_back_is_no_automatic_answer(declined: Desk) -> None:
    thread = f"In-Reply-To: {letter_id(declined)}\r\n".encode()
    declined.owner.deliver(thread + report(letter_id(declined)))

    declined.round()

    (case,) = declined.journal.cases()
    happened = {event.what for event in declined.journal.history(case)}
    assert "bounced" in happened
    assert "auto-reply" not in happened
    assert outcomes(declined) == (Outcome("previous-interaction", 1, 0, 0, 0, 1),)


def test_a_crash_while_an_answer_is_written_down_tells_it_once(declined: Desk) -> None:
    with journal_fails(declined.journal, "new.why LIKE 'an answer in%'"), pytest.raises(JournalFailed):
        write_back(declined, letter_id(declined))

    declined.round()

    assert declined.verdict == (Verdict.HUMAN, "answer")
    assert len(declined.journal.chronicle.answered(*declined.today)) == 1


def test_only_the_first_answer_opens_the_case(declined: Desk) -> None:
    write_back(declined, letter_id(declined))
    declined.move(REVIEW, DECLINED)
    declined.round()

    write_back(declined, letter_id(declined), text="Please?")
    write_back(declined, None, text="Pretty please?")

    assert declined.verdict == (Verdict.DECLINE, "owner")
    assert declined.answered == [(STRANGER[1],)]
    shown = " ".join(rsvpd("show", "--config", declined.config.path, "c1").split())
    assert "Please?" in shown
    assert "Pretty please?" not in shown  # nobody waits for this address any more


def test_no_policy_answers_who_answered_a_draft(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER), mode="draft")
    write_back(found, None, subject="Hello")
    found.work.journal.set_fact("judged-under", "another policy")

    found.round()

    assert found.verdict == (Verdict.HUMAN, "answer")
    assert found.lies_in(REVIEW, DECLINED, "Drafts") == [1, 0, 1]


# Who was asked why


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Hi Ada, I would like to ask you about your paper on choral music, may I?", Verdict.ACCEPT),
        ("Hi Ada, just so.", Verdict.HUMAN),
        ("I'd like to add you to my professional network on LinkedIn.", Verdict.HUMAN),
    ],
)
def test_an_answer_to_why_is_read_like_a_note(begin: Callable[..., Desk], text: str, verdict: Verdict) -> None:
    found = begin(old_linkedin(*STRANGER), hold="0s", more=ASKING)
    quoted = "\n\nOn Monday Ada Miller wrote:\n> One good reason is enough; just answer this mail\n"

    write_back(found, letter_id(found), text=text + quoted)
    found.end_of_hold()

    assert found.verdict == (verdict, "answer")
    assert found.answered == [(STRANGER[1],)]


def test_a_reason_from_the_address_alone_is_left_to_the_owner(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER), hold="0s", more=ASKING)

    write_back(found, None, text="Hi Ada, I would like to ask you about your paper on choral music, may I?")

    assert found.verdict == (Verdict.HUMAN, "answer")


# What becomes of letters


def test_outcomes_are_counted_by_template(declined: Desk) -> None:
    write_back(declined, letter_id(declined))
    declined.move("INBOX", DECLINED)
    declined.round()
    declined.owner.deliver(accepted_by(STRANGER[0]), old_linkedin("Peer Stranger", "peer@elsewhere.example"))
    declined.round()
    declined.owner.deliver(accepted_by("Peer Stranger", dkim="fail"), accepted_by(STRANGER[0]), accepted_by("Una Else"))
    declined.round()

    assert outcomes(declined) == (Outcome("previous-interaction", 2, 1, 1, 1, 0),)
    assert declined.journal.conversation.outcomes(declined.clock.now + timedelta(days=1)) == ()


def test_of_two_people_with_a_name_none_is_taken_for_the_new_connection(declined: Desk) -> None:
    with declined.journal.store.write() as connection:
        connection.exec_driver_sql("UPDATE cases SET profile = 'linkedin:in/olga'")
    declined.owner.deliver(old_linkedin(STRANGER[0], "another@elsewhere.example"))
    declined.round()

    declined.owner.deliver(accepted_by(STRANGER[0]))
    declined.round()

    assert outcomes(declined) == (Outcome("previous-interaction", 2, 0, 0, 0, 0),)


def test_moving_an_answer_to_declined_closes_its_case_without_a_word(declined: Desk) -> None:
    write_back(declined, letter_id(declined), text="How dare you!")

    declined.move("INBOX", DECLINED)
    declined.round()
    declined.end_of_hold()

    assert declined.verdict == (Verdict.DECLINE, "owner")
    assert declined.overruled == [f"their answer moved from INBOX to {DECLINED}"]
    assert declined.answered == [(STRANGER[1],)]
    assert declined.lies_in("INBOX", REVIEW, DECLINED) == [0, 0, 2]


def test_who_is_forgotten_is_forgotten_with_their_answers(declined: Desk) -> None:
    write_back(declined, letter_id(declined), text="How dare you!")

    rsvpd("forget", "--config", declined.config.path, STRANGER[1])

    assert [declined.journal.raw(entry) for entry in declined.journal.entries(*State)] == [None, None]
    (case,) = declined.journal.cases()
    assert not any("dare" in event.why for event in declined.journal.history(case))
    declined.journal.verify()


def test_the_running_service_hears_an_answer(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(old_linkedin(*STRANGER))

    with serving(config):
        journal = open_journal(config)
        wait_for(settled(config, 1), "the decline")
        (entry,) = journal.entries(State.SENT)
        owner.deliver(answer(entry.letter_id, when=entry.taken_in))
        wait_for(lambda: owner.names(REVIEW) != [], "the answer")

    assert [str(case.verdict) for case in journal.cases()] == [Verdict.HUMAN]
    counted = journal.conversation.outcomes(entry.taken_in - timedelta(days=1))
    assert counted == (Outcome("previous-interaction", 1, 1, 0, 0, 0),)
    assert len(owner.smtp.delivered) == 1
