"""The demo's own servers, its samples, and the whole demonstration."""

import re
import smtplib
import ssl
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from gateway.background import Background
from gateway.cli import main
from gateway.config import Imap, Secret
from gateway.demo import samples
from gateway.demo.certificate import HOST, make
from gateway.demo.embedded import EmbeddedImap, Stored
from gateway.demo.outcome import Outcome, Scene, differences
from gateway.demo.run import run_demo
from gateway.demo.samples import Expected, Sample
from gateway.demo.sink import Letter, Sink
from gateway.errors import MailboxFailed
from gateway.imap import Session, connect
from gateway.model import Entry, State

USER, PASSWORD = "mira@solberg.example", "open sesame"
MAIL = b"From: ragna@nesheim.example\r\nSubject: buoy 4\r\n\r\nIt speaks again.\r\n"


@dataclass(frozen=True)
class Certified:
    """The servers' context, and what their clients need to trust them."""

    server: ssl.SSLContext
    ca_file: Path

    @property
    def client(self) -> ssl.SSLContext:
        """Of a client that is as strict as Python 3.13."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context


@pytest.fixture(name="tls")
def _tls(tmp_path: Path) -> Certified:
    return Certified(*make(tmp_path))


@pytest.fixture(name="background")
def _background() -> Iterator[Background]:
    with Background() as background:
        yield background


@pytest.fixture(name="imap")
def _imap(background: Background, tls: Certified) -> EmbeddedImap:
    return EmbeddedImap(background, tls.server, user=USER, password=PASSWORD)


@pytest.fixture(name="sink")
def _sink(background: Background, tls: Certified) -> Sink:
    return Sink(background, tls.server, user=USER, password=PASSWORD)


@contextmanager
def logged_in(imap: EmbeddedImap, ca_file: Path | None, password: str = PASSWORD) -> Iterator[Session]:
    nowhere = Secret(env="NOT_READ")
    account = Imap(host=HOST, port=imap.port, user=USER, password=nowhere, ca_file=ca_file)
    session = connect(account, lambda: SecretStr(password))
    try:
        yield session
    finally:
        session.close()


@pytest.mark.parametrize("keep", ["/proc/x", "/proc/x/deeper"])
def test_a_place_where_nothing_can_be_left_is_named(keep: str) -> None:
    done = CliRunner().invoke(main, ["demo", "--keep", keep])

    assert (done.exit_code, done.output.startswith(f"rsvpd: {keep}: no folder can be made there (")) == (1, True)


def test_the_embedded_server_keeps_keywords_when_a_mail_is_moved(imap: EmbeddedImap, tls: Certified) -> None:
    imap.deliver("INBOX", MAIL)

    with logged_in(imap, tls.ca_file) as session:
        session.ensure("Invitations/Review")
        session.select("INBOX")
        found = session.look([("FROM", "nesheim.example")], since_uid=1)
        session.add_keyword(found, "$RsvpdSeen")
        session.file(found, "Invitations/Review")

    assert imap.mails("INBOX") == ()
    assert imap.mails("Invitations/Review") == (Stored(MAIL, frozenset({"$RsvpdSeen"})),)


def test_the_embedded_server_tells_a_waiting_client_of_a_new_mail(imap: EmbeddedImap, tls: Certified) -> None:
    with logged_in(imap, tls.ca_file) as session:
        session.select("INBOX")
        session.idle_start()

        imap.deliver("INBOX", MAIL)

        assert session.idle_check(timeout=5)


def test_the_embedded_server_refuses_a_wrong_password(imap: EmbeddedImap, tls: Certified) -> None:
    with pytest.raises(MailboxFailed, match="check user and password"), logged_in(imap, tls.ca_file, "guessed"):
        pass


def test_a_client_that_was_not_given_the_authority_refuses_the_certificate(imap: EmbeddedImap) -> None:
    with pytest.raises(MailboxFailed, match="certificate"), logged_in(imap, None):
        pass


@pytest.mark.usefixtures("tls")
def test_no_private_key_stays_on_disk(tmp_path: Path) -> None:
    assert [file.name for file in tmp_path.iterdir()] == ["ca.pem"]


def test_the_sink_remembers_a_mail_as_it_came(sink: Sink, tls: Certified) -> None:
    with smtplib.SMTP(HOST, sink.port, timeout=5) as session:
        session.starttls(context=tls.client)
        session.login(USER, PASSWORD)
        session.sendmail(USER, ["hq@tide.example"], MAIL)

    assert sink.letters == [Letter(USER, ("hq@tide.example",), MAIL)]


def test_the_sink_takes_nothing_without_tls_and_login(sink: Sink, tls: Certified) -> None:
    with smtplib.SMTP(HOST, sink.port, timeout=5) as session:
        in_the_clear, _ = session.mail(USER)
        session.starttls(context=tls.client)
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


LETTER = Letter(USER, ("hq@tide.example",), MAIL)
DECLINED = Outcome(
    Sample(
        "01-a-stranger", MAIL, Expected("a stranger", "decline", LETTER.recipients[0], folder="Invitations/Declined")
    ),
    Entry(1, "key", State.SENT, NOW, tries=1, judgement={"verdict": "decline"}),
    folders=("Invitations/Declined",),
    flags=frozenset({"$RsvpdSeen"}),
    letters=(LETTER,),
)
ORDINARY = Outcome(
    Sample("02-a-friend", MAIL, Expected("a friend's mail", "ignore", untouched=True)),
    entry=None,
    folders=("INBOX",),
    flags=frozenset(),
    letters=(),
)


@pytest.mark.parametrize(
    ("scene", "named"),
    [
        (Scene((DECLINED, ORDINARY), (LETTER,), copies=1, unfinished=0), ()),
        (
            Scene((replace(DECLINED, entry=None),), (LETTER,), copies=1, unfinished=0),
            ("01-a-stranger: the verdict is ignore, expected decline",),
        ),
        (
            Scene((replace(DECLINED, folders=("INBOX",)),), (LETTER,), copies=1, unfinished=0),
            ("01-a-stranger: lies in INBOX, expected Invitations/Declined",),
        ),
        (
            Scene((replace(DECLINED, folders=()),), (LETTER,), copies=1, unfinished=0),
            ("01-a-stranger: lies in no folder, expected Invitations/Declined",),
        ),
        (
            Scene((replace(DECLINED, letters=()),), (), copies=0, unfinished=0),
            ("01-a-stranger: answered to nobody, expected hq@tide.example",),
        ),
        (
            Scene((replace(DECLINED, letters=(LETTER, LETTER)),), (LETTER, LETTER), copies=2, unfinished=0),
            ("01-a-stranger: answered to hq@tide.example, hq@tide.example, expected hq@tide.example",),
        ),
        (
            Scene((replace(DECLINED, notes=1),), (LETTER,), copies=1, unfinished=0),
            ("01-a-stranger: 1 notes with a text to paste, expected 0",),
        ),
        (
            Scene((replace(DECLINED, flags=frozenset({"\\Seen"})),), (LETTER,), copies=1, unfinished=0),
            ("01-a-stranger: was marked \\Seen, which only its owner may do",),
        ),
        (
            Scene((replace(ORDINARY, flags=frozenset({"$RsvpdSeen"})),), (), copies=0, unfinished=0),
            ("02-a-friend: was touched ($RsvpdSeen), expected to be left alone",),
        ),
        (
            Scene((ORDINARY,), (LETTER,), copies=0, unfinished=1),
            (
                "a mail to hq@tide.example answers no sample",
                "the Sent folder has 0 copies of 1 mails sent",
                "1 mails are still being worked on",
            ),
        ),
    ],
)
def test_each_deviation_is_named(scene: Scene, named: tuple[str, ...]) -> None:
    assert differences(scene) == named


def test_the_demo_shows_the_service_do_what_the_samples_expect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run_demo(tmp_path)

    shown = capsys.readouterr().out
    [folder] = tmp_path.iterdir()
    assert "Not as expected" not in shown
    assert re.search(r"^ 17 +c13 +decline ", shown, re.MULTILINE)
    assert (status, (folder / "summary.txt").read_text().startswith("Your invitations")) == (0, True)


def test_nothing_the_demo_shows_or_leaves_to_read_holds_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(tmp_path)

    [folder] = tmp_path.iterdir()
    written = [file.read_text() for file in (*folder.glob("answers/*"), folder / "summary.txt", folder / "rsvpd.log")]
    for text in (capsys.readouterr().out, *written):
        assert re.findall("midToken|otpToken|sharedKey|trkEmail|lipi", text) == []
