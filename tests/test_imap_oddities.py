"""A session with servers that speak early, in pieces, too little or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date

import pytest
from pydantic import SecretStr

from gateway import imap
from gateway.config import Imap, Secret
from gateway.errors import MailboxFailed
from gateway.imap import Session
from gateway.model import Landed
from tests.certificates import HOST, Certificate
from tests.imap_script import CUT, ScriptedImap
from tests.test_imap import INJECTIONS

PASSWORD = Secret(env="UNUSED")
# "canary" as it is, in base64 of three alignments, in hex and percent-encoded.
ECHOES = ("canary", "Y2FuYXJ5", "AGFkYQBjYW5hcnk=", "YWNhbmFyeQ==", "63616E617279", "63616e617279", "CANARY")
SELECTED = "* 1 EXISTS\r\n{more}{{tag}} OK [READ-WRITE] selected\r\n"

Connecting = Callable[..., tuple[ScriptedImap, Session]]


@pytest.fixture(scope="module", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(name="connected")
def _connected(certificate: Certificate) -> Connecting:
    """Connects to a server that follows a script."""

    def connect(
        script: dict[str, str | tuple[str, ...]] | None = None, **settings: object
    ) -> tuple[ScriptedImap, Session]:
        server = ScriptedImap(certificate, script or {}, **settings)  # type: ignore[arg-type]
        server.start()
        account = Imap(
            host=HOST,
            port=server.port,
            tls="implicit" if server.implicit else "starttls",
            user="ada",
            password=PASSWORD,
            ca_file=certificate.chain,
        )
        return server, imap.connect(account, lambda: SecretStr("canary"))

    return connect


@pytest.mark.parametrize(
    ("said", "news"),
    [
        ("+ idling\r\n* 2 EXISTS\r\n", True),
        ("* 2 EXISTS\r\n+ idling\r\n", True),
        ("* 2 RECENT\r\n+ idling\r\n* OK Still here\r\n* 2 EXISTS\r\n", True),
        ("+ idling\r\n* 1 EXPUNGE\r\n* 1 EXISTS\r\n", True),
        ("+ idling\r\n* 1 EXISTS\r\n* OK Still here\r\n* 1 FETCH (FLAGS (\\Seen))\r\n", False),
        ("+ idling\r\n* 1 EXPUNGE\r\n", False),
        ("+ idling\r\n", False),
    ],
)
def test_what_is_said_around_the_start_of_idle_is_heard(connected: Connecting, said: str, news: bool) -> None:
    _, session = connected({"IDLE": said})
    session.select("INBOX")

    session.idle_start()

    assert session.idle_check() is news


def test_who_has_listened_goes_to_the_folder_anew_since_a_server_may_forget_to_tell(connected: Connecting) -> None:
    server, session = connected()
    session.select("INBOX")
    session.look_again("INBOX")
    before = [line.partition(" ")[2] for line in server.heard].count('SELECT "INBOX"')

    session.idle_start()
    session.look_again("INBOX")

    assert before == 1
    assert [line.partition(" ")[2] for line in server.heard].count('SELECT "INBOX"') == 2


@pytest.mark.parametrize(
    ("said", "anew"),
    [("* 1 EXPUNGE\r\n", False), ("* 1 EXPUNGE\r\n* 1 EXISTS\r\n", True), ("* VANISHED 1\r\n", True)],
)
def test_a_folder_is_gone_to_anew_unless_it_is_certain_that_nothing_came(
    connected: Connecting, said: str, anew: bool
) -> None:
    server, session = connected({"NOOP": said + "{tag} OK done\r\n"})
    session.select("INBOX")

    found = session.look_again("INBOX")

    assert found.exists == (1 if anew else 0)
    assert [line.partition(" ")[2] for line in server.heard].count('SELECT "INBOX"') == (2 if anew else 1)


@pytest.mark.parametrize(
    ("told", "landed"),
    [
        ("* OK [COPYUID 7 1:2 5:6] moved", Landed(7, range(5, 7))),
        ("* OK [COPYUID 7 1,2 6,5] moved", Landed(7, range(5, 7))),
        ("* OK [COPYUID 7 1:3 9,6:5] moved", None),
        ("* OK [COPYUID 7 1:3 5,7:8] moved", None),
        ("* OK [COPYUID 7 1 1:4294967295] moved", Landed(7, range(1, 4294967296))),
        ("* OK [COPYUID 7 1 99999999999] moved", None),
        ("* OK [COPYUID seven 1 5] moved", None),
        ("* OK [COPYUID 7] moved", None),
        ("* OK [COPYUID] moved", None),
        ("* OK moved", None),
    ],
)
def test_where_mails_landed_is_believed_only_of_numbers_in_a_row(
    connected: Connecting, told: str, landed: Landed | None
) -> None:
    _, session = connected({"UID MOVE": f"{told}\r\n{{tag}} OK done\r\n"})
    session.select("INBOX")

    assert session.file([1, 2], "Elsewhere") == landed


def test_where_several_mails_landed_is_believed_only_where_each_follows_on_the_other(connected: Connecting) -> None:
    _, session = connected({"APPEND": "+ go on\r\n{tag} OK [APPENDUID 7 5] added\r\n"})

    assert session.append("Elsewhere", [b"x"]) == Landed(7, range(5, 6))
    assert session.append("Elsewhere", [b"x", b"y"]) is None


def test_an_answer_in_pieces_is_put_together(connected: Connecting) -> None:
    server, session = connected({"IDLE": ("+ idling\r\n* 2 EX", "ISTS\r\n")})
    session.select("INBOX")
    session.idle_start()
    threading.Timer(0.2, server.go_on.set).start()

    assert session.idle_check()


def test_a_goodbye_while_listening_ends_the_session(connected: Connecting) -> None:
    _, session = connected({"IDLE": "+ idling\r\n* BYE closing for the night\r\n"})
    session.select("INBOX")
    session.idle_start()

    with pytest.raises(MailboxFailed, match="said goodbye") as failed:
        session.idle_check()

    assert not failed.value.permanent


def test_a_connection_that_ends_while_listening_is_an_error_each_time(connected: Connecting) -> None:
    server, session = connected({"IDLE": ("+ idling\r\n", CUT)})
    session.select("INBOX")
    session.idle_start()
    server.go_on.set()

    for _ in range(3):
        with pytest.raises(MailboxFailed, match="connection lost"):
            session.idle_check(5)


def test_an_idle_that_is_refused_is_an_error(connected: Connecting) -> None:
    _, session = connected({"IDLE": "{tag} NO not today\r\n"})
    session.select("INBOX")

    with pytest.raises(MailboxFailed, match="not today"):
        session.idle_start()


def test_a_server_without_idle_is_asked_by_polling(connected: Connecting) -> None:
    server, session = connected(capabilities="IMAP4rev1 AUTH=PLAIN")
    session.select("INBOX")

    assert session.idle_start() is False
    assert not any("IDLE" in line for line in server.heard)


def test_a_folder_that_keeps_no_keywords_gets_none(connected: Connecting) -> None:
    permanent = "* OK [UIDVALIDITY 7] x\r\n* OK [PERMANENTFLAGS (\\Seen \\Answered)] x\r\n"
    server, session = connected({"SELECT": SELECTED.format(more=permanent)})

    selected = session.select("INBOX")
    session.add_keyword([1], "$RsvpdSeen")

    assert (selected.takes_keywords, selected.uidnext) == (False, 0)
    assert not any("STORE" in line for line in server.heard)


def test_a_folder_whose_mails_have_no_lasting_numbers_is_not_worked_on(connected: Connecting) -> None:
    _, session = connected({"SELECT": SELECTED.format(more="")})

    with pytest.raises(MailboxFailed, match="no lasting numbers") as failed:
        session.select("INBOX")

    assert failed.value.permanent


def test_a_folder_that_may_only_be_read_is_named(connected: Connecting) -> None:
    _, session = connected({"SELECT": "* 1 EXISTS\r\n* OK [READ-ONLY] x\r\n{tag} OK [READ-ONLY] selected\r\n"})

    with pytest.raises(MailboxFailed, match=r"folder 'INBOX' .* may only be read") as failed:
        session.select("INBOX")

    assert failed.value.permanent


def test_folders_that_cannot_be_listed_end_the_session(connected: Connecting) -> None:
    with pytest.raises(MailboxFailed, match=r"listing the folders of .*: LIST failed: not now"):
        connected({"LIST": "{tag} NO not now\r\n"})


@pytest.mark.parametrize(("body", "bytes_at_once"), [("BODY[]", 0), ("BODY[]<0>", 1000)])
def test_a_mail_that_comes_as_nothing_is_left_out(
    connected: Connecting, monkeypatch: pytest.MonkeyPatch, body: str, bytes_at_once: int
) -> None:
    monkeypatch.setattr(imap, "_BATCH_BYTES", bytes_at_once)
    answer = "* 1 FETCH (UID 1 RFC822.SIZE 9 FLAGS () {body} {what})\r\n{{tag}} OK fetched\r\n"
    _, nothing = connected({"UID FETCH": answer.format(body=body, what="NIL")})
    _, something = connected({"UID FETCH": answer.format(body=body, what='"From: a"')})
    for session in (nothing, something):
        session.select("INBOX")

    assert list(nothing.fetch([1], largest=100)) == []
    assert [mail.raw for mail in something.fetch([1], largest=100)] == [b"From: a"]


def test_well_known_names_serve_where_nothing_is_marked(connected: Connecting) -> None:
    names = ("INBOX", "INBOX.Gesendet", "INBOX.Sent", "INBOX.Drafts")
    listed = "".join(f'* LIST (\\{"Noselect" if name.endswith("Sent") else "Marked"}) "." {name}\r\n' for name in names)
    _, session = connected({"LIST": listed + "{tag} OK listed\r\n"})

    assert (session.special("\\Sent"), session.special("\\Drafts")) == ("INBOX.Gesendet", "INBOX.Drafts")


def test_a_server_without_a_sent_folder_asks_for_the_owners_word(connected: Connecting) -> None:
    _, session = connected()

    with pytest.raises(MailboxFailed, match=r"name yours as sent in \[imap\.folders\]") as failed:
        session.special("\\Sent")

    assert failed.value.permanent


def test_a_login_takes_one_step_where_the_server_takes_it_so(connected: Connecting) -> None:
    offered = "IMAP4rev1 AUTH=PLAIN SASL-IR"
    script: dict[str, str | tuple[str, ...]] = {"AUTHENTICATE": "{tag} OK [CAPABILITY IMAP4rev1 IDLE] welcome\r\n"}
    server, session = connected(script, greeting=f"* OK [CAPABILITY {offered}] ready\r\n")

    commands = [line.partition(" ")[2] for line in server.heard]
    assert commands[:2] == ["AUTHENTICATE PLAIN AGFkYQBjYW5hcnk=", 'LIST "" "*"']
    assert session.capabilities == {"IMAP4REV1", "IDLE"}


def test_folders_are_asked_after_at_once_and_one_that_was_not_told_of_by_itself(connected: Connecting) -> None:
    told = '* STATUS "One" (UIDVALIDITY 7 UIDNEXT 3)\r\n{tag} OK told\r\n'
    server, session = connected({"STATUS": told})

    assert session.statuses(["One", "Other"]) == {"One": (7, 3), "Other": (7, 3)}
    asked = [line.split()[2] for line in server.heard if " STATUS " in line]
    assert asked == ['"One"', '"Other"', '"Other"']


def test_a_folder_that_cannot_be_made_is_told_with_the_servers_words(connected: Connecting) -> None:
    _, session = connected({"CREATE": "{tag} NO [OVERQUOTA] too many folders\r\n"})

    with pytest.raises(MailboxFailed, match=r"making 'One' and 'Other' on .*OVERQUOTA.* too many folders"):
        session.ensure("One", "Other")
    session.noop()


def test_a_folder_that_somebody_made_meanwhile_is_no_error(connected: Connecting) -> None:
    server, session = connected({"CREATE": "{tag} NO [ALREADYEXISTS] it is there\r\n"})

    session.ensure("One")

    assert server.heard[-1].endswith('SUBSCRIBE "One"')


def test_a_server_that_does_not_tell_what_it_can_do_is_asked(connected: Connecting) -> None:
    server, session = connected()

    assert [line.partition(" ")[2] for line in server.heard][:2] == ["CAPABILITY", "AUTHENTICATE PLAIN"]
    assert "UIDPLUS" in session.capabilities


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ("+ \r\n{tag} NO [AUTHENTICATIONFAILED] no\r\n", True),
        ("+ \r\n{tag} NO [ALERT] Application-specific password required\r\n", True),
        ("+ \r\n{tag} NO Login failed.\r\n", True),
        ("+ \r\n{tag} NO [UNAVAILABLE] later\r\n", False),
        ("+ \r\n{tag} NO [ALERT] Too many simultaneous connections\r\n", False),
        (CUT, False),
    ],
)
def test_a_login_that_fails_is_the_owners_business_only_when_the_server_says_so(
    connected: Connecting, answer: str, permanent: bool
) -> None:
    with pytest.raises(MailboxFailed) as failed:
        connected({"AUTHENTICATE": answer})

    assert failed.value.permanent is permanent
    assert "canary" not in str(failed.value)


@pytest.mark.parametrize("echo", ECHOES)
def test_a_server_that_repeats_the_password_does_not_get_it_into_the_error(connected: Connecting, echo: str) -> None:
    with pytest.raises(MailboxFailed, match=r"refused the login .*its words repeat the password") as failed:
        connected({"AUTHENTICATE": f"+ \r\n{{tag}} NO [AUTHENTICATIONFAILED] what is {echo}?\r\n"})

    assert echo not in str(failed.value)


def test_no_line_of_ours_begins_with_what_a_mail_says(connected: Connecting) -> None:
    server, session = connected()
    session.select("INBOX")
    for text in INJECTIONS:
        session.find_message_id("INBOX", text)
        for wanted in (
            lambda text=text: session.look([("SUBJECT", text)], since_uid=1),
            lambda text=text: session.holds("INBOX", to=text, since=date(2026, 11, 1), marks=[("X-A", "")]),
            lambda text=text: session.holds("INBOX", to="a@b.example", since=date(2026, 11, 1), marks=[("X-A", text)]),
            lambda text=text: session.add_keyword([1], text),
            lambda text=text: session.select(text),
            lambda text=text: session.append(text, [b"From: a@b.example\r\n\r\nA9 DELETE Victim\r\n"]),
        ):
            with suppress(ValueError, MailboxFailed):
                wanted()
    session.noop()

    assert [line for line in server.heard if line.startswith("A9") and "Victim" in line] == []
    assert server.heard[-1].endswith("NOOP")


def test_a_stripped_starttls_stops_everything(connected: Connecting) -> None:
    with pytest.raises(MailboxFailed, match="does not offer STARTTLS") as failed:
        connected(implicit=False)

    assert failed.value.permanent


def test_a_server_that_is_logged_in_before_tls_is_not_used(connected: Connecting) -> None:
    with pytest.raises(MailboxFailed, match="cannot be used"):
        connected(implicit=False, greeting="* PREAUTH welcome\r\n", capabilities="IMAP4rev1 STARTTLS")


def test_a_password_for_the_plain_login_command_is_quoted(connected: Connecting) -> None:
    server, _ = connected(capabilities="IMAP4rev1")

    logins = [line.partition(" ")[2] for line in server.heard if " LOGIN " in line]
    assert logins == ['LOGIN "ada" "canary"']


def test_a_server_that_stops_in_the_middle_of_a_line_is_given_up(
    connected: Connecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, session = connected({"NOOP": ("* OK wait", "never")})
    session.socket().settimeout(0.3)
    began = time.monotonic()

    with pytest.raises(MailboxFailed, match="connection lost"):
        session.noop()

    assert time.monotonic() - began < 5


def test_a_greeting_that_sends_us_away_is_told(connected: Connecting) -> None:
    with pytest.raises(MailboxFailed, match=r"cannot be used: .*overloaded") as failed:
        connected(greeting="* BYE overloaded\r\n")

    assert not failed.value.permanent
