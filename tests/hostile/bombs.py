"""Mails made to hurt whoever reads them: each as big as its kind may get, or far bigger.

Nearly all of them stand in a notification that is genuine as far as the owner's server can tell, so that nothing is
left out of the way of a mail: as a field of its header, as its only part or a second one, as its page, note or name.
"""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial

from gateway.mail import LARGEST
from tests.notifications import OWNER, compose, linkedin, old_linkedin

_HEAD = (
    b"From: Eve <eve@bystander.example>\r\nTo: ada@example.org\r\nSubject: Hello\r\n"
    b"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@bystander.example>\r\nMIME-Version: 1.0\r\n"
)
_FULL = LARGEST - 16 * 1024  # what is left for a body
_FIELD = 8 * 1024 - 64  # and for the value of a field
_PAGE, _WORDS, _NOTE, _NAME = 156 * 1024, 60 * 1024, 3_900, 390  # characters: what is read of a page, a text, ...
INVITER = "olga@bystander.example"


def _fill(unit: bytes, size: int = _FULL) -> bytes:
    return unit * (size // len(unit))


def _many(unit: str, size: int = _WORDS) -> str:
    return unit * (size // len(unit))


def _fields(unit: bytes, size: int = 60 * 1024) -> bytes:
    return _fill(unit + b"\r\n", size)


def _deep(depth: int, filling: bytes) -> bytes:
    """Multiparts in multiparts, and at the bottom something long."""
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(depth)
    )
    return opened + b"Content-Type: text/plain\r\n\r\n" + filling


def _multipart(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/" + kind + b'; boundary="b"\r\n\r\n' + body + b"--b--\r\n"


def _rfc2231(pieces: int, field: bytes = b"Content-Disposition: attachment", name: bytes = b"filename") -> bytes:
    return field + b"".join(b";\r\n %s*%d*=utf-8''%%41" % (name, number) for number in range(pieces))


def _zip() -> bytes:
    """A megabyte of zeros a thousand times over, folded small."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for number in range(100):
            file.writestr(f"{number}", bytes(1024 * 1024))
    return packed.getvalue()


def _attached(kind: bytes, content: bytes, name: bytes = b"x") -> bytes:
    head = b'Content-Type: %s; name="%s"\r\nContent-Transfer-Encoding: base64\r\n' % (kind, name)
    disposition = b'Content-Disposition: attachment; filename="%s"\r\n\r\n' % name
    return head + disposition + base64.encodebytes(content).replace(b"\n", b"\r\n")


def _text(charset: bytes, body: bytes, encoding: bytes = b"8bit") -> bytes:
    head = b"Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n"
    return head % (charset, encoding) + body


def _page(html: bytes) -> bytes:
    return b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + html


SUBJECTS: dict[str, tuple[str, str]] = {
    "facebook": ("notification@facebookmail.com", "Olga wants to be your friend with you on facebook "),
    "github": ("noreply@github.com", "@olga has invited you to collaborate on a/b "),
    "hi5": ("olga@hi5.com", "Olga would like to be your friend on hi5 "),
    "mastodon": ("x@mastodon.example", "Pending follower: a@b.c."),
    "slack": ("feedback@slack.com", "Olga has invited you to join a in slack "),
    "trello": ("invitation-do-not-reply@trello.com", "Olga invited you to the board "),
    "xing": ("mailrobot@xing.com", "Olga möchte sich mit dir vernetzen "),
}

HEADERS: dict[str, Callable[[], bytes]] = {
    "20,000 encoded words in Subject": lambda: b"Subject: " + b"=?utf-8?q?a?= " * 20_000,
    "encoded words in a field of 8 KiB": lambda: b"Subject: " + _fill(b"=?utf-8?b?YWE=?= ", 3_000),
    "encoded words of half a letter": lambda: b"Subject: " + _fill(b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=\r\n ", 5_000),
    "encoded words without an end": lambda: b"Subject: " + _fill(b"=?utf-8?q?", 1_990) + b"x" * 5_000,
    "encoded words in every field": lambda: _fill(b"X-A: =?utf-8?q?" + b"=41" * 900 + b"?=\r\n", 60_000),
    "one giant field": lambda: b"X-A: " + b"x" * 900_000,
    "a field of 8 KiB folded at every letter": lambda: b"X-A: " + _fill(b"x\r\n ", _FIELD),
    "300 fields": lambda: b"\r\n".join(b"X-A%d: x" % number for number in range(280)),
    "20,000 fields": lambda: b"\r\n".join(b"X-A%d: x" % number for number in range(20_000)),
    "fields that are called like attributes": lambda: b"\r\n".join(
        name + b": x" for name in (b"parse", b"headers_json", b"Subject_raw", b"mail_json_json_json", b"__class__")
    ),
    "comments nested in an address": lambda: b"Reply-To: " + b"(" * 3_900 + b")" * 3_900 + b" a@bystander.example",
    "comments without an end": lambda: b"Cc: " + b"(" * _FIELD,
    "comments beside one another": lambda: b"Cc: " + b"()" * 3_900 + b" a@bystander.example",
    "thousands of addresses": lambda: b"Cc: " + b"a@b.example," * 600,
    "addresses in groups": lambda: b"Cc: " + b"g:a@b;" * 1_200,
    "a route of hops": lambda: b"Cc: <" + b"@a," * 2_500 + b":a@b.example>",
    "quotes and backslashes": lambda: b'Cc: "' + b"\\\\" * 3_900 + b'" <a@b.example>',
    "quotes without an end": lambda: b'Cc: "' + b'\\"' * 3_900,
    "angles in angles": lambda: b"Cc: " + b"<" * 3_900 + b"a@b.example" + b">" * 3_900,
    "commas": lambda: b"Cc: " + b"," * _FIELD,
    "a word with a line break in an address": lambda: b"Reply-To: =?utf-8?q?a=0D=0Ab?= <a@bystander.example>",
    "a Message-ID of brackets": lambda: b"References: " + b"<[" * 3_900,
    "a Message-ID on two lines": lambda: b"X-Message-ID: <a\r\n b@[\r\n ]>",
    "a date that is no date": lambda: b"Resent-Date: " + b"1" * 5_000 + b":" * 3_000,
    "a date of the year 10^300": lambda: b"Resent-Date: Mon, 1 Jan 1" + b"0" * 300 + b" 00:00:00 +9999",
    "Received lines full of words": lambda: _fields(b"Received: from a by b with c id d for e; " + b"from by " * 200),
    "Received lines full of white space": lambda: _fields(b"Received: from a" + b" \t" * 1_000 + b"by b; x"),
    "Received lines full of brackets": lambda: _fields(b"Received: from a (" + b"[(" * 1_000 + b" by b; x"),
    "Authentication-Results with 2,000 results": lambda: (
        b"Authentication-Results: mx.example.org" + b"; dkim=pass header.d=a" * 340
    ),
    "Authentication-Results of comments": lambda: b"Authentication-Results: mx.example.org " + b"(" * 7_000,
    "Authentication-Results of quotes": lambda: (
        b'Authentication-Results: mx.example.org; dkim=pass reason="' + b'\\"' * 3_500
    ),
    "50 signatures": lambda: b"\r\n".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=linkedin.com; s=s1; h=From:To; bh=eA==; b=%d" % n
        for n in range(50)
    ),
    "a signature over 2,000 fields": lambda: (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=linkedin.com; s=s1; bh=eA==; b=eA==; h=From" + b":x" * 3_500
    ),
    "a signature of semicolons": lambda: b"DKIM-Signature: v=1; d=linkedin.com; " + b";" * 7_500,
    "a signature of white space": lambda: b"DKIM-Signature: v=1; a=rsa-sha256; d=linkedin.com; b=" + b" \t" * 3_900,
    "a template token of 8 KiB": lambda: b"X-LinkedIn-Template: email_" + b"inmail_" * 1_100,
    "an unknown character set": lambda: b"X-A: =?x-unheard-of?q?abc?=",
    "a character set that Python runs": lambda: b"Subject: =?punycode?q?" + b"a" * 7_000 + b"-b?=",
    "a NUL and other controls": lambda: b"X-A: a\0b\x01\x1b[2J\x7f",
    "bare carriage returns": lambda: b"X-A: a\rBcc: victim@bystander.example\rSubject: b",
    "a field without a name": lambda: b": x\r\n  : y",
    "lines that are no fields": lambda: _fields(b"this is no field"),
}  # fmt: skip

PARTS: dict[str, Callable[[], bytes]] = {
    "multiparts 19 deep over half a million lines": lambda: _deep(19, b"\n" * _FULL),
    "multiparts 190 deep over half a million lines": lambda: _deep(190, b"\r\n" * (_FULL // 2 - 8_000)),
    "multiparts 10,000 deep": lambda: _deep(10_000, b""),
    "mails in mails, 19 deep": lambda: b"Content-Type: message/rfc822\r\n\r\n" * 19 + b"\r\nx",
    "mails in mails, 10,000 deep": lambda: b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"\r\nx",
    "200 parts": lambda: _multipart(*[b"Content-Type: text/plain\r\n\r\nx"] * 190),
    "200,000 parts": lambda: _multipart(*[b"\r\n"] * 100_000),
    "a multipart that names no boundary": lambda: (
        b"Content-Type: multipart/mixed\r\n\r\n" + _fill(b"--b\r\n\r\n", 200_000)
    ),
    "a multipart of a thousand boundaries": lambda: (
        b"Content-Type: multipart/mixed" + b"".join(b"; boundary=%d" % n for n in range(1_000)) + b"\r\n\r\n--1\r\n\r\n"
    ),
    "a boundary of a megabyte": lambda: (
        b'Content-Type: multipart/mixed; boundary="' + b"-" * 450_000 + b'"\r\n\r\n' + b"-" * 450_000
    ),
    "lines that are nearly the boundary": lambda: (
        b'Content-Type: multipart/mixed; boundary="' + b"b" * 60 + b'"\r\n\r\n' + _fill(b"--" + b"b" * 59 + b"\r\n")
    ),
    "a part whose header is a megabyte": lambda: _multipart(b"X-A: " + b"x" * (_FULL - 4_000) + b"\r\n\r\nx"),
    "a part with 100,000 fields": lambda: _multipart(_fill(b"X-A: b\r\n", _FULL - 4_000) + b"\r\nx"),
    "a part with 20,000 encoded words": lambda: _multipart(
        b"Content-Description: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nx"
    ),
    "a part called by 20,000 encoded words": lambda: _multipart(
        b'Content-Disposition: attachment; filename="' + b"=?utf-8?q?a?= " * 20_000 + b'"\r\n\r\nx'
    ),
    "20,000 pieces of a name (RFC 2231)": lambda: _multipart(_rfc2231(20_000) + b"\r\n\r\nx"),
    "2,000 pieces of a character set (RFC 2231)": lambda: _multipart(
        _rfc2231(2_000, b"Content-Type: text/plain", b"charset") + b"\r\n\r\nx"
    ),
    "20,000 pieces of a boundary (RFC 2231)": lambda: (
        _rfc2231(20_000, b"Content-Type: multipart/mixed", b"boundary") + b"\r\n\r\n--A\r\n\r\nx"
    ),
    "100,000 parameters": lambda: _multipart(b"Content-Type: text/plain" + b";a=b" * 100_000 + b"\r\n\r\nx"),
    "parameters of quotes": lambda: _multipart(b'Content-Type: text/plain; a="' + b'\\";' * 100_000 + b"\r\n\r\nx"),
    "parameters of semicolons": lambda: _multipart(b"Content-Type: text/plain" + b";" * 300_000 + b"\r\n\r\nx"),
    "the character set punycode": lambda: _text(b"punycode", _fill(b"x")),
    "the character set idna": lambda: _text(b"idna", _fill(b"x.")),
    "the character set utf-7": lambda: _text(b"utf-7", _fill(b"+AGEA-")),
    "the character set hz": lambda: _text(b"hz", _fill(b"~{!!~}")),
    "the character set iso-2022-jp": lambda: _text(b"iso-2022-jp", _fill(b"\x1b$B$\"\x1b(B")),
    "the character set utf-16": lambda: _text(b"utf-16", _fill("ẞ".encode("utf-16-be"))),
    "a character set nobody has heard of": lambda: _text(b"x-unheard-of", _fill(b"x")),
    "a character set called by a megabyte": lambda: _multipart(_text(b"x" * (_FULL - 4_000), b"x")),
    "base64 in one line": lambda: _text(b"utf-8", base64.b64encode(bytes(740_000)), b"base64"),
    "base64 of letters that are none": lambda: _text(b"utf-8", _fill(b"!?-_"), b"base64"),
    "quoted-printable in one line": lambda: _text(b"utf-8", _fill(b"=41"), b"quoted-printable"),
    "quoted-printable of equals signs": lambda: _text(b"utf-8", _fill(b"="), b"quoted-printable"),
    "uuencode": lambda: _text(b"utf-8", b"begin 644 x\r\n" + _fill(b"M" + b"!" * 60 + b"\r\n"), b"x-uuencode"),
    "uuencode without an end": lambda: _text(b"utf-8", b"begin 644 x\r\n" + _fill(b"\x7f\r\n"), b"x-uuencode"),
    "NULs": lambda: _text(b"utf-8", bytes(_FULL)),
    "bare carriage returns": lambda: _text(b"utf-8", b"\r" * _FULL),
    "bare line feeds": lambda: _text(b"utf-8", b"\n" * _FULL),
    "escape sequences": lambda: _text(b"utf-8", _fill(b"\x1b[2J\x9b31m\x07")),
    "combining marks": lambda: _text(b"utf-8", b"a" + _fill("\u0334\u0301".encode())),
    "letters that grow when folded": lambda: _text(b"utf-8", _fill("ﷺ".encode())),
}  # fmt: skip

ATTACHMENTS: dict[str, Callable[[], bytes]] = {
    "a second text": lambda: _text(b"utf-8", b"Hello\r\n"),
    "a second text of a megabyte": lambda: _text(b"utf-8", _fill(b"pie ")),
    "200 parts": lambda: _multipart(*[b"Content-Type: text/plain\r\n\r\nx"] * 190),
    "pictures": lambda: _multipart(*[b"Content-Type: image/png\r\n\r\nx"] * 50),
    "mails in mails, 19 deep": lambda: b"Content-Type: message/rfc822\r\n\r\n" * 19 + b"\r\nx",
    "a calendar": lambda: b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n",
    "a signature": lambda: b"Content-Type: application/pgp-signature\r\n\r\nx",
    "a zip of 100 MB": lambda: _attached(b"application/zip", _zip(), b"invoice.zip"),
    "a zip in a zip's name": lambda: _attached(b"application/zip", _zip(), b"../../../etc/passwd\\x"),
    "a program": lambda: _attached(b"application/x-msdownload", b"MZ" + bytes(500_000), b"a.exe"),
    "a TNEF attachment": lambda: _multipart(
        _attached(b"application/ms-tnef", b"\x78\x9f\x3e\x22" * 50_000, b"winmail.dat")
    ),
    "a report of a report": lambda: _multipart(
        *[b"Content-Type: message/delivery-status\r\n\r\n" + _fill(b"A: b\r\n\r\n", 400_000)], kind=b"report"
    ),
    "a message in fragments": lambda: b'Content-Type: message/partial; id="a"; number=1; total=100000\r\n\r\nx',
    "a message that lies elsewhere": lambda: (
        b'Content-Type: message/external-body; access-type=URL; URL="http://bystander.example/"\r\n\r\n\r\n'
    ),
}  # fmt: skip

PAGES: dict[str, Callable[[], bytes]] = {
    "longer than any of the network's": lambda: b"x" * _FULL,
    "elements inside one another": lambda: _fill(b"<div>", _PAGE),
    "links inside one another": lambda: _fill(b"<a href=/comm/in/x>", _PAGE),
    "cells inside one another": lambda: _fill(b"<table><tr><td>", _PAGE),
    "fonts that overlap": lambda: _fill(b"<b><i>", _PAGE // 2) + _fill(b"</b></i>", _PAGE // 2),
    "hidden elements inside one another": lambda: _fill(b"<p style='display:none'>", _PAGE),
    "styles of white space": lambda: (
        b"<p style='display" + b" " * 60_000 + b"'>" + _fill(b"<i style='display   '>", 90_000)
    ),
    "end tags": lambda: _fill(b"</a></td></div>", _PAGE),
    "a link of all its length": lambda: b"<a href='https://www.linkedin.com/comm/in/" + b"x" * _PAGE + b"'>x</a>",
    "20,000 attributes": lambda: b"<p " + b" ".join(b"a%d=b" % n for n in range(20_000)) + b">x",
    "an entity flood": lambda: _fill(b"&amp;&lt;&#x41;", _PAGE),
    "entities without an end": lambda: _fill(b"&#x41", _PAGE),
    "entities that name entities": lambda: (
        b'<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>' + b"&d;" * 1_000
    ),
    "an entity that reads a file": lambda: b'<!DOCTYPE html [<!ENTITY a SYSTEM "file:///etc/passwd">]><p>&a;</p>',
    "a flood of CSS": lambda: b"<style>" + _fill(b"a{b:c}", _PAGE) + b"</style>",
    "comments without an end": lambda: _fill(b"<!--", _PAGE),
    "less-than signs": lambda: b"<" * _PAGE,
    "line breaks": lambda: _fill(b"<br>", _PAGE),
    "one letter an element": lambda: _fill(b"<i>x</i>", _PAGE),
    "one letter a line": lambda: _fill(b"x<br>", _PAGE),
    "links": lambda: _fill(b"<a href='https://www.linkedin.com/comm/in/x?trk=eml-a-hero-1-prof'>x</a>", _PAGE),
    "accept links": lambda: _fill(b"<a href='https://www.linkedin.com/comm/invite-accept/1'>x</a><br>", _PAGE),
    "links called by combining marks": lambda: (
        b"<a href='https://www.linkedin.com/comm/in/x?trk=eml-a-hero-1-prof'>a"
        + _fill("\u0334\u0301".encode(), _PAGE)
        + b"</a>"
    ),
    "slashes": lambda: _fill(b"/e/", _PAGE),
    "half a link": lambda: _fill(b"http://", _PAGE),
    "one long word": lambda: _fill(b"institut", _PAGE),
    "zero width padding": lambda: b"<p>" + _fill("\u200c\u00a0".encode(), _PAGE),
    "CDATA and instructions": lambda: _fill(b"<![CDATA[<?x ]]>", _PAGE),
}  # fmt: skip

WORDS: dict[str, Callable[[], str]] = {
    "a note of a megabyte": lambda: _many("pie ", _FULL),
    "a note of words": lambda: _many("pie "),
    "a note of lines": lambda: _many("x\n"),
    "a note of names": lambda: _many("Olga Stranger\n"),
    "a note of paragraphs": lambda: _many("x\n\n"),
    "a note of empty lines": lambda: "x" + "\n" * 30_000 + "x",
    "a note of white space": lambda: "x" + " " * _WORDS + "x",
    "a note of links": lambda: _many("https://www.linkedin.com/comm/in/x?trk=eml-email_a-hero-1-prof\n"),
    "a note of accept buttons": lambda: _many(
        "https://www.linkedin.com/comm/invite-accept/1?trk=eml-x-0-accept~cta\n\n"
    ),
    "a note of slashes": lambda: "https://x/e/" + _many("/e/"),
    "a note of half a link": lambda: _many("http://") + " x",
    "a note of one link": lambda: "https://www.linkedin.com/comm/in/" + "x" * _WORDS,
    "a note of footers": lambda: _many("You are receiving Invitation emails. "),
    "a note of footers without an end": lambda: _many("You are receiving "),
    "a note of unsubscribe links": lambda: _many("Unsubscribe: https://www.linkedin.com/e/x?t=lun&ek=y\n\n"),
    "a note of lead-ins": lambda: _many("Ada has invited you to connect on LinkedIn\n\n"),
    "a note of waiting": lambda: _many("is waiting for your "),
    "a note of headlines": lambda: _many("From Ada (Cook) ("),
    "a note of one long word": lambda: _many("institut"),
    "a note of combining marks": lambda: "a" + _many("\u0334\u0301"),
    "a note of letters that grow when folded": lambda: _many("ﷺ"),
    "a note of stock sentences": lambda: _many("I'd like to add you to my professional network on LinkedIn. ", 390),
    "a note of greetings": lambda: _many("Hi Ada, ", 390),
    "a note of signals": lambda: _many("We met at the conference in Lyon. ", _NOTE),
    "a note of institutions": lambda: _many("student at Oldport, alumni of Oldport. ", _NOTE),
    "a note of negations": lambda: _many("not ", _NOTE),
    "a note of commas": lambda: _many(",", _NOTE),
    "a note of capitals": lambda: _many("A", _NOTE),
    "a note of a few combining marks": lambda: "a" + _many("\u0334\u0301", _NOTE),
    "a note of a few letters that grow": lambda: _many("ﷺ", _NOTE),
    "a note of template code": lambda: _many("{{ 7 * 7 }}{% for x in y %}", _NOTE),
}  # fmt: skip

NAMES: dict[str, Callable[[], str]] = {
    "a name of 7,000 letters": lambda: "Bob" + "b" * 7_000,
    "a name of 1,700 words": lambda: _many("Bob ", 6_800),
    "a name of as many words as may be": lambda: _many("Bob ", _NAME),
    "a name of combining marks": lambda: "Bob" + _many("\u0334\u0301", _NAME),
    "a name of letters that grow": lambda: _many("ﷺ", _NAME),
    "a name that is a template": lambda: "{{ me.__class__ }}{% for x in y %}",
    "a name that is markup": lambda: "<img src=x onerror=alert(1)>[bold red]",
    "a name written backwards": lambda: "\u202eelgO\u202c \u2066x\u2069",
    "a name of every script": lambda: _many("Öлгαあ한ع", _NAME),
    "a name of initials": lambda: _many("A. ", _NAME),
    "a name of hyphens": lambda: _many("A-", _NAME),
}  # fmt: skip


def bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """All of them by name, each made when it is called for."""
    yield "a header without an end", lambda: _HEAD + b"X-A: b\r\n" * 100_000
    yield "nothing but line ends", lambda: b"\r\n" * 500_000
    yield "nothing at all", lambda: b""
    yield "a mail of 30 MB", lambda: _HEAD + b"\r\n" + b"x" * 30_000_000
    for name, field in HEADERS.items():
        yield f"notification with the header: {name}", partial(_with_field, field)
    for name, part in PARTS.items():
        yield f"notification that is: {name}", partial(_only_part, part)
    for name, part in ATTACHMENTS.items():
        yield f"notification with the part: {name}", partial(_with_part, part)
    for name, page in PAGES.items():
        yield f"notification that is the page: {name}", partial(_only_page, page)
    for name, words in WORDS.items():
        yield f"notification with {name}", partial(_with_note, words)
    for name, called in NAMES.items():
        yield f"notification from {name}", partial(_called, called)
        yield f"notification with the headline: {name}", partial(_headed, called)
    for network, (sender, subject) in SUBJECTS.items():
        yield f"mail of {network} that says it again and again", partial(_from_network, sender, subject)


def notification() -> bytes:
    """What the bombs are put into: genuine as far as the owner's server can tell, with a Reply-To to be trusted."""
    return old_linkedin("Olga Stranger", INVITER)


def _with_field(field: Callable[[], bytes]) -> bytes:
    return notification().replace(b"\r\nMIME-Version:", b"\r\n" + field() + b"\r\nMIME-Version:", 1)


def _only_part(part: Callable[[], bytes]) -> bytes:
    """A notification that is nothing but the part."""
    head, _, _ = notification().partition(b"\r\nContent-Type:")
    return head + b"\r\n" + part()


def _with_part(part: Callable[[], bytes]) -> bytes:
    """A notification whose text is the first part, and what is given the second."""
    head, _, text = notification().partition(b"\r\n\r\n")
    plain = b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit"
    head = head.replace(plain, b'Content-Type: multipart/mixed; boundary="outer"')
    first = b"--outer\r\n" + plain + b"\r\n\r\n" + text + b"\r\n"
    return head + b"\r\n\r\n" + first + b"--outer\r\n" + part() + b"\r\n--outer--\r\n"


def _only_page(page: Callable[[], bytes]) -> bytes:
    head, _, text = notification().partition(b"\r\n\r\n")
    button = b"<a href='https://www.linkedin.com/comm/invite-accept/1?trk=eml-x-0-accept~cta'>Accept</a>"
    return head.replace(b"text/plain", b"text/html") + b"\r\n\r\n<p>" + text[:200] + b"</p>" + page() + button


def _with_note(words: Callable[[], str]) -> bytes:
    return old_linkedin("Olga Stranger", INVITER, note=words().replace("{", "{{").replace("}", "}}"))


def _called(name: Callable[[], str]) -> bytes:
    return linkedin(name())


def _headed(headline: Callable[[], str]) -> bytes:
    return linkedin("Olga Stranger", headline=headline())


def _from_network(sender: str, subject: str) -> bytes:
    again = subject * (_FIELD // len(subject))
    text = "A note from Olga:\n" + "(mailto:a@b.c.d" * 20_000 + "\n" * 20_000
    return compose([("From", sender), ("To", OWNER), ("Subject", again)], text, domain=sender.rpartition("@")[2])
