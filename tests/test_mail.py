"""Bytes -> Mail: caps, character sets, defects, and what belongs to the mail itself."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Unreadable
from gateway.mail import LARGEST, parse, plain, printable
from gateway.model import Mailbox

HEAD = (
    b"From: Ada Inviter <ada@example.org>\r\nTo: bob@example.net\r\nSubject: Pies\r\n"
    b"Date: Tue, 10 Mar 2026 08:00:00 +0100\r\n"
)


def _with(*fields: bytes, body: bytes = b"Hello\r\n") -> bytes:
    return HEAD + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def _instead(field: bytes, body: bytes = b"Hello\r\n") -> bytes:
    """The mail with another value of a field it has."""
    name = field.partition(b":")[0]
    kept = [line for line in HEAD.splitlines() if not line.startswith(name + b":")]
    return b"\r\n".join([*kept, field, b"", body])


def _parts(*parts: bytes, kind: bytes = b"alternative") -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return _with(b"MIME-Version: 1.0", b"Content-Type: multipart/" + kind + b'; boundary="b"', body=body)


def test_a_mail_is_read_whole() -> None:
    raw = _with(
        b"Cc: Cy <cy@EXAMPLE.net>",
        b"Reply-To: Ada <ada@example.com>",
        b"Message-ID: <1@example.org>",
        b"X-Any: a\r\n b",
    )

    mail = parse(raw)

    assert mail.from_ == (Mailbox("Ada Inviter", "ada@example.org"),)
    assert mail.to == (Mailbox("", "bob@example.net"),)
    assert mail.reply_to == (Mailbox("Ada", "ada@example.com"),)
    assert (mail.subject, mail.text, mail.html, mail.message_id) == ("Pies", "Hello\n", "", "<1@example.org>")
    assert mail.date == datetime(2026, 3, 10, 7, tzinfo=UTC)
    assert mail.header("x-any") == ("a b",)
    assert mail.defects == ()


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("From: Jörg Müller <ada@example.org>".encode(), "Jörg Müller"),
        ("From: Jörg Müller <ada@example.org>".encode("latin-1"), "Jörg Müller"),
        (b"From: =?utf-8?Q?J=C3=B6rg?= =?utf-8?Q?_M=C3=BCller?= <ada@example.org>", "Jörg Müller"),
        (b"From: =?utf-8?B?SsO?= =?utf-8?B?tnJn?= <ada@example.org>", "Jörg"),
        (b'From: "=?utf-8?Q?J=C3=B6rg?=" <ada@example.org>', "Jörg"),
        (b"From: =?iso-8859-1?Q?J=F6rg?= <ada@example.org>", "Jörg"),
        (b'From: "Ada \\"Pie\\" Inviter" <ada@example.org>', 'Ada "Pie" Inviter'),
        (
            b"From: =?utf-8?Q?Mallory=0D=0ABcc:_victim=40example.org?= <ada@example.org>",
            "Mallory Bcc: victim@example.org",
        ),
        ("From: Ada \u202egnp.exe\u202c <ada@example.org>".encode(), "Ada gnp.exe"),
        (b"From: Ada\r\n\t Inviter <ada@example.org>", "Ada Inviter"),
        (b"From: ada@example.org", ""),
    ],
)
def test_a_name_is_decoded_and_holds_nothing_invisible(field: bytes, name: str) -> None:
    mail = parse(_instead(field))

    assert mail.from_ == (Mailbox(name, "ada@example.org"),)
    assert mail.defects == ()


@pytest.mark.parametrize(
    ("subject", "read"),
    [
        ("Subject: Grüße".encode(), "Grüße"),
        ("Subject: Grüße".encode("latin-1"), "Grüße"),
        (b"Subject: =?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?= an Bob", "Grüße an Bob"),
        (b"Subject: one\r\n two", "one two"),
        (b"Subject: =?UTF-8?Q?broken", "=?UTF-8?Q?broken"),
        (b"Subject: =?utf-8?Q?three=0D=0ABcc:_evil?=", "three Bcc: evil"),
        ("Subject: new \U0001fae8 emoji".encode(), "new \U0001fae8 emoji"),
    ],
)
def test_a_subject_is_decoded_and_unfolded(subject: bytes, read: str) -> None:
    assert parse(_instead(subject)).subject == read


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit", "Grüße".encode()),
        (b"Content-Type: text/plain; charset=utf-8", "Grüße".encode()),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit", "Grüße".encode("latin-1")),
        (b"Content-Type: text/plain; charset=windows-1252", "Grüße".encode("cp1252")),
        (b"Content-Type: text/plain; charset=us-ascii", "Grüße".encode()),
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable", b"Gr=C3=BC=C3=9Fe"),
        (
            b'Content-Type: text/plain; charset="UTF-8"\r\nContent-Transfer-Encoding: base64',
            base64.b64encode("Grüße".encode()),
        ),
    ],
)
def test_a_body_is_read_in_its_own_character_set(head: bytes, body: bytes) -> None:
    mail = parse(_with(head, body=body))

    assert (mail.text, mail.defects) == ("Grüße", ())


def test_letters_stay_composed_as_they_were_written() -> None:
    decomposed = "re\u0301sume\u0301"

    assert parse(_with(b"Content-Type: text/plain; charset=utf-8", body=decomposed.encode())).text == decomposed


def test_the_bodies_are_the_mails_own_and_not_those_of_an_attached_mail() -> None:
    attached = b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: text/html\r\n\r\n<p>inner</p>"

    mail = parse(_parts(attached, b"Content-Type: text/plain\r\n\r\nouter", kind=b"mixed"))

    assert (mail.text, mail.html) == ("outer", "")
    assert mail.content_types == ("multipart/mixed", "message/rfc822", "text/html", "text/plain")


def test_an_attached_file_is_no_body() -> None:
    file = b'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="note.txt"\r\n\r\nfile'

    assert parse(_parts(file, b"Content-Type: text/plain\r\n\r\nbody", kind=b"mixed")).text == "body"


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        (_with(b"From: Eve <eve@example.net>"), "more than one From field"),
        (_with(b"subject: other"), "more than one Subject field"),
        (_with(b"Reply-To: a@example.org", b"Reply-To: b@example.org"), "more than one Reply-To field"),
        (_with(b"Message-ID: <1@a.example>", b"Message-ID: <2@a.example>"), "more than one Message-ID field"),
        (_with(b"Date: Tue, 10 Mar 2026 08:00:00 +0100"), "more than one Date field"),
        (_instead(b"From: a@example.org, b@example.org"), "no From field with exactly one address"),
        (_instead(b"From: Ada"), "no From field with exactly one address"),
        (_instead(b"From: <>"), "no From field with exactly one address"),
        (_instead(b'From: "'), "no From field with exactly one address"),
        (_instead("From: ada@exämple.org".encode()), "no From field with exactly one address"),
        (_with(b"X-Any: a\0b"), "a NUL character"),
        (_with(body=b"Hel\0lo"), "a NUL character"),
        (_with(b"X-Any: a\rBcc: b"), "a bare carriage return in the header"),
        (_with(b"this is no field"), "a line in the header that is no field"),
        (_instead(b"Subject: =?x-unheard-of?Q?abc?="), "an unknown character set in the header"),
        (_with(b"Content-Type: text/plain; charset=x-unheard-of"), "unknown character set x-unheard-of"),
        (
            _with(b"Content-Type: text/plain; charset=utf-8", body=b"Gr\xfc"),
            "text that is not in the character set it claims",
        ),
        (_with(b"Content-Type: text/plain", b"Content-Transfer-Encoding: base64", body=b"aGVsb"), "broken base64"),
        (_with(b"Content-Type: multipart/mixed"), "parts without their boundaries"),
        (_with(b"Content-Type: multipart/mixed; boundary=b", body=b"--b\r\n\r\ncut"), "parts without their boundaries"),
    ],
)
def test_what_is_malformed_where_it_decides_is_a_defect(raw: bytes, defect: str) -> None:
    assert defect in parse(raw).defects


def _nested(depth: int) -> bytes:
    """Mails attached to mails."""
    attached = b"Content-Type: message/rfc822\r\n\r\n" * (depth - 1)
    return _with(b"Content-Type: message/rfc822", body=attached + HEAD + b"\r\nHello")


@pytest.mark.parametrize(
    ("raw", "cap"),
    [
        (_with(body=b"x" * LARGEST), "larger than 1024 KiB"),
        (_with(*[b"X-Any: " + b"x" * 8000] * 9), "header larger than 64 KiB"),
        (_with(b"X-Any: " + b"x" * 8192), "a header field larger than 8 KiB"),
        (_with(*[b"X-Any: x"] * 300), "more than 300 header fields"),
        (_with(*[b"X-Any: " + b"=?utf-8?Q?x?= " * 100] * 3), "more than 200 encoded words"),
        (_parts(*[b"Content-Type: text/plain\r\n\r\nx"] * 201), "more than 200 parts"),
        (_parts(*[b"\r\nx"] * 2001), "more than 200 parts"),
        (_nested(21), "nested deeper than 20"),
        (_nested(190), "more than 32 parts that hold parts"),
        (_with(body=b"\n" * 32_768), "more than 32768 lines"),
        (_with(body=b"\r" * 32_768), "more than 32768 lines"),
        (_parts(b"Content-Type: text/plain; a=" + b"x" * 2048 + b"\r\n\r\nx"), "a field of a part larger than 2 KiB"),
        (_parts(*[b"Content-Description: " + b"x" * 2000 + b"\r\n\r\nx"] * 33), "all of them very large"),
        (_parts(b"X: x\rContent-Type: text/plain; a=" + b"x" * 2048 + b"\r\n\r\nx"), "a field of a part larger"),
        (_with(b"Content-Type: text/plain; charset=punycode", body=b"x" * 500_000), "character set punycode"),
        (_with(b"Content-Type: text/plain;\r\n charset=unicode_escape"), "character set unicode_escape"),
        (_with(b"Content-Type: text/plain; charset*=us-ascii''punycode"), "character set punycode"),
    ],
)
def test_a_mail_over_a_cap_is_refused_and_the_cap_named(raw: bytes, cap: str) -> None:
    with pytest.raises(Unreadable, match=cap):
        parse(raw)


def test_a_message_id_that_could_not_be_quoted_is_none() -> None:
    assert parse(_with(b"Message-ID: <a b@example.org>")).message_id is None
    assert parse(_with(b"Message-ID: <[a]@>")).message_id is None


def test_control_characters_do_not_reach_a_body() -> None:
    assert parse(_with(body=b"a\x1b[31mb\x07\tc\r\nd\re")).text == "a[31mb\tc\nd\ne"
    assert parse(_with(body="a\x9bb\u202ec\u2066d\u200fe".encode())).text == "abcd\u200fe"


@given(st.text(st.sampled_from("ab\r\n\t\x0b\x85é\u202e")))
def test_every_line_end_of_a_body_is_a_line_feed(text: str) -> None:
    ends = text.replace("\r\n", "\n").replace("\r", "\n")

    body = text.encode()

    assert parse(_with(b"Content-Type: text/plain; charset=utf-8", body=body)).text == printable(ends)


@given(st.text())
def test_a_plain_line_has_no_line_break_and_stays_plain(text: str) -> None:
    line = plain(text)

    assert plain(line) == line
    assert "\n" not in line
    assert line == line.strip()


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda junk: HEAD + junk))
def test_any_bytes_are_a_mail_or_unreadable(raw: bytes) -> None:
    try:
        mail = parse(raw)
    except Unreadable:
        return

    assert mail.raw == raw
