"""The story: mails arrive at a real Dovecot while the real service runs; the right ones are answered, once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from gateway.config import Config, load
from gateway.model import State, Verdict
from gateway.review import summary
from gateway.service import Service
from gateway.state import open_journal
from gateway.watches import watch
from tests.accounts import accounts
from tests.certificates import HOST
from tests.notifications import MX, linkedin, old_linkedin, ordinary, reminder
from tests.servers import Dovecot
from tests.submission import Login, SmtpServer

ACCEPT, REVIEW, DECLINED = "Invitations/Accept", "Invitations/Review", "Invitations/Declined"
CONTACTS = """\
BEGIN:VCARD
VERSION:4.0
FN:Carla Known
EMAIL:carla@example.net
END:VCARD
BEGIN:VCARD
VERSION:4.0
FN:Sam Twice
EMAIL:sam@one.example
END:VCARD
BEGIN:VCARD
VERSION:4.0
FN:Sam Twice
EMAIL:sam@two.example
END:VCARD
"""
SENT = b"""From: Ada Miller <ada@example.org>\r
To: Dora Written <dora@example.net>\r
Date: Mon, 03 Mar 2025 10:00:00 +0000\r
Subject: Workshop in Lyon\r
Message-ID: <written@example.org>\r
\r
Dear Dora, ...\r
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def owner(
    request: pytest.FixtureRequest,
    dovecot: Dovecot,
    smtp_server: SmtpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Owner:
    """An owner, with a journal on each database there is."""
    url = request.getfixturevalue("cluster").database() if request.param == "postgresql" else None
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return owner_at(dovecot, smtp_server, tmp_path, url)


def owner_at(dovecot: Dovecot, smtp_server: SmtpServer, folder: Path, journal_url: str | None = None) -> Owner:
    """An owner with a mailbox of their own at these servers, and files in a folder."""
    login = dovecot.user()
    (folder / "contacts.vcf").write_text(CONTACTS)
    return Owner(dovecot, smtp_server, login, folder, journal_url)


class Owner:
    """An owner with a mailbox, a mail server and a configuration."""

    def __init__(
        self, dovecot: Dovecot, smtp_server: SmtpServer, login: Login, folder: Path, journal_url: str | None
    ) -> None:
        self.dovecot, self.smtp, self.login, self.folder = dovecot, smtp_server, login, folder
        self._journal = f'[journal]\nurl = "{journal_url}"' if journal_url else ""

    def config(self, *, mode: str = "send", hold: str = "0s", more: str = "") -> Config:
        file = self.folder / "ada.toml"
        file.write_text(f"""\
[me]
name = "Ada Miller"
addresses = ["ada@example.org"]
[evidence]
contacts = "contacts.vcf"
[authentication]
authserv_id = "{MX}"
{accounts(self.folder, self.dovecot, self.login, self.smtp)}[delivery]
mode = "{mode}"
hold = "{hold}"
{more}
{self._journal}
""")
        return load(file)

    def deliver(self, *mails: bytes) -> None:
        for raw in mails:
            self.dovecot.deliver(self.login, raw)

    @contextmanager
    def mailbox(self) -> Iterator[IMAPClient]:
        with IMAPClient(HOST, port=self.dovecot.imap_port, ssl=False) as client:
            client.login(self.login.user, self.login.password)
            yield client

    def folder_of(self, name: str) -> list[dict[str, Any]]:
        """Sender, subject and flags of the mails in a folder."""
        with self.mailbox() as client:
            if not client.folder_exists(name):
                return []
            client.select_folder(name, readonly=True)
            found = client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS"])
        mails = [(message_from_bytes(item[b"BODY[]"]), item[b"FLAGS"]) for item in found.values()]
        return [{"from": m["From"], "subject": m["Subject"], "flags": flags, "mail": m} for m, flags in mails]

    def names(self, folder: str) -> list[str]:
        return sorted(item["from"].partition(" <")[0].strip('"') for item in self.folder_of(folder))


@contextmanager
def serving(config: Config) -> Iterator[Service]:
    """The service of `rsvpd run`, in a thread."""
    service = Service([watch(config)])
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def settled(config: Config, count: int) -> Callable[[], bool]:
    """Whether so many mails were taken in, judged, filed and answered."""
    journal = open_journal(config)

    def done() -> bool:
        every = journal.entries(*State)
        pending = [e for e in every if e.state in (State.NEW, State.DUE, State.SENDING, State.DOT)]
        return len(every) >= count and not pending and not any(journal.unfiled("INBOX")) and not journal.uncopied()

    return done


NINAS = 7388877102778741328
TWENTY = [
    old_linkedin("Olga Stranger", "olga@somewhere.example"),
    old_linkedin("Peer Stranger", "peer@elsewhere.example"),
    old_linkedin("Rosa Unsigned", "rosa@elsewhere.example", signed_reply_to=False),
    old_linkedin("Otto Old", "otto@somewhere.example", age=timedelta(days=30)),
    linkedin("Carla Known"),
    linkedin("Dora Written"),
    linkedin("Sam Twice"),
    linkedin("Nina Newcomer", invitation=NINAS),
    linkedin("Mark Meeting", note="Hi Ada, we met at the spring school in Lyon. Mark"),
    linkedin("Fred Forged", dkim="fail"),
    linkedin("Una Unproved", dkim=None),
    reminder("Nina Newcomer", invitation=NINAS),
    old_linkedin("Olga Stranger", "olga@somewhere.example"),
    linkedin("Ada Accepted", template="email_accept_invite_single_01", subject="Ada accepted your invitation"),
    ordinary(),
    ordinary("I want to connect"),
    ordinary("Fwd: Join my network on LinkedIn"),
    ordinary("Minutes", sender="LinkedIn <invitations@linkedin.com.login.example>"),
    ordinary("Re: Lunch?"),
    ordinary("Invitation to connect on LinkedIn", sender="List <list@lists.example>"),
]
INVITATIONS = 13
LOOKED_AT = INVITATIONS + 2  # a notice, and a look-alike that the server finds, too


def test_twenty_mails_find_their_answers_and_folders_and_a_restart_changes_nothing(owner: Owner) -> None:
    with owner.mailbox() as client:
        client.append("Sent", SENT)
    config = owner.config()
    owner.deliver(*TWENTY[:5])

    with serving(config):
        for raw in TWENTY[5:]:
            owner.deliver(raw)
        wait_for(settled(config, LOOKED_AT), "all mails to be dealt with")

    answered = [letter.recipients for letter in owner.smtp.delivered]
    assert answered == [("olga@somewhere.example",), ("peer@elsewhere.example",)]
    assert owner.names(ACCEPT) == ["Carla Known", "Dora Written"]
    assert Counter(name.removesuffix(" via LinkedIn") for name in owner.names(DECLINED)) == Counter(
        {"Olga Stranger": 2, "Peer Stranger": 1, "Rosa Unsigned": 1, "Otto Old": 1, "Nina Newcomer": 2}
    )
    review = owner.names(REVIEW)
    notes = [item for item in owner.folder_of(REVIEW) if item["subject"].startswith("To paste: ")]
    assert review.count("Ada Miller") == len(notes) == 2
    assert set(review) - {"Ada Miller"} == {"Fred Forged", "Mark Meeting", "Sam Twice", "Una Unproved"}
    inbox = owner.folder_of("INBOX")
    assert len(inbox) == len(TWENTY) - INVITATIONS
    assert all(set(item["flags"]) <= {b"\\Recent"} for item in inbox)
    assert len(owner.folder_of("Sent")) == 1 + len(answered)

    with serving(config):
        owner.deliver(linkedin("Late Comer"))
        wait_for(settled(config, LOOKED_AT + 1), "the late comer")

    assert len(owner.smtp.delivered) == len(answered)


def test_an_answer_is_what_was_decided_and_says_that_a_machine_sent_it(owner: Owner) -> None:
    config = owner.config()
    mail = old_linkedin("Olga Stranger", "olga@somewhere.example")
    owner.deliver(mail)

    with serving(config):
        wait_for(settled(config, 1), "the answer")

    (letter,) = owner.smtp.delivered
    answer = message_from_bytes(letter.raw)
    assert letter.sender == "ada@example.org"
    assert answer["To"] == "olga@somewhere.example"
    assert answer["From"] == "Ada Miller <ada@example.org>"
    assert answer["In-Reply-To"] == message_from_bytes(mail)["Message-ID"]
    assert answer["Auto-Submitted"] == "auto-replied"
    assert b"Dear Olga," in letter.raw
    (invitation,) = owner.folder_of(DECLINED)
    assert b"\\Answered" in invitation["flags"]
    (copy,) = owner.folder_of("Sent")
    assert copy["mail"]["Message-ID"] == answer["Message-ID"]


def test_draft_mode_lays_drafts_out_and_sends_nothing(owner: Owner) -> None:
    config = owner.config(mode="draft")
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"), linkedin("Nina Newcomer"))

    with serving(config):
        wait_for(settled(config, 2), "the drafts")
    with serving(config):
        wait_for(settled(config, 2), "nothing new")

    assert owner.smtp.delivered == []
    (draft,) = owner.folder_of("Drafts")
    assert draft["mail"]["To"] == "olga@somewhere.example"
    assert draft["mail"]["Auto-Submitted"] is None
    assert b"\\Draft" in draft["flags"]
    (note,) = owner.folder_of(REVIEW)
    assert "https://www.linkedin.com/in/nina-newcomer" in note["mail"].get_payload()


def test_observe_mode_touches_nothing(owner: Owner) -> None:
    config = owner.config(mode="observe")
    owner.deliver(linkedin("Nina Newcomer"), linkedin("Carla Known"))

    with serving(config):
        journal = open_journal(config)
        wait_for(lambda: len(journal.entries(State.CLOSED)) == 2, "two judgements")

    with owner.mailbox() as client:
        assert not client.folder_exists("Invitations/Accept")
    assert all(set(item["flags"]) <= {b"\\Recent"} for item in owner.folder_of("INBOX"))
    assert {str(case.verdict) for case in journal.cases()} == {Verdict.ACCEPT, Verdict.DECLINE}


def test_an_answer_waits_for_its_hold_and_can_be_taken_back(owner: Owner) -> None:
    config = owner.config(hold="1h")
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))

    with serving(config):
        journal = open_journal(config)
        wait_for(lambda: len(journal.entries(State.HELD)) == 1, "the hold")
        (case,) = journal.cases()
        journal.overrule(case, Verdict.ACCEPT, "approved by the owner", case.opened)

    assert owner.smtp.delivered == []
    assert journal.entries(State.HELD) == []


def test_an_answer_goes_out_when_its_hold_ends(owner: Owner) -> None:
    config = owner.config(hold="1s")
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))

    with serving(config):
        wait_for(lambda: len(owner.smtp.delivered) == 1, "the answer")


def test_moving_the_mail_away_during_the_hold_takes_the_answer_back(owner: Owner) -> None:
    config = owner.config(hold="3s")
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))

    with serving(config):
        journal = open_journal(config)
        wait_for(lambda: owner.names(DECLINED) != [], "the filing")
        with owner.mailbox() as client:
            client.select_folder(DECLINED)
            client.move(client.search(), "INBOX")
        wait_for(lambda: journal.entries(State.HELD) == [], "the end of the hold")

    (entry,) = journal.entries(State.CLOSED)
    assert "you moved the mail away" in entry.why
    assert owner.smtp.delivered == []


def test_a_changed_policy_moves_what_waits_and_the_summary_says_so(owner: Owner) -> None:
    before = owner.config(mode="draft")
    owner.deliver(linkedin("Sam Twice"), linkedin("Nina Newcomer"))
    with serving(before):
        wait_for(settled(before, 2), "the first judgement")
    assert owner.names(REVIEW) == ["Ada Miller", "Sam Twice"]

    after = owner.config(mode="draft", more='[policy]\npreset = "open-door"\n')
    with serving(after):
        wait_for(lambda: len(owner.names(ACCEPT)) == 2, "the move")

    assert owner.names(ACCEPT) == ["Nina Newcomer", "Sam Twice"]
    text = summary(after, open_journal(after), None, datetime.now(UTC)).text
    assert "needs-human -> accept-candidate (rule everybody)" in text
    assert "decline -> accept-candidate (rule everybody)" in text


def test_what_the_owner_decided_no_policy_moves(owner: Owner) -> None:
    before = owner.config(mode="draft")
    owner.deliver(linkedin("Sam Twice"))
    with serving(before):
        wait_for(settled(before, 1), "the first judgement")
    journal = open_journal(before)
    (case,) = journal.cases()
    journal.overrule(case, Verdict.DECLINE, "declined by the owner", case.opened)

    after = owner.config(mode="draft", more='[policy]\npreset = "open-door"\n')
    with serving(after):
        owner.deliver(linkedin("Nina Newcomer"))
        wait_for(settled(after, 2), "the second judgement")

    assert [str(case.verdict) for case in journal.cases() if case.inviter.name == "Sam Twice"] == ["decline"]


def test_a_server_that_says_later_is_asked_again_and_the_mail_goes_out_once(owner: Owner) -> None:
    config = owner.config()
    owner.smtp.faults["rcpt"] = "451 4.3.0 later"
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))

    with serving(config) as service:
        journal = open_journal(config)
        wait_for(lambda: any(e.not_before for e in journal.entries(State.DUE)), "the refusal")
        (entry,) = journal.entries(State.DUE)
        journal.settle(entry, State.DUE, entry.taken_in, why="asked again now")
        service.wake_all()
        wait_for(settled(config, 1), "the answer")

    assert len(owner.smtp.delivered) == 1


@pytest.mark.parametrize("fate", ["lost", "dropped"])
def test_a_connection_cut_after_the_dot_parks_the_answer_and_never_sends_again(owner: Owner, fate: str) -> None:
    config = owner.config()
    owner.smtp.faults["dot"] = fate
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))

    with serving(config):
        journal = open_journal(config)
        wait_for(lambda: len(journal.entries(State.UNCERTAIN)) == 1, "the parking")
    with serving(config):
        wait_for(settled(config, 1), "nothing new")

    assert len(owner.smtp.delivered) == (1 if fate == "lost" else 0)
    assert len(owner.smtp.wire) == 1


def test_a_pause_stops_sending_and_survives_a_restart(owner: Owner) -> None:
    config = owner.config()
    open_journal(config).set_fact("paused", "now")
    owner.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"))

    with serving(config):
        journal = open_journal(config)
        wait_for(lambda: len(journal.entries(State.DUE)) == 1, "the judgement")
    assert owner.smtp.delivered == []

    journal.set_fact("paused", None)
    with serving(config):
        wait_for(settled(config, 1), "the answer")
    assert len(owner.smtp.delivered) == 1
