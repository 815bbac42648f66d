"""What an owner is told and what they say while they go from one process to another: done once, whoever has them."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from subprocess import Popen
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.journal import Journal
from gateway.journal.schema import digests
from gateway.journal.store import open_url
from gateway.model import State
from tests.notifications import old_linkedin
from tests.sharing import University, until
from tests.submission import Login
from tests.test_commands import ADA
from tests.test_orders import to_myself
from tests.test_sharing import university

__all__ = ["university"]  # the fixture

OLGA = "olga@somewhere.example"
REVIEW, DECLINED = "Invitations/Review", "Invitations/Declined"
_MET = "Hi Ada, we met at the spring school in Lyon. - {name}"

Process = Popen[bytes]


def journal_of(university: University) -> Journal:
    return Journal(open_url(university.url), "owner0000")


def held_by(university: University, process: Process) -> None:
    until(lambda: university.shared_by(process), f"{process.pid} to hold the owner")


def killed(process: Process) -> None:
    process.kill()


def ended_in_order(process: Process) -> None:
    process.terminate()


def frozen(process: Process) -> None:
    process.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize("step", ["data", "dot"])
@pytest.mark.parametrize("loses", [killed, ended_in_order, frozen])
def test_a_summary_that_is_due_while_the_owner_changes_hands_comes_once(
    university: University, loses: Callable[[Process], None], step: str
) -> None:
    university.furnish(1)
    now = datetime.now(UTC)
    journal_of(university).begin(now - timedelta(days=8))  # a week is over: its summary is due with the first round
    sending = threading.Event()

    def lose(_step: str) -> None:
        if not sending.is_set():
            loses(first)
            sending.set()

    university.smtp.at[step] = lose
    first = university.begin()
    assert sending.wait(20)
    second = university.begin()
    held_by(university, second)
    until(lambda: week_of(university) in (State.SENT, State.UNCERTAIN), "the summary")
    if loses is frozen:
        first.send_signal(signal.SIGCONT)
        until(lambda: len(university.held()) == 2, "the first to begin anew")
    judged_and_filed(university)  # by a round of the second's, which would send another one first

    assert [mail.recipients for mail in university.smtp.delivered] == [(ADA,)]
    assert "Traceback" not in university.log(0) + university.log(1)


def week_of(university: University) -> State | None:
    """How far the summary got."""
    with journal_of(university).store.read() as connection:
        found = connection.execute(digests.select()).first()
    return State(found.state) if found else None


def judged_and_filed(university: University) -> Login:
    """Olga's invitation comes in, and waits for the owner's word as c1."""
    (login,) = university.logins.values()
    university.dovecot.deliver(login, old_linkedin("Olga Peer", OLGA, note=_MET))
    until(lambda: folder_holds(university, login, REVIEW), "the mail to be filed for review")
    return login


def folder_holds(university: University, login: Login, folder: str) -> bool:
    with university.dovecot.client(login) as client:
        return client.folder_exists(folder) and bool(client.folder_status(folder, ["MESSAGES"])[b"MESSAGES"])


def test_a_move_made_under_one_process_is_obeyed_by_the_next(university: University) -> None:
    university.furnish(1)
    first = university.begin()
    login = judged_and_filed(university)

    frozen(first)  # it holds the owner, and sees nothing of it
    with university.dovecot.client(login, REVIEW) as client:
        client.move(client.search(), DECLINED)
    killed(first)
    second = university.begin()
    held_by(university, second)
    until(lambda: bool(university.answers()), "the answer")

    (case,) = journal_of(university).cases()
    assert (case.verdict, case.decided_by) == ("decline", "owner")
    assert university.answers() == {OLGA: 1}


@pytest.mark.parametrize("loses_at", [None, "data", "dot"])
def test_a_command_sent_under_one_process_is_obeyed_once_by_the_next(
    university: University, loses_at: str | None
) -> None:
    """Either the first never reads it, or is killed while it sends the answer that was asked for."""
    university.furnish(1)
    first = university.begin()
    login = judged_and_filed(university)
    university.rsvpd("digest", "--send", f"{university.url}#owner0000")
    command = to_myself(link_in(university.smtp.delivered.pop().raw, "decline"))

    if loses_at is None:
        frozen(first)
        university.dovecot.deliver(login, command)
        killed(first)
    else:
        obeying = threading.Event()

        def lose(_step: str) -> None:
            if not obeying.is_set():
                killed(first)
                obeying.set()

        university.smtp.at[loses_at] = lose
        university.dovecot.deliver(login, command)
        assert obeying.wait(20)
    second = university.begin()
    held_by(university, second)
    until(lambda: university.answers()[ADA] == 1, "the confirmation")
    university.dovecot.deliver(login, command)  # a provider that delivers twice
    university.dovecot.deliver(login, old_linkedin("Nils Peer", "nils@somewhere.example"))
    until(lambda: university.answers()["nils@somewhere.example"] == 1, "an answer of the round after")

    (case,) = (case for case in journal_of(university).cases() if case.name == "c1")
    assert (case.verdict, case.decided_by) == ("decline", "owner")
    assert university.answers()[OLGA] == 1
    assert university.answers()[ADA] == 1


def link_in(summary: bytes, verb: str) -> str:
    """The subject of the mail that a link of a summary opens."""
    body = message_from_bytes(summary, policy=default).get_body(("html",))
    assert body is not None
    (found,) = set(re.findall(rf'mailto:[^"<>\s]*?subject=rsvpd%3A%20{verb}%20c1%20[^"&<>\s]*', body.get_content()))
    subject: str = parse_qs(urlsplit(found).query)["subject"][0]
    return subject
