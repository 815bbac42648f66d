import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BadLetter
from gateway.letter import compose, letter_id
from gateway.model import Channel, Mailbox, Reply

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OWNER = Mailbox("Ada Müller, Oldport", "ada@example.org")


def reply(
    subject: str = "Your invitation", body: str = "Dear Bob,\n\nthank you.\n", to: str = "bob@example.net"
) -> Reply:
    return Reply("previous-interaction", "en", Channel.REPLY_TO, to, subject, body, "")


def composed(of: Reply, **changes: object) -> bytes:
    given = {"sender": OWNER, "message_id": "<rsvpd.1@example.org>", "answers": "<n@linkedin.com>", "loop": "f00"}
    return compose(of, now=NOW, **{**given, **changes})  # type: ignore[arg-type]


def read(raw: bytes) -> Message:
    return message_from_bytes(raw, _class=EmailMessage, policy=default)


def test_an_answer_says_that_a_machine_sent_it_and_wants_no_machines_answer() -> None:
    message = read(composed(reply()))

    assert message["Auto-Submitted"] == "auto-replied"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Precedence"] == "bulk"
    assert message["X-Rsvpd-Loop"] == "f00"
    assert message["In-Reply-To"] == message["References"] == "<n@linkedin.com>"
    assert message["From"] == '"Ada Müller, Oldport" <ada@example.org>'
    assert message["To"] == "bob@example.net"


def test_an_answer_is_one_plain_text_and_carries_nothing() -> None:
    message = read(composed(reply()))

    assert (message.get_content_type(), message.is_multipart()) == ("text/plain", False)
    assert message["Content-Disposition"] is None


def test_a_draft_does_not_pretend_that_a_machine_sent_it() -> None:
    message = read(composed(reply(), automatic=False))

    assert message["Auto-Submitted"] is None
    assert message["Precedence"] is None


def test_a_long_message_id_stays_whole_so_that_threads_hold() -> None:
    answers = f"<{'x' * 150}@linkedin.com>"

    raw = composed(reply(), answers=answers)

    assert f"\r\nIn-Reply-To: {answers}\r\n".encode() in raw


@pytest.mark.parametrize(
    "body", ["Grüße\n", "x" * 2000 + "\n", ".\n..\n.\n", "tab\there\n", "emoji 🚀\n", "trailing  \n", ""]
)
def test_any_body_arrives_as_it_was_in_lines_that_smtp_allows(body: str) -> None:
    raw = composed(reply(body=body))

    assert not re.search(rb"[^\r]\n|\r[^\n]", raw)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    message = message_from_bytes(raw)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n").rstrip("\n") == body.rstrip("\n")


def test_a_subject_in_any_script_is_folded_into_short_encoded_words() -> None:
    raw = composed(reply(subject="Ihre Einladung – herzlichen Dank für Ihre freundliche Nachricht " * 3))

    assert all(len(line) <= 76 for line in raw.split(b"\r\n") if b"=?utf-8?" in line)


@pytest.mark.parametrize("to", ["a@example.net, b@example.net", "a@example.net\r\nBcc: c@example.net", ""])
def test_more_or_less_than_one_recipient_is_never_sent(to: str) -> None:
    with pytest.raises((BadLetter, ValueError)):
        composed(reply(to=to))


def test_an_answer_that_grew_too_long_is_never_sent() -> None:
    with pytest.raises(BadLetter, match="bytes long"):
        composed(reply(body="x\n" * 20_000))


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80), st.text(max_size=300))
def test_no_text_gains_a_header_or_a_recipient(subject: str, body: str) -> None:
    try:
        raw = composed(reply(subject=subject, body=body))
    except (BadLetter, ValueError, UnicodeError):
        return

    message = message_from_bytes(raw)
    assert message.get_all("To") == ["bob@example.net"]
    assert not {"bcc", "cc", "reply-to", "sender"} & {name.lower() for name in message.keys()}  # noqa: SIM118


def test_the_same_mail_always_gets_the_same_message_id() -> None:
    assert letter_id(b"k", "entry", "example.org") == letter_id(b"k", "entry", "example.org")
    assert letter_id(b"k", "entry", "example.org") != letter_id(b"other", "entry", "example.org")
