"""A real Postfix hands mail over, by the very lines of docs/intake.md, to the real service."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.config import Config, load
from gateway.model import State
from gateway.state import folder_of, open_journal
from tests.certificates import HOST
from tests.notifications import MX, old_linkedin
from tests.postfix import Postfix
from tests.servers import Dovecot, free_port
from tests.submission import Login, SmtpServer
from tests.test_story import Owner, serving, settled, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix's master starts as root only")
RECIPE = Path(__file__).parents[1] / "docs" / "intake.md"
ADA = "ada@example.org"


def recipe(port: int) -> str:
    """The lines for main.cf, with the port of the test."""
    (lines,) = re.findall(r"```\n(recipient_bcc_maps.*?)```", RECIPE.read_text("utf-8"), re.DOTALL)
    assert "127.0.0.1:24024" in lines
    return str(lines).replace("24024", str(port))


@pytest.fixture(name="postfix")
def _postfix(dovecot: Dovecot) -> Iterator[Callable[[int], Postfix]]:
    """Starts the owner's mail server, which gives rsvpd copies at a port."""
    with TemporaryDirectory(prefix="rsvpd-postfix-") as folder:
        started: list[Postfix] = []

        def start(port: int) -> Postfix:
            made = Postfix(Path(folder), mailboxes=f"lmtp:inet:{HOST}:{dovecot.lmtp_port}", extra=recipe(port))
            started.append(made)
            made.start()
            return made

        yield start
        for server in started:
            server.stop()


@pytest.fixture(name="owner")
def _owner(dovecot: Dovecot, smtp_server: SmtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    login = Login(ADA, "correct horse")
    (tmp_path / "contacts.vcf").write_text("")
    (tmp_path / "imap-password").write_text(login.password)
    (tmp_path / "smtp-password").write_text(smtp_server.login.password)
    return Owner(dovecot, smtp_server, login, tmp_path, None)


def config(owner: Owner, port: int, *, mailbox: bool) -> Config:
    """The owner's file with [lmtp] and the address of the copies, with or without [imap]."""
    path = owner.config(more=f'[lmtp]\nlisten = "{HOST}:{port}"\n').path
    assert path
    text = path.read_text().replace(f'["{ADA}"]', f'["{ADA}", "ada@rsvpd.invalid"]')
    if not mailbox:
        text = re.sub(r"\[imap\].*?(?=\[smtp\])", "", text, flags=re.DOTALL)
    path.write_text(text)
    return load(path)


def test_a_mail_that_comes_both_ways_is_one_mail_and_answered_once(
    owner: Owner, dovecot: Dovecot, postfix: Callable[[int], Postfix]
) -> None:
    owner.login = dovecot.user(ADA, password=owner.login.password)
    port = free_port()
    both = config(owner, port, mailbox=True)
    server = postfix(port)

    with serving(both):
        server.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"), ADA)
        wait_for(lambda: owner.names("Invitations/Declined") == ["Olga Stranger via LinkedIn"], "the filing")
        wait_for(settled(both, 1), "the answer")
        wait_for(lambda: server.queue == [], "both deliveries")

    (entry,) = open_journal(both).entries(*State)
    (letter,) = owner.smtp.delivered
    (filed,) = owner.folder_of("Invitations/Declined")
    assert (entry.state, entry.filed) == (State.SENT, "Invitations/Declined")
    assert letter.recipients == ("olga@somewhere.example",)
    assert b"\\Answered" in filed["flags"]
    assert "status=sent (250 2.0.0 taken)" in server.log


def test_what_cannot_be_written_down_waits_in_postfix_and_comes_later(
    owner: Owner, postfix: Callable[[int], Postfix]
) -> None:
    port = free_port()
    handed_over = config(owner, port, mailbox=False)
    server = postfix(port)

    with serving(handed_over), sqlite3.connect(folder_of(handed_over) / "journal.sqlite") as behind:
        behind.execute("ALTER TABLE entries RENAME TO away")
        behind.commit()
        server.deliver(old_linkedin("Olga Stranger", "olga@somewhere.example"), ADA)
        wait_for(lambda: "451 4.3.0 cannot be written down now" in str(_waiting(server)), "the refusal")
        before = list(owner.smtp.delivered)
        behind.execute("ALTER TABLE away RENAME TO entries")
        behind.commit()
        server.flush()
        wait_for(lambda: len(owner.smtp.delivered) == 1, "the answer")
        wait_for(lambda: _waiting(server) == [], "an empty queue")

    (entry,) = open_journal(handed_over).entries(*State)
    assert before == []
    assert (entry.state, entry.place) == (State.SENT, None)
    assert entry.judgement
    assert entry.judgement["authentic_why"].startswith(f"{MX} found the signature of linkedin.com good")


def _waiting(server: Postfix) -> list[str]:
    """Why copies for rsvpd wait."""
    return [
        recipient.get("delay_reason", "on its way")
        for mail in server.queue
        for recipient in mail["recipients"]
        if recipient["address"] == "ada@rsvpd.invalid"
    ]
