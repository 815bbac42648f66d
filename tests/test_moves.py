"""The owner decides by moving mails: a real mailbox, another mail program in it, and rounds under the test's clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.commands.verbs import Verb
from gateway.deeds import carry_out
from gateway.errors import DnsAway, JournalFailed
from gateway.imap import Session
from gateway.model import Landed, Mail, Provenance, State, Verdict
from gateway.review import summary
from gateway.state import open_journal
from tests.desk import HOLD, KNOWN, STRANGER, UNCLEAR, Desk, _begin, _lone_owner, desk, journal_fails
from tests.notifications import linkedin, old_linkedin, ordinary, reminder
from tests.servers import Dovecot, running
from tests.submission import SmtpServer
from tests.test_story import ACCEPT, DECLINED, REVIEW, Owner, owner, owner_at, serving, wait_for

__all__ = ["_begin", "_lone_owner", "owner"]  # the fixtures

# The decisions


@pytest.mark.parametrize("who", [UNCLEAR, KNOWN])
def test_a_mail_moved_to_declined_is_answered_after_the_hold_and_the_summary_says_so(
    begin: Callable[..., Desk], who: tuple[str, str]
) -> None:
    found = begin(old_linkedin(*who))
    start = REVIEW if who is UNCLEAR else ACCEPT
    found.move(start, DECLINED)

    found.round()
    before = list(found.answered)
    found.end_of_hold()
    found.round()

    assert (before, found.answered) == ([], [(who[1],)])
    assert found.verdict == (Verdict.DECLINE, "owner")
    assert found.overruled == [f"moved from {start} to {DECLINED}"]
    assert found.lies_in(ACCEPT, REVIEW, DECLINED) == [0, 0, 1]
    text = summary(found.config, found.journal, None, found.clock.now).text
    assert re.search(rf"c1  {who[0]}.*\n  moved from {start} to {DECLINED}\n  Answered by mail \({who[1]}\)", text)


@pytest.mark.parametrize(("end", "verdict"), [(ACCEPT, Verdict.ACCEPT), (REVIEW, Verdict.HUMAN)])
def test_a_mail_moved_out_of_declined_before_its_hold_ends_is_not_answered(
    begin: Callable[..., Desk], end: str, verdict: Verdict
) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.move(DECLINED, end)

    found.end_of_hold()
    found.round()

    assert found.answered == []
    assert found.verdict == (verdict, "owner")
    assert found.overruled == [f"moved from {DECLINED} to {end}"]
    assert found.lies_in(DECLINED, end) == [0, 1]


def test_who_is_forgotten_during_the_hold_gets_no_answer_and_nobody_is_said_to_have_moved_a_mail(
    begin: Callable[..., Desk],
) -> None:
    found = begin(old_linkedin(*STRANGER))

    found.journal.forget(STRANGER[1], found.clock.now)
    before = found.journal.entries(State.HELD)
    found.end_of_hold()
    found.round()

    assert (before, found.answered) == ([], [])
    (entry,) = found.journal.entries(State.CLOSED)
    assert entry.why == "erased at the owner's word"
    (case,) = found.journal.cases()
    assert not any("moved" in event.why for event in found.journal.history(case))
    found.journal.verify()


@pytest.mark.parametrize("by", ["move", "command"])
@pytest.mark.parametrize(
    ("mail", "mode", "place"),
    [(old_linkedin(*STRANGER), "draft", "Drafts"), (linkedin("Bob Stranger"), "send", REVIEW)],
)
def test_whom_the_owner_accepts_gets_no_new_draft_or_text_to_paste(
    begin: Callable[..., Desk], mail: bytes, mode: str, place: str, by: str
) -> None:
    found = begin(mail, mode=mode)
    before = found.lies_in(place)
    found.delete(place)

    if by == "move":
        found.move(DECLINED, ACCEPT)
    else:
        found.clock.now += timedelta(seconds=1)
        carry_out(Verb.ACCEPT, found.config, found.journal, found.journal.cases()[0], found.clock.now)
    found.round()
    found.round()

    assert (before, found.lies_in(place, ACCEPT)) == ([1], [0, 1])


@pytest.mark.parametrize(
    ("who", "start", "end", "verdict"),
    [(UNCLEAR, REVIEW, ACCEPT, Verdict.ACCEPT), (KNOWN, ACCEPT, REVIEW, Verdict.HUMAN)],
)
def test_a_move_between_accept_and_review_is_the_owners_decision(
    begin: Callable[..., Desk], who: tuple[str, str], start: str, end: str, verdict: Verdict
) -> None:
    found = begin(old_linkedin(*who))
    found.move(start, end)

    found.round()
    found.end_of_hold()

    assert found.verdict == (verdict, "owner")
    assert found.overruled == [f"moved from {start} to {end}"]
    assert found.lies_in(start, end) == [0, 1]
    assert found.answered == []


def test_a_mail_moved_after_it_was_answered_is_recorded_and_nothing_more_is_sent(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.end_of_hold()
    for start, end in ((DECLINED, ACCEPT), (ACCEPT, DECLINED), (DECLINED, REVIEW)):
        found.move(start, end)
        found.round()
        found.end_of_hold()

    assert found.answered == [(STRANGER[1],)]
    assert found.verdict == (Verdict.HUMAN, "owner")
    assert len(found.overruled) == 3
    assert found.lies_in(ACCEPT, REVIEW, DECLINED) == [0, 1, 0]


def test_an_answer_that_the_mail_server_put_off_is_taken_back_by_a_move(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.owner.smtp.faults["rcpt"] = "451 4.3.0 later"
    found.end_of_hold()
    found.move(DECLINED, ACCEPT)

    found.end_of_hold()

    assert found.answered == []
    assert found.verdict == (Verdict.ACCEPT, "owner")


def test_in_draft_mode_a_mail_moved_to_declined_gets_its_draft_once(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*UNCLEAR), mode="draft")
    before = found.owner.folder_of("Drafts")
    found.move(REVIEW, DECLINED)

    found.round()
    found.round()

    (draft,) = found.owner.folder_of("Drafts")
    assert before == []
    assert draft["mail"]["To"] == UNCLEAR[1]
    assert found.answered == []


def test_a_mail_moved_to_declined_whom_no_mail_reaches_gets_its_text_to_paste(begin: Callable[..., Desk]) -> None:
    found = begin(linkedin(UNCLEAR[0]))
    found.move(REVIEW, DECLINED)

    found.round()
    found.round()

    (note,) = found.owner.folder_of(REVIEW)
    assert note["subject"].startswith("To paste: ")
    assert found.lies_in(DECLINED) == [1]


def test_the_other_mails_of_a_case_go_where_the_owner_put_one(begin: Callable[..., Desk]) -> None:
    number = 7388877102778741328
    found = begin(linkedin(STRANGER[0], invitation=number), reminder(STRANGER[0], invitation=number))
    found.move(DECLINED, ACCEPT, subject="waiting")

    found.round()
    found.round()

    assert found.lies_in(ACCEPT, DECLINED) == [2, 0]
    assert len(found.overruled) == 1


def test_two_mails_of_a_case_moved_to_different_folders_leave_it_to_the_owner(begin: Callable[..., Desk]) -> None:
    number = 7388877102778741328
    first, second = (form(UNCLEAR[0], invitation=number, slug="sam-t") for form in (linkedin, reminder))
    found = begin(first, second)
    found.move(REVIEW, ACCEPT, subject="I want")
    found.round()
    found.move(ACCEPT, DECLINED, subject="I want")
    found.move(ACCEPT, REVIEW, subject="waiting")

    found.round()
    found.round()

    assert found.verdict[0] is Verdict.HUMAN
    assert found.lies_in(ACCEPT, DECLINED) == [0, 0]


def test_a_decision_whose_answer_cannot_be_told_yet_waits_whole(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*UNCLEAR))
    found.move(REVIEW, DECLINED)
    moves = found.work.moves
    found.work.moves = replace(moves, owner=replace(moves.owner, authenticate=no_names))
    found.round()
    before = found.verdict

    found.work.moves = moves
    found.round()
    found.end_of_hold()

    assert before == (Verdict.HUMAN, "policy")
    assert found.answered == [(UNCLEAR[1],)]


def no_names(_mail: Mail) -> Provenance:
    raise DnsAway("no answer")


# How it came there


def test_of_two_moves_between_two_looks_only_the_last_place_counts(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.move(DECLINED, REVIEW)
    found.move(REVIEW, ACCEPT)

    found.round()

    assert found.overruled == [f"moved from {DECLINED} to {ACCEPT}"]


def test_a_mail_moved_away_and_back_between_two_looks_is_as_it_was(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.move(DECLINED, ACCEPT)
    found.move(ACCEPT, DECLINED)

    found.end_of_hold()

    assert found.overruled == []
    assert found.answered == [(STRANGER[1],)]


def test_a_mail_moved_away_and_back_in_two_looks_is_declined_anew(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    for start, end in ((DECLINED, ACCEPT), (ACCEPT, DECLINED)):
        found.move(start, end)
        found.round()
    before = list(found.answered)

    found.end_of_hold()

    assert len(found.overruled) == 2
    assert (before, found.answered) == ([], [(STRANGER[1],)])


def test_an_answer_that_was_taken_back_stays_back_when_the_mail_returns(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.move(DECLINED, "INBOX")
    found.end_of_hold()
    found.move("INBOX", DECLINED)

    found.end_of_hold()
    found.end_of_hold()

    assert found.answered == []
    assert found.lies_in(DECLINED) == [1]


@pytest.mark.parametrize("expunge", [True, False])
def test_a_copy_decides_once_the_other_is_deleted(begin: Callable[..., Desk], expunge: bool) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.copy(DECLINED, ACCEPT)
    found.end_of_hold()
    found.round()
    undecided = [found.verdict, list(found.answered), len(found.journal.entries(State.HELD))]

    found.delete(DECLINED, expunge=expunge)
    found.round()

    assert undecided == [(Verdict.DECLINE, "policy"), [], 1]
    assert found.overruled == [f"moved from {DECLINED} to {ACCEPT}"]
    assert found.answered == []
    (case,) = found.journal.cases()
    notes = [event.why for event in found.journal.history(case) if event.what == "undecided"]
    assert notes == [f"it lies in {ACCEPT} and in {DECLINED}"]


def test_a_copy_that_is_deleted_again_changes_nothing(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.copy(DECLINED, REVIEW)
    found.end_of_hold()
    before = list(found.answered)

    found.delete(REVIEW)
    found.round()

    assert (before, found.answered) == ([], [(STRANGER[1],)])
    assert found.overruled == []


def test_what_waits_for_the_owner_does_not_keep_the_service_awake(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.copy(DECLINED, REVIEW)
    found.clock.now += HOLD

    wait = found.work.run()

    assert wait > 60


def test_a_mail_moved_from_the_inbox_before_it_was_filed_is_decided(lone_owner: Owner) -> None:
    lone_owner.deliver(old_linkedin(*STRANGER))
    with desk(lone_owner, lone_owner.config(hold="15m")) as found:
        session = found.work._connected()
        found.work._take_in(session)
        found.move("INBOX", ACCEPT)

        found.round()
        found.end_of_hold()

        assert found.verdict == (Verdict.ACCEPT, "owner")
        assert found.answered == []
        assert found.lies_in(ACCEPT, DECLINED) == [1, 0]


def test_a_folder_that_was_numbered_anew_is_no_move(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER), old_linkedin(*KNOWN))
    with found.owner.mailbox() as client:
        for folder in (DECLINED, ACCEPT):
            client.rename_folder(folder, "Aside")
            client.create_folder(folder)
            client.select_folder("Aside")
            client.move(client.search(), folder)
            client.select_folder("INBOX")
            client.delete_folder("Aside")

    found.end_of_hold()
    found.round()

    assert found.overruled == []
    assert found.answered == [(STRANGER[1],)]
    assert found.lies_in(ACCEPT, DECLINED) == [1, 1]


# Brought from elsewhere


def test_an_unknown_invitation_brought_to_review_is_judged_and_not_answered(begin: Callable[..., Desk]) -> None:
    found = begin()
    with found.owner.mailbox() as client:
        client.append(REVIEW, old_linkedin(*STRANGER))

    found.round()
    found.end_of_hold()

    assert found.verdict == (Verdict.HUMAN, "owner")
    assert found.answered == []
    assert found.lies_in(REVIEW) == [1]


@pytest.mark.parametrize(
    ("mail", "answered"),
    [
        (old_linkedin(*STRANGER), [(STRANGER[1],)]),
        (old_linkedin(*STRANGER, age=timedelta(days=30)), []),
        (old_linkedin(*UNCLEAR), []),
    ],
)
def test_an_unknown_invitation_brought_to_declined_gets_what_the_policy_gives_by_itself(
    begin: Callable[..., Desk], mail: bytes, answered: list[tuple[str, ...]]
) -> None:
    found = begin()
    with found.owner.mailbox() as client:
        client.append(DECLINED, mail)

    found.round()
    found.end_of_hold()

    assert found.verdict[0] is Verdict.DECLINE
    assert found.answered == answered
    assert found.lies_in(DECLINED) == [1]


def test_what_lay_in_the_folders_before_the_first_look_and_other_mail_is_left_alone(lone_owner: Owner) -> None:
    with lone_owner.mailbox() as client:
        client.create_folder(DECLINED)
        client.append(DECLINED, old_linkedin(*STRANGER))
    with desk(lone_owner, lone_owner.config(hold="0s")) as found:
        found.round()
        with lone_owner.mailbox() as client:
            client.append(DECLINED, ordinary())
        found.round()
        found.round()

        assert found.journal.cases() == []
        assert found.answered == []
        assert found.journal.entries(*State) == []
        assert all(set(item["flags"]) <= {b"\\Recent"} for item in lone_owner.folder_of(DECLINED))


def test_an_unknown_invitation_brought_to_two_folders_waits_until_it_lies_in_one(begin: Callable[..., Desk]) -> None:
    found = begin(mode="draft")
    mail = old_linkedin(*STRANGER)
    with found.owner.mailbox() as client:
        for folder in (REVIEW, DECLINED):
            client.append(folder, mail)
    found.round()
    before = found.lies_in("Drafts", REVIEW, DECLINED)

    found.delete(REVIEW)
    found.round()

    assert before == [0, 1, 1]
    assert found.lies_in("Drafts", REVIEW, DECLINED) == [1, 0, 1]


# Our own moves


def test_a_crash_between_moving_a_mail_and_writing_it_down_is_no_decision_of_the_owners(lone_owner: Owner) -> None:
    lone_owner.deliver(old_linkedin(*STRANGER), old_linkedin(*UNCLEAR))
    with desk(lone_owner, lone_owner.config(hold="15m")) as found:
        with journal_fails(found.journal, f"new.filed IN ('{DECLINED}', '{REVIEW}')"), pytest.raises(JournalFailed):
            found.round()
        moved = found.lies_in("INBOX", REVIEW, DECLINED)
    assert moved == [1, 0, 1]

    with desk(lone_owner, lone_owner.config(hold="15m", more='[policy]\npreset = "open-door"\n')) as found:
        found.round()
        found.end_of_hold()

        assert found.overruled == []
        assert {case.verdict for case in found.journal.cases()} == {Verdict.ACCEPT}
        assert found.lies_in("INBOX", REVIEW, DECLINED, ACCEPT) == [0, 0, 0, 2]
        assert found.answered == []


def test_a_crash_between_a_decision_and_its_filing_applies_it_once(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*UNCLEAR))
    found.move(REVIEW, DECLINED)
    with journal_fails(found.journal, f"new.filed = '{DECLINED}'"), pytest.raises(JournalFailed):
        found.round()

    found.round()
    found.end_of_hold()
    found.round()

    assert len(found.overruled) == 1
    assert found.answered == [(UNCLEAR[1],)]


# Races


def test_a_mail_moved_while_its_hold_ends_is_not_answered(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.clock.now += HOLD
    session = found.work._connected()
    found.work.moves.follow(session)
    found.move(DECLINED, ACCEPT)

    found.work.filing.release(session)
    found.round()

    assert found.answered == []
    assert found.verdict == (Verdict.ACCEPT, "owner")


def test_a_mail_moved_while_its_answer_goes_out_is_recorded(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    post = found.work.post

    def post_late(message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        found.move(DECLINED, ACCEPT)
        return post(message, recipient=recipient, before_dot=before_dot)

    found.work.post = post_late
    found.end_of_hold()
    found.round()

    assert found.answered == [(STRANGER[1],)]
    assert found.verdict == (Verdict.ACCEPT, "owner")
    assert found.journal.entries(State.SENT) != []


# Servers and service


def test_a_round_without_news_only_asks_each_folder_for_its_next_number(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER))
    found.round()
    session = Overheard(found.work._connected())

    found.work.moves.follow(session)  # type: ignore[arg-type]

    assert session.said == ["statuses"]


class Overheard:
    """A session, and what is asked of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.said: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.said.append(name)
        return getattr(self._session, name)


@pytest.fixture(name="odd_dovecot", scope="module")
def _odd_dovecot() -> Iterator[Dovecot]:
    """A server that parts folders by dots, below INBOX, and leaves it to its clients to move mails."""
    with TemporaryDirectory(prefix="rsvpd-dovecot-") as folder:
        server = Dovecot(Path(folder), without=("MOVE", "UIDPLUS"), separator=".", prefix="INBOX.")
        with running(server):
            yield server


ODD_ACCEPT, ODD_REVIEW, ODD_DECLINED = (f"INBOX.{name.replace('/', '.')}" for name in (ACCEPT, REVIEW, DECLINED))


def test_moves_are_seen_where_clients_copy_and_mark_and_folders_are_parted_by_dots(
    odd_dovecot: Dovecot, smtp_server: SmtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    owner = owner_at(odd_dovecot, smtp_server, tmp_path)
    owner.deliver(old_linkedin(*STRANGER), linkedin("Fred Forged", dkim="fail"))
    with desk(owner, owner.config(hold="15m")) as found:
        found.round()
        for folder in (ODD_DECLINED, ODD_REVIEW):
            found.copy(folder, ODD_ACCEPT)
            found.delete(folder, expunge=False)
        found.end_of_hold()
        found.round()

        assert {case.verdict for case in found.journal.cases()} == {Verdict.ACCEPT}
        assert len(found.overruled) == 2
        assert found.answered == []


def test_a_mail_that_was_marked_as_deleted_is_not_moved_on(
    odd_dovecot: Dovecot, smtp_server: SmtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    owner = owner_at(odd_dovecot, smtp_server, tmp_path)
    owner.deliver(old_linkedin(*STRANGER))
    with desk(owner, owner.config(hold="15m")) as found:
        found.round()
        (case,) = found.journal.cases()
        for verdict in (Verdict.HUMAN, Verdict.DECLINE, Verdict.HUMAN):
            found.journal.overrule(case, verdict, "by command", found.clock.now + timedelta(seconds=1))
            found.round()

        with found.mail_program(ODD_REVIEW) as client:
            assert len(client.search("UNDELETED")) == 1
        assert found.lies_in(ODD_REVIEW) == [2]


def test_observe_mode_looks_at_none_of_the_folders(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER), mode="observe")
    session = Overheard(found.work._connected())

    found.work.moves.follow(session)  # type: ignore[arg-type]

    assert session.said == []


def test_what_we_file_ourselves_is_not_looked_at_again(begin: Callable[..., Desk]) -> None:
    found = begin(old_linkedin(*STRANGER), linkedin("Nina Newcomer"))
    found.round()
    session = Overheard(found.work._connected())

    found.work.moves.follow(session)  # type: ignore[arg-type]

    assert set(session.said) == {"statuses"}
    assert found.lies_in(DECLINED) == [2]


def test_a_note_that_we_lay_beside_a_mail_is_not_looked_at_again(begin: Callable[..., Desk]) -> None:
    found = begin(linkedin("Nina Newcomer"))
    session = Overheard(found.work._connected())

    found.work.moves.follow(session)  # type: ignore[arg-type]

    assert set(session.said) == {"statuses"}
    assert found.lies_in(REVIEW) == [1]


def test_a_mail_that_the_owner_moves_right_before_we_file_another_is_followed(
    begin: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the number before ours, so that what we filed does not follow on what was read."""
    found = begin(old_linkedin(*UNCLEAR))
    usual = Session.file
    moved: list[str] = []

    def file(self: Session, uids: Sequence[int], folder: str) -> Landed | None:
        if not moved:
            moved.append(folder)
            found.move(REVIEW, DECLINED)
        return usual(self, uids, folder)

    monkeypatch.setattr(Session, "file", file)
    found.owner.deliver(old_linkedin(*STRANGER))
    found.round()
    before = found.overruled
    found.round()

    assert (moved, before) == ([DECLINED], [])
    assert found.overruled == [f"moved from {REVIEW} to {DECLINED}"]


def test_the_running_service_sees_a_move(owner: Owner) -> None:
    config = owner.config(hold="1h")
    owner.deliver(old_linkedin(*STRANGER))

    with serving(config) as service:
        journal = open_journal(config)
        wait_for(lambda: owner.names(DECLINED) != [], "the filing")
        with owner.mailbox() as client:
            client.select_folder(DECLINED)
            client.move(client.search(), ACCEPT)
        service.wake_all()
        wait_for(lambda: [case.decided_by for case in journal.cases()] == ["owner"], "the decision")

    assert journal.entries(State.HELD) == []
    assert owner.names(ACCEPT) != []
