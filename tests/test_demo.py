"""The demo's own servers, its samples, and the whole demonstration."""

import re
import smtplib
import ssl
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from gateway.demo import samples
from gateway.demo.background import Background
from gateway.demo.certificate import HOST, make
from gateway.demo.embedded import EmbeddedImap, Stored
from gateway.demo.sink import Letter, Sink

USER, PASSWORD = "mira@solberg.example", "open sesame"
MAIL = b"From: ragna@nesheim.example\r\nSubject: buoy 4\r\n\r\nIt speaks again.\r\n"


@pytest.fixture(name="tls")
def _tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The servers' context, and that of a client which trusts it as strictly as Python 3.13 does."""
    server, ca_file = make(tmp_path)
    client = ssl.create_default_context(cafile=ca_file)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    return server, client


@pytest.fixture(name="background")
def _background() -> Iterator[Background]:
    with Background() as background:
        yield background


@pytest.fixture(name="imap")
def _imap(background: Background, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> EmbeddedImap:
    return EmbeddedImap(background, tls[0], user=USER, password=PASSWORD)


@pytest.fixture(name="sink")
def _sink(background: Background, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> Sink:
    return Sink(background, tls[0], user=USER, password=PASSWORD)


@contextmanager
def logged_in(imap: EmbeddedImap, client: ssl.SSLContext, password: str = PASSWORD) -> Iterator[IMAPClient]:
    with IMAPClient(HOST, imap.port, ssl_context=client, timeout=5) as session:
        session.login(USER, password)
        yield session


def test_the_embedded_server_keeps_keywords_when_a_mail_is_moved(
    imap: EmbeddedImap, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    imap.deliver("INBOX", MAIL)

    with logged_in(imap, tls[1]) as session:
        session.create_folder("Invitations/Review")
        session.select_folder("INBOX")
        found = session.search(["FROM", "nesheim.example"])
        session.add_flags(found, ["$RsvpdSeen"])
        session.move(found, "Invitations/Review")

    assert imap.mails("INBOX") == ()
    assert imap.mails("Invitations/Review") == (Stored(MAIL, frozenset({"$RsvpdSeen"})),)


def test_the_embedded_server_tells_a_waiting_client_of_a_new_mail(
    imap: EmbeddedImap, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    with logged_in(imap, tls[1]) as session:
        session.select_folder("INBOX")
        session.idle()

        imap.deliver("INBOX", MAIL)

        assert session.idle_check(timeout=5)[0] == (1, b"EXISTS")


def test_the_embedded_server_refuses_a_wrong_password(
    imap: EmbeddedImap, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    with pytest.raises(LoginError, match="AUTHENTICATIONFAILED"), logged_in(imap, tls[1], "guessed"):
        pass


def test_a_client_that_was_not_given_the_authority_refuses_the_certificate(imap: EmbeddedImap) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        IMAPClient(HOST, imap.port, ssl_context=ssl.create_default_context(), timeout=5)


def test_no_private_key_stays_on_disk(tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    assert [file.name for file in tmp_path.iterdir()] == ["ca.pem"]


def test_the_sink_remembers_a_mail_as_it_came(sink: Sink, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with smtplib.SMTP(HOST, sink.port, timeout=5) as session:
        session.starttls(context=tls[1])
        session.login(USER, PASSWORD)
        session.sendmail(USER, ["hobart@tidemark.example"], MAIL)

    assert sink.letters == [Letter(USER, ("hobart@tidemark.example",), MAIL)]


def test_the_sink_takes_nothing_without_tls_and_login(sink: Sink, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with smtplib.SMTP(HOST, sink.port, timeout=5) as session:
        in_the_clear, _ = session.mail(USER)
        session.starttls(context=tls[1])
        session.ehlo()
        not_logged_in, _ = session.mail(USER)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            session.login(USER, "guessed")

    assert (in_the_clear, not_logged_in, sink.letters) == (530, 530, [])


NOW = datetime(2027, 5, 3, 12, 0, tzinfo=UTC)


def test_every_sample_has_an_expectation_and_every_expectation_a_sample() -> None:
    mails = {file.stem for file in samples.FOLDER.glob("*.eml")}

    expected = tomllib.loads((samples.FOLDER / "expected.toml").read_text("utf-8"))

    assert set(expected) == mails


def test_the_samples_arrive_in_order_within_a_week_that_ends_now() -> None:
    dates = [parsedate_to_datetime(message_from_bytes(sample.raw)["Date"]) for sample in samples.load(NOW)]

    assert dates == sorted(dates)
    assert (dates[0] > NOW - timedelta(days=7), dates[-1]) == (True, NOW)


def test_a_moved_invitation_was_made_right_before_its_mail_and_its_reminder_has_the_same_id() -> None:
    first, reminder = (sample.raw for sample in samples.load(NOW) if sample.number in (7, 21))

    ids = {int(found) for raw in (first, reminder) for found in re.findall(rb"invitationId/([0-9]+)", raw)}

    [invitation] = ids
    made = datetime.fromtimestamp((invitation >> 22) / 1000, UTC)
    assert parsedate_to_datetime(message_from_bytes(first)["Date"]) - made == timedelta(seconds=24)


def test_samples_have_the_line_ends_of_the_wire() -> None:
    assert [sample.name for sample in samples.load(NOW) if re.search(rb"(?<!\r)\n", sample.raw)] == []
