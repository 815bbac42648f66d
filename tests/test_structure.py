"""The parts of a mail are the same as the standard library finds them, whatever stands in it."""

from __future__ import annotations

import email
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.judging import notification
from gateway.structure import message_from
from tests.hostile.bombs import bombs
from tests.test_hostile import odd_fields, pythons

SAMPLES = Path(__file__).parent / "samples"
HEAD = b'From: ada@example.org\nContent-Type: multipart/mixed; boundary="b"\n'
TEXT = b"\n--b\nContent-Type: text/plain\n\nHello\n"
# The lines that mails are made of, and some that make a parser stumble.
LINES = (
    *(b"Content-Type: multipart/mixed; boundary=b", b'Content-Type: multipart/digest; boundary="c"'),
    *(b"Content-Type: message/rfc822", b"Content-Type: message/delivery-status", b"Content-Type: text/html"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Type: multipart/mixed", b"Subject: pies", b" folded"),
    *(b"--b", b"--b--", b"--c", b"--c--", b"--b ", b"--", b"-- ", b"---", b"From ada", b"no field", b"", b" ", b"\t"),
    *(b"\0000\0", b"a\0001\0", b"text", b"=3D", "pâté".encode(), b"--\xff", b"\xff: \xff", b"\x0b", b"\x85", b"\x1c"),
)
ENDS = (b"\n", b"\r\n", b"\r", b"\r\r\n", b"")


def whole(part: Message) -> object:
    """All that the parser found out about a part and those in it."""
    payload = part._payload  # type: ignore[attr-defined]  # as it is kept, undecoded
    inner = [whole(one) for one in payload] if isinstance(payload, list) else payload
    defects = [(type(defect), getattr(defect, "line", None)) for defect in part.defects]
    head = (part.get_unixfrom(), list(part.raw_items()), part.get_default_type())
    return head, part.preamble, part.epilogue, defects, inner


def is_read_alike(raw: bytes) -> bool:
    return whole(message_from(raw)) == whole(email.message_from_bytes(raw))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(HEAD + TEXT + b"--b--\n", id="parts"),
        pytest.param((HEAD + TEXT + b"--b--\n").replace(b"\n", b"\r\n"), id="the line ends of the wire"),
        pytest.param((HEAD + TEXT + b"--b--\n").replace(b"\n", b"\r"), id="carriage returns alone"),
        pytest.param(HEAD + b"\nabove\n\nall" + TEXT + b"--b--\nbelow\n\nall\n", id="what stands around the parts"),
        pytest.param(HEAD + b"\n--b\n\n--b\n\n\n--b\n\n\n\n--b--", id="empty bodies"),
        pytest.param(HEAD + TEXT + b"\n-- \nAda\n\n--b-\n\nmore\n--b--\n", id="lines that are no boundary"),
        pytest.param(HEAD + TEXT + b"a\rCc: x\r\r--b\r\rHello\r--b--", id="a boundary behind a carriage return"),
        pytest.param(HEAD + TEXT + b"\n\0000\0\n\0007\0\n--b--\n", id="what looks like a mark"),
        pytest.param(HEAD + TEXT + "\n-- \nRenée\n--b--\n".encode(), id="a line that is kept and is not ASCII"),
        pytest.param(HEAD + "Subject: pâté\n".encode() + TEXT, id="a field that is not ASCII"),
        pytest.param(
            HEAD + b"\n--b\nContent-Type: message/rfc822\n\nSubject: a\nContent-Type: text/html\n\nHello\n--b--\n",
            id="a mail in the mail",
        ),
        pytest.param(
            HEAD.replace(b"mixed", b"digest") + b"\n--b\n\nSubject: a\nContent-Type: text/html\n\nHello\n--b--\n",
            id="mails that do not call themselves so",
        ),
        pytest.param(HEAD.replace(b"boundary", b"border") + TEXT, id="no boundary"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n\n", id="empty lines"),
    ],
)
def test_the_parts_are_those_the_library_finds(raw: bytes) -> None:
    assert is_read_alike(raw)


def test_every_mail_of_the_samples_is_read_as_the_library_reads_it() -> None:
    mails = [file.read_bytes() for file in SAMPLES.rglob("*.eml")]
    made = [raw for raw in (make() for _, make in bombs()) if len(raw) < 200_000]

    assert mails
    assert [raw for raw in (*mails, *made, *pythons(), *odd_fields()) if not is_read_alike(raw)] == []


@given(st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ENDS)), max_size=40), st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_lines_are_read_as_the_library_reads_them(lines: list[tuple[bytes, bytes]], is_wire: bool) -> None:
    raw = b"".join(line + (b"\n" if number % 4 else end) for number, (line, end) in enumerate(lines))

    assert is_read_alike(HEAD + raw)
    assert is_read_alike(raw.replace(b"\n", b"\r\n") if is_wire else raw)


def test_the_library_goes_through_the_lines_of_no_body(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    read = email.message_from_bytes

    def remembered(raw: bytes) -> Message:
        seen.append(raw)
        return read(raw)

    monkeypatch.setattr(email, "message_from_bytes", remembered)

    message_from(notification(text=True))

    assert [raw.count(b"\n") < 60 for raw in seen] == [True]
