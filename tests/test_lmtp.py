"""What a mail server may hand over, what it is told, and what is done with it."""

from __future__ import annotations

import smtplib
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.config import Config, Lmtp, load
from gateway.errors import BadConfig, JournalFailed, ListenFailed
from gateway.lmtp import LARGEST, MOST, Listener
from gateway.model import State
from gateway.pipeline import mail_key
from gateway.roster import Roster
from gateway.service import Service
from gateway.state import open_journal
from gateway.watches import watch
from tests.certificates import HOST
from tests.notifications import old_linkedin, ordinary
from tests.servers import Dovecot, free_port
from tests.submission import SmtpServer
from tests.test_cli import rsvpd
from tests.test_story import DECLINED, Owner, owner, serving, settled, wait_for

__all__ = ["owner"]  # a fixture
ADA, SENDER = "ada@example.org", "bounce@network.example"
MAIL = b"From: a@network.example\r\nSubject: Hello\r\nMessage-ID: <1@network.example>\r\n\r\n.one dot\r\n" + b"x" * 5000


class Shelf:
    """Remembers what was taken in, or fails as it is told to."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.failure: Exception | None = None

    def take_in(self, raw: bytes) -> None:
        if self.failure:
            raise self.failure
        self.mails.append(raw)


@contextmanager
def listening(shelf: Shelf, *, listen: str | None = None, protocol: str = "lmtp") -> Iterator[Lmtp]:
    settings = Lmtp.model_validate({"listen": listen or f"{HOST}:{free_port()}", "protocol": protocol})
    door = Listener(settings, frozenset({ADA, "ada@rsvpd.invalid"}), shelf.take_in)
    door.open()
    try:
        yield settings
    finally:
        door.close()


class Dialogue:
    """A mail server, word by word; Python's own client expects one reply to the content of a mail for many."""

    def __init__(self, settings: Lmtp) -> None:
        self._socket = socket.create_connection(settings.address, timeout=30)
        self._file = self._socket.makefile("rb")

    def say(self, line: bytes, replies: int = 1) -> list[str]:
        """What comes back, the last line of each reply."""
        self._socket.sendall(line + b"\r\n")
        return self.hear(replies)

    def hear(self, replies: int = 1) -> list[str]:
        heard: list[str] = []
        while len(heard) < replies and (line := self._file.readline().decode()):
            if line[3] == " ":
                heard.append(line.strip())
        return heard

    def begin(self, *recipients: str) -> None:
        self.hear()
        self.say(b"LHLO mx.example.org")
        self.say(b"MAIL FROM:<>")
        assert [self.say(f"RCPT TO:<{to}>".encode())[0][:3] for to in recipients] == ["250"] * len(recipients)
        assert self.say(b"DATA")[0].startswith("354")

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def hand_over(settings: Lmtp, raw: bytes = MAIL, *, sender: str = SENDER, to: str = ADA) -> None:
    client: type[smtplib.SMTP] = smtplib.LMTP if settings.protocol == "lmtp" else smtplib.SMTP
    with client(*settings.address) as server:
        server.sendmail(sender, [to], raw)


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
@pytest.mark.parametrize(("sender", "said"), [(SENDER, f"<{SENDER}>"), ("", "<>")])
def test_a_mail_is_taken_in_as_it_is_with_its_return_path(protocol: str, sender: str, said: str) -> None:
    shelf = Shelf()
    with listening(shelf, protocol=protocol) as settings:
        hand_over(settings, sender=sender, to="Ada@Example.ORG")

    assert shelf.mails == [f"Return-Path: {said}\r\n".encode() + MAIL + b"\r\n"]
    assert mail_key(shelf.mails[0]) == mail_key(MAIL.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("to", ["bob@example.org", "victim@elsewhere.example", "postmaster", "ada@example.org.evil"])
def test_mail_for_others_is_refused_for_good(to: str) -> None:
    shelf = Shelf()
    with listening(shelf) as settings, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        hand_over(settings, to=to)

    assert refused.value.recipients[to][0] == 550
    assert shelf.mails == []


@pytest.mark.parametrize(
    ("content", "failure", "reply"),
    [
        (MAIL, None, "250 2.0.0 taken"),
        (MAIL, JournalFailed("disk full"), "451 4.3.0 cannot be written down now, try again later"),
        (MAIL, RuntimeError("secret detail"), "451 4.3.0 cannot be written down now, try again later"),
        (b"x" * 900 + b"\r\n" + b"y\r\n" * (LARGEST // 3), None, "552 Error: Too much mail data"),
    ],
    ids=["taken", "journal away", "fault of ours", "too big"],
)
def test_each_recipient_of_a_mail_is_answered_for(content: bytes, failure: Exception | None, reply: str) -> None:
    shelf = Shelf()
    shelf.failure = failure
    with listening(shelf) as settings:
        dialogue = Dialogue(settings)
        dialogue.begin(ADA, "ada@rsvpd.invalid")

        outcome = dialogue.say(content + b"\r\n.", replies=2)
        afterwards = dialogue.say(b"NOOP")
        dialogue.close()

    assert outcome == [reply] * 2
    assert afterwards == ["250 OK"]
    assert len(shelf.mails) == (1 if reply.startswith("250") else 0)


def test_a_mail_that_says_it_is_too_big_is_not_even_sent() -> None:
    with listening(Shelf()) as settings:
        dialogue = Dialogue(settings)
        dialogue.hear()
        dialogue.say(b"LHLO mx.example.org")
        (reply,) = dialogue.say(f"MAIL FROM:<{SENDER}> SIZE={LARGEST + 1}".encode())
        dialogue.close()

    assert reply.startswith("552")


def test_a_mail_cut_off_in_the_middle_is_not_taken() -> None:
    shelf = Shelf()
    with listening(shelf) as settings:
        dialogue = Dialogue(settings)
        dialogue.begin(ADA)
        dialogue.say(b"Subject: half", replies=0)
        dialogue.close()
        hand_over(settings)

    assert len(shelf.mails) == 1


def test_connections_over_the_limit_are_told_to_come_back() -> None:
    shelf = Shelf()
    with listening(shelf) as settings:
        many = [Dialogue(settings) for _ in range(MOST)]
        assert all(one.hear()[0].startswith("220 localhost rsvpd") for one in many)

        one_more = Dialogue(settings)
        refused, end = one_more.hear(), one_more.hear()
        one_more.close()
        for one in many:
            one.close()
        wait_for(lambda: _is_let_in(settings), "a place")

    assert (refused, end) == (["421 4.3.2 too many connections, try again later"], [])


def _is_let_in(settings: Lmtp) -> bool:
    try:
        dialogue = Dialogue(settings)
    except ConnectionRefusedError:
        return False
    greeting = dialogue.hear()  # nothing, where the door shuts right now
    dialogue.close()
    return greeting[:1] != [] and greeting[0].startswith("220")


def test_a_socket_is_for_owner_and_group_and_goes_when_the_service_ends() -> None:
    shelf = Shelf()
    with TemporaryDirectory(prefix="rsvpd-") as folder:  # pytest's own names are too long for a socket
        path = Path(folder, "lmtp.sock")
        with listening(shelf, listen=f"unix:{path}"):
            mode = path.stat().st_mode
            with smtplib.LMTP(str(path)) as server:
                server.sendmail(SENDER, [ADA], MAIL)

        assert not path.exists()
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    assert len(shelf.mails) == 1


def test_an_address_that_is_taken_is_named() -> None:
    with (
        listening(Shelf()) as settings,
        pytest.raises(ListenFailed, match=rf"lmtp: cannot listen at {settings.listen}: .*in use"),
        listening(Shelf(), listen=settings.listen),
    ):
        pass


@pytest.mark.parametrize(
    ("listen", "fault"),
    [
        ("0.0.0.0:24024", "can be reached from other machines"),
        ("192.0.2.1:24024", "can be reached from other machines"),
        ("[::]:24024", "can be reached from other machines"),
        ("mx.example.org:24024", "is no IP address"),
        ("127.0.0.1:25", "port 25 is for servers among themselves"),
        ("127.0.0.1:0", "say where to listen"),
        ("24024", "say where to listen|is no IP address"),
        ("127.0.0.1", "say where to listen"),
        ("unix:lmtp.sock", "by its whole path"),
    ],
)
def test_no_other_machine_can_be_let_in(tmp_path: Path, listen: str, fault: str) -> None:
    (tmp_path / "ada.toml").write_text(f'[lmtp]\nlisten = "{listen}"\n')

    with pytest.raises(BadConfig, match=fault):
        load(tmp_path / "ada.toml")


def test_ipv6_is_this_machine_too() -> None:
    assert Lmtp(listen="[::1]:24024").address == ("::1", 24024)


# The service


def without_mailbox(owner: Owner, port: int) -> Config:
    path = owner.config(more=f'[lmtp]\nlisten = "{HOST}:{port}"\n').path
    assert path
    text = path.read_text()
    path.write_text(text[: text.index("[imap]")] + text[text.index("[smtp]") :])
    return load(path)


def test_an_owner_without_a_mailbox_is_answered_for(owner: Owner) -> None:
    port = free_port()
    config = without_mailbox(owner, port)
    settings = Lmtp(listen=f"{HOST}:{port}")

    with serving(config):
        journal = open_journal(config)
        wait_for(lambda: _is_let_in(settings), "the door")
        for raw in (ordinary(), old_linkedin("Olga Stranger", "olga@somewhere.example")):
            hand_over(settings, raw)
        wait_for(lambda: len(journal.entries(State.SENT)) == 1, "the answer")

    (letter,) = owner.smtp.delivered
    (entry,) = journal.entries(*State)  # the other mail was none of ours
    assert letter.recipients == ("olga@somewhere.example",)
    assert (journal.raw(entry) or b"").startswith(f"Return-Path: <{SENDER}>\r\n".encode())
    assert "nothing is filed" in rsvpd("check", config.path).output


@pytest.mark.parametrize("first", ["handed over", "found in the mailbox"])
def test_the_same_mail_by_both_ways_is_one_entry_one_answer_and_filed(owner: Owner, first: str) -> None:
    port = free_port()
    config = owner.config(more=f'[lmtp]\nlisten = "{HOST}:{port}"\n')
    assert config.lmtp
    raw = old_linkedin("Olga Stranger", "olga@somewhere.example")
    ways: list[Callable[[], None]] = [
        lambda: hand_over(config.lmtp or Lmtp(listen=""), raw),
        lambda: owner.deliver(raw),
    ]

    with serving(config):
        wait_for(lambda: _is_let_in(Lmtp(listen=f"{HOST}:{port}")), "the door")
        for way in ways if first == "handed over" else reversed(ways):
            way()
            wait_for(settled(config, 1), "the answer")
        wait_for(lambda: owner.names(DECLINED) == ["Olga Stranger via LinkedIn"], "the filing")

    (entry,) = open_journal(config).entries(*State)
    (filed,) = owner.folder_of(DECLINED)
    assert (entry.state, entry.filed) == (State.SENT, DECLINED)
    assert b"\\Answered" in filed["flags"]
    assert len(owner.smtp.delivered) == 1


def test_a_door_follows_the_settings(owner: Owner) -> None:
    first, second = Lmtp(listen=f"{HOST}:{free_port()}"), Lmtp(listen=f"{HOST}:{free_port()}")

    def config(settings: Lmtp | None) -> Config:
        return owner.config(more=f'[lmtp]\nlisten = "{settings.listen}"\n' if settings else "")

    service = Service([watch(config(first))], Roster([owner.folder]))
    running = threading.Thread(target=service.run)
    running.start()
    try:
        wait_for(lambda: _is_let_in(first), "the first door")
        config(second)
        service.reload()
        wait_for(lambda: _is_let_in(second), "the second door")
        first_is_shut = not _is_let_in(first)
        config(None)
        service.reload()
        wait_for(lambda: not _is_let_in(second), "no door")
    finally:
        service.stop()
        running.join(30)

    assert first_is_shut


def test_a_service_whose_door_cannot_be_opened_says_so_and_ends(
    owner: Owner, dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    with listening(Shelf()) as taken:
        config = owner.config(more=f'[lmtp]\nlisten = "{taken.listen}"\n')

        done = rsvpd("run", config.path)

    assert done.exit_code == 1
    assert f"rsvpd: lmtp: cannot listen at {taken.listen}" in done.output
