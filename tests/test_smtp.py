"""Submission against servers that behave, fail at each step, lie, stall and hang up."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway import smtp, tls
from gateway.background import Background
from gateway.config import Config, Secret, Smtp
from gateway.demo import certificate
from gateway.demo.sink import Letter, Sink
from gateway.errors import JournalFailed, SendFailed, SendUncertain
from gateway.owner import post_of
from tests.certificates import HOST, Certificate
from tests.submission import Delivered, Login, SmtpServer
from tests.test_imap_oddities import ECHOES

SENDER, RECIPIENT = "ada@example.org", "olga@somewhere.example"
MAIL = b"From: ada@example.org\r\nTo: olga@somewhere.example\r\nSubject: No\r\n\r\nDear Olga\r\n"
SECRET = Secret(env="UNUSED")


class Marks:
    """Remembers how often the mark before the dot was asked for."""

    def __init__(self) -> None:
        self.set = 0

    def __call__(self) -> None:
        self.set += 1


def account(server: SmtpServer, *, ca_file: Path | None = None) -> Smtp:
    return Smtp(
        host=HOST,
        port=server.port,
        tls="implicit" if server.implicit else "starttls",
        user=server.login.user,
        password=SECRET,
        ca_file=ca_file or server.certificate.chain,
    )


def send(
    server: SmtpServer,
    message: bytes = MAIL,
    *,
    to: Smtp | None = None,
    recipient: str = RECIPIENT,
    password: str | None = None,
    before_dot: Callable[[], None] = lambda: None,
) -> str:
    return smtp.send(
        to or account(server),
        message,
        sender=SENDER,
        recipient=recipient,
        secret=lambda: SecretStr(password or server.login.password),
        before_dot=before_dot,
    )


@pytest.fixture(scope="module", name="certified")
def _certified(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(name="server", params=["", "PIPELINING"])
def _server(request: pytest.FixtureRequest, certified: Certificate) -> Iterator[SmtpServer]:
    extensions = ("8BITMIME", "DSN", *request.param.split())
    server = SmtpServer(Login("ada@example.org", "pass word"), certified, extensions=extensions)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "CRAM-MD5 LOGIN"])
@pytest.mark.parametrize("password", ["pass word", "schlüssel", 'a\\b"c'])
def test_a_mail_goes_out_over_tls_after_one_login(
    certified: Certificate, implicit: bool, mechanisms: str, password: str
) -> None:
    login = Login("ada müller", password)
    server = SmtpServer(login, certified, implicit=implicit, mechanisms=mechanisms)
    server.start()
    marks = Marks()

    said = send(server, before_dot=marks)

    server.stop()
    assert said == "250 2.0.0 queued"
    assert server.delivered == [Delivered(SENDER, (RECIPIENT,), MAIL)]
    assert marks.set == 1
    assert server.verbs.count("AUTH") == 1


def test_sender_and_recipient_are_said_at_once_where_the_server_takes_them_so(
    server: SmtpServer, pieces: list[bytes]
) -> None:
    send(server)

    both = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}> NOTIFY=NEVER\r\n".encode()
    assert (both in pieces) is ("PIPELINING" in server.extensions)
    assert server.delivered == [Delivered(SENDER, (RECIPIENT,), MAIL)]


def test_the_mark_is_set_when_all_but_the_dot_is_on_the_wire(server: SmtpServer) -> None:
    def mark() -> None:
        seen.append((server.verbs[-1], len(server.delivered)))

    seen: list[tuple[str, int]] = []
    send(server, before_dot=mark)

    assert seen == [("DATA", 0)]


def test_a_mark_that_cannot_be_set_keeps_the_mail_from_being_taken(server: SmtpServer) -> None:
    def mark() -> None:
        raise JournalFailed("disk full")

    with pytest.raises(JournalFailed, match="disk full"):
        send(server, before_dot=mark)
    send(server)

    assert len(server.delivered) == 1


STEPS = ["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot"]
BEFORE_LOGIN = {"connect", "ehlo", "starttls", "auth"}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("reply", ["421 4.3.2 closing", "450 4.2.0 later", "554 5.7.1 never"])
def test_a_refusal_at_any_step_says_whether_to_try_again(server: SmtpServer, step: str, reply: str) -> None:
    server.faults[step] = reply
    marks = Marks()

    with pytest.raises(SendFailed) as failed:
        send(server, before_dot=marks)

    assert (failed.value.permanent, failed.value.setup) == (reply[0] == "5", step in BEFORE_LOGIN)
    assert reply in str(failed.value)
    assert f"{HOST}:{server.port}" in str(failed.value)
    assert server.delivered == []
    assert marks.set == (step == "dot")


@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_connection_cut_before_the_dot_is_no_mail_sent(server: SmtpServer, step: str) -> None:
    server.faults[step] = "cut"
    marks = Marks()

    with pytest.raises(SendFailed) as failed:
        send(server, before_dot=marks)

    assert (failed.value.permanent, failed.value.setup) == (False, step in BEFORE_LOGIN)
    assert (server.delivered, marks.set) == ([], 0)


@pytest.mark.parametrize(("fate", "taken"), [("lost", 1), ("dropped", 0)])
def test_a_connection_cut_after_the_dot_leaves_the_outcome_open(server: SmtpServer, fate: str, taken: int) -> None:
    server.faults["dot"] = fate

    with pytest.raises(SendUncertain, match="may have been taken"):
        send(server)

    assert len(server.delivered) == taken


@pytest.mark.parametrize("reply", ["354 go on", "nonsense"])
def test_an_answer_to_the_mail_that_is_neither_yes_nor_no_leaves_the_outcome_open(
    server: SmtpServer, reply: str
) -> None:
    server.faults["dot"] = reply

    with pytest.raises(SendUncertain):
        send(server)


@pytest.mark.parametrize(("reply", "permanent"), [("421 4.3.2 closing", False), ("552 5.3.4 too big", True)])
def test_a_server_that_interrupts_the_mail_has_not_taken_it(server: SmtpServer, reply: str, permanent: bool) -> None:
    server.faults["content"] = reply
    marks = Marks()

    with pytest.raises(SendFailed, match=re.escape(reply)) as failed:
        send(server, before_dot=marks)

    assert (failed.value.permanent, failed.value.setup) == (permanent, False)
    assert (server.delivered, marks.set) == ([], 0)


@pytest.mark.parametrize("step", ["connect", "mail", "data"])
def test_a_server_that_falls_silent_before_the_dot_has_not_taken_the_mail(
    server: SmtpServer, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_COMMAND", 0.2)
    monkeypatch.setattr(smtp, "_DATA", 0.2)
    server.faults[step] = "stall"

    with pytest.raises(SendFailed, match="timed out") as failed:
        send(server)

    assert not failed.value.permanent


def test_a_server_that_falls_silent_after_the_dot_leaves_the_outcome_open(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_DOT", 0.2)
    server.faults["dot"] = "stall"

    with pytest.raises(SendUncertain, match="timed out"):
        send(server)


def test_the_patience_is_what_the_standard_asks_for() -> None:
    assert (smtp._COMMAND, smtp._DATA, smtp._CONTENT, smtp._DOT) == (300, 120, 180, 600)


def bad_certificate(kind: str, folder: Path) -> tuple[Certificate, Path]:
    """A server's certificate with something wrong, and the authority's file that its client has."""
    other = folder / "other"
    other.mkdir()
    match kind:
        case "unknown authority":
            return Certificate.make(folder), Certificate.make(other).chain
        case "another host's":
            wrong = Certificate.make(folder, host="mail.example.org")
        case _:
            wrong = Certificate.make(folder, days=-1)
    return wrong, wrong.chain


@pytest.mark.parametrize("kind", ["unknown authority", "another host's", "expired"])
@pytest.mark.parametrize("implicit", [True, False])
def test_no_password_goes_to_a_server_that_cannot_prove_who_it_is(tmp_path: Path, kind: str, implicit: bool) -> None:
    wrong, ca_file = bad_certificate(kind, tmp_path)
    server = SmtpServer(Login("ada", "canary"), wrong, implicit=implicit)
    server.start()

    with pytest.raises(SendFailed, match="certificate is not valid") as failed:
        send(server, to=account(server, ca_file=ca_file))

    server.stop()
    assert failed.value.setup
    assert "AUTH" not in server.verbs


def test_the_system_does_not_trust_a_certificate_that_signs_for_itself(server: SmtpServer) -> None:
    with pytest.raises(SendFailed, match="certificate is not valid"):
        send(server, to=account(server).model_copy(update={"ca_file": None}))

    assert "AUTH" not in server.verbs


def test_what_encrypts_is_never_older_than_tls_1_2_and_always_verifies(certified: Certificate) -> None:
    for context in (tls.context(None), tls.context(certified.chain)):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_a_stripped_starttls_stops_everything(certified: Certificate) -> None:
    server = SmtpServer(Login("ada", "canary"), certified, offers_starttls=False)
    server.start()

    with pytest.raises(SendFailed, match="does not offer STARTTLS") as failed:
        send(server)

    server.stop()
    assert failed.value.setup
    assert server.verbs == ["EHLO"]


def test_what_was_slipped_in_before_tls_counts_for_nothing(server: SmtpServer) -> None:
    server.faults["starttls"] = "220 go ahead\r\n250-evil.example\r\n250 AUTH LOGIN"

    send(server)

    assert server.verbs[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert server.heard[3].startswith("AUTH PLAIN ")
    assert len(server.delivered) == 1


def test_a_server_without_tls_where_tls_is_expected_is_named(server: SmtpServer) -> None:
    with pytest.raises(SendFailed, match=r"no TLS on this port .* check port and tls"):
        send(server, to=account(server).model_copy(update={"tls": "implicit"}))


def test_a_wrong_password_is_tried_once_and_the_owner_told(server: SmtpServer) -> None:
    with pytest.raises(SendFailed) as failed:
        send(server, password="guessed")

    assert str(failed.value) == (
        f"{HOST}:{server.port} refused the login of ada@example.org (535 5.7.8 authentication failed); "
        "check user and password"
    )
    assert failed.value.setup
    assert server.verbs.count("AUTH") == 1


@pytest.mark.parametrize(("mechanism", "echo"), [*(("PLAIN", echo) for echo in ECHOES), ("LOGIN", "Y2FuYXJ5")])
def test_a_server_that_repeats_the_password_does_not_get_it_into_the_error(
    certified: Certificate, mechanism: str, echo: str
) -> None:
    server = SmtpServer(Login("ada", "canary"), certified, mechanisms=mechanism, faults={"auth": f"535 no {echo}"})
    server.start()

    with pytest.raises(SendFailed, match="refused the login of ada") as failed:
        send(server)

    server.stop()
    assert echo not in str(failed.value)


def test_a_password_that_cannot_be_read_stops_the_login(server: SmtpServer) -> None:
    def secret() -> SecretStr:
        raise LookupError("environment variable SMTP_PASSWORD is not set")

    with pytest.raises(SendFailed, match="SMTP_PASSWORD is not set") as failed:
        smtp.send(account(server), MAIL, sender=SENDER, recipient=RECIPIENT, secret=secret, before_dot=lambda: None)

    assert failed.value.setup


def test_a_server_with_unknown_logins_only_is_named(certified: Certificate) -> None:
    server = SmtpServer(Login("ada", "canary"), certified, mechanisms="GSSAPI")
    server.start()

    with pytest.raises(SendFailed, match="offers no login that rsvpd knows"):
        send(server)

    server.stop()


def test_a_host_where_nothing_listens_is_named(server: SmtpServer) -> None:
    server.stop()

    with pytest.raises(SendFailed, match="nothing listens there; check host and port") as failed:
        send(server)

    assert (failed.value.permanent, failed.value.setup) == (False, True)


@pytest.mark.parametrize("host", ["nowhere.invalid", "no..host", "x" * 70])
def test_a_host_that_does_not_exist_is_named(server: SmtpServer, host: str) -> None:
    with pytest.raises(SendFailed, match=f"{host}:{server.port}: no such host; check host") as failed:
        send(server, to=account(server).model_copy(update={"host": host}))

    assert failed.value.setup


def test_an_authority_file_that_is_not_there_is_named(server: SmtpServer, tmp_path: Path) -> None:
    with pytest.raises(SendFailed, match=r"ca_file .*nowhere\.pem cannot be used: No such file"):
        send(server, to=account(server, ca_file=tmp_path / "nowhere.pem"))


def test_an_authority_file_that_is_renewed_counts_from_then_on(certified: Certificate, tmp_path: Path) -> None:
    server = SmtpServer(Login("ada@example.org", "pass word"), certified)
    server.start()
    ca_file = Certificate.make(tmp_path).chain
    with pytest.raises(SendFailed, match="certificate is not valid"):
        send(server, to=account(server, ca_file=ca_file))

    ca_file.write_bytes(certified.chain.read_bytes())
    send(server, to=account(server, ca_file=ca_file))

    server.stop()
    assert server.delivered == [Delivered(SENDER, (RECIPIENT,), MAIL)]


@pytest.mark.parametrize(("extensions", "asked"), [(("DSN",), True), (("8BITMIME",), False)])
def test_bounces_are_declined_where_the_server_can_do_so(
    certified: Certificate, extensions: tuple[str, ...], asked: bool
) -> None:
    server = SmtpServer(Login("ada", "canary"), certified, extensions=extensions)
    server.start()

    send(server)

    server.stop()
    assert (f"RCPT TO:<{RECIPIENT}> NOTIFY=NEVER" in server.heard) is asked


@pytest.mark.parametrize(("bounces", "sender"), [(None, SENDER), ("ada+bounce@example.org", "ada+bounce@example.org")])
def test_answers_go_out_under_the_address_for_bounces(
    server: SmtpServer, tmp_path: Path, bounces: str | None, sender: str
) -> None:
    password = tmp_path / "password"
    password.write_text(server.login.password)
    way = account(server).model_copy(update={"bounces": bounces, "password": Secret(file=password)})
    config = Config.model_validate({"me": {"name": "Ada", "addresses": SENDER}}).model_copy(update={"smtp": way})

    post_of(config)(MAIL, recipient=RECIPIENT, before_dot=lambda: None)

    assert [mail.sender for mail in server.delivered] == [sender]


BODIES = [
    b"\r\n.\r\nMAIL FROM:<x@example.net>\r\n",
    b"\r\n.\r\n.\r\n..\r\n...hello\r\n",
    b"\r\nends in a dot.\r\n.",
    b"\r\n" + b"x" * 998 + b"\r\n",
]


@pytest.mark.parametrize("body", BODIES)
def test_every_byte_arrives_and_no_line_ends_the_mail_early(server: SmtpServer, body: bytes) -> None:
    message = b"Subject: dots\r\n" + body + (b"" if body.endswith(b"\r\n") else b"\r\n")

    send(server, message)

    assert [mail.raw for mail in server.delivered] == [message]
    (wire,) = server.wire
    assert re.findall(rb"[^\r]\n|\r[^\n]|\r\n\.\r\n", wire) == []


def test_another_servers_reading_of_the_wire_is_the_same(tmp_path: Path) -> None:
    context, ca_file = certificate.make(tmp_path)
    message = b"Subject: dots\r\n" + b"".join(BODIES[:2])
    with Background() as background:
        sink = Sink(background, context, user="ada", password="canary")
        to = Smtp(host=HOST, port=sink.port, user="ada", password=SECRET, ca_file=ca_file)

        smtp.send(
            to,
            message,
            sender=SENDER,
            recipient=RECIPIENT,
            secret=lambda: SecretStr("canary"),
            before_dot=lambda: None,
        )

    assert sink.letters == [Letter(SENDER, (RECIPIENT,), message)]


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: x\r\n\r\nbare\nline feed\r\n",
        b"Subject: x\r\n\r\nbare\rreturn\r\n",
        b"Subject: x\r\n\r\n\r.\r\nMAIL FROM:<x@example.net>\r\n",
        b"Subject: x\r\n\r\n\n.\r\n",
        b"Subject: x\r\n\r\nnul\0\r\n",
        b"Subject: x\r\n\r\nh\xc3\xa4\r\n",
        b"Subject: x\r\n\r\n" + b"x" * 999 + b"\r\n",
        b"Subject: x\r\n\r\nno end",
        b"",
        b"\n\r\n",
    ],
)
def test_a_mail_that_could_be_read_in_two_ways_is_not_sent_at_all(server: SmtpServer, message: bytes) -> None:
    with pytest.raises(SendFailed, match="a line that SMTP does not allow") as failed:
        send(server, message)

    assert (failed.value.permanent, failed.value.setup) == (True, False)
    assert server.heard == []


@pytest.mark.parametrize(
    "recipient",
    [
        "olga@somewhere.example>\r\nRCPT TO:<eve@example.net",
        "olga@somewhere.example> SIZE=1",
        "olga@somewhere.example, eve@example.net",
        "olga(eve@example.net)@somewhere.example",
        "ölga@somewhere.example",
        "olga",
        "",
    ],
)
def test_a_recipient_that_is_more_than_one_plain_address_is_not_written_to(server: SmtpServer, recipient: str) -> None:
    with pytest.raises(SendFailed, match="no address that SMTP can carry") as failed:
        send(server, recipient=recipient)

    assert (failed.value.permanent, failed.value.setup) == (True, False)
    assert server.heard == []


def test_the_probe_logs_in_offers_the_sender_and_sends_nothing(server: SmtpServer) -> None:
    smtp.probe(account(server), lambda: SecretStr("pass word"), sender=SENDER)

    assert server.verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL"]
    assert server.delivered == []


def test_the_probe_tells_of_a_sender_that_the_account_may_not_use(server: SmtpServer) -> None:
    server.faults["mail"] = "553 5.7.1 not yours"

    with pytest.raises(SendFailed, match=r"answered MAIL with 553 5\.7\.1 not yours"):
        smtp.probe(account(server), lambda: SecretStr("pass word"), sender=SENDER)
