"""Bytes -> Mail: the only reader of mail, and the only importer of mail-parser.

Hostile mail is the normal case. What is too big, too deep or too odd is refused before it is parsed; what is
malformed in a place that decides becomes a defect, and a mail with defects is never answered.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses

import mailparser

from gateway.errors import Unreadable
from gateway.model import Mail, Mailbox

LARGEST = 1024 * 1024  # bytes
_HEADER_BYTES, _FIELD_BYTES, _FIELDS = 64 * 1024, 8 * 1024, 300
_ENCODED_WORDS, _PARTS, _NESTING = 200, 200, 20
# Of these there is one or none (RFC 5322 section 3.6); of two, each program believes another.
_SINGLE = ("From", "Sender", "Reply-To", "To", "Cc", "Message-ID", "Subject", "Date", "MIME-Version", "Content-Type")
# Codecs that are no character sets, or whose decoding can be made to take for ever, are not on the list.
_CHARSETS = re.compile(
    r"utf-?8|us-ascii|ascii|iso[-_]?8859[-_]\d{1,2}(-[ei])?|latin-?\d|windows-\d{3,4}|cp\d{3,4}|koi8-[rut]"
    r"|gb2312|gbk|gb18030|big5(-hkscs)?|shift[-_]jis|euc-(jp|kr|tw)|iso-2022-(jp|kr)(-\d)?|ks_c_5601-1987|utf-16(be|le)?",
    re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,120}@[!-;=?-~]{1,120}>")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_FOLD = re.compile(r"\r?\n[ \t]?|\r")
# Invisible, or turning the direction of what follows: nothing a person reads.
_INVISIBLE = dict.fromkeys([0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0])


def parse(raw: bytes) -> Mail:
    """The mail in these bytes; Unreadable names the cap it breaks or why nothing can be made of it."""
    head = _within_caps(raw)
    try:
        parsed = mailparser.parse_from_bytes(raw)
        message: Message = parsed.message
        content_types = _content_types(message)
        text, html = _bodies(parsed, message, content_types)
        return Mail(
            raw=raw,
            digest=hashlib.sha256(raw).hexdigest(),
            message_id=_message_id(message),
            date=_utc(parsed.date),
            subject=plain(_words(_one(parsed.subject))),
            from_=_mailboxes(parsed.from_, message, "From"),
            to=_mailboxes(parsed.to, message, "To") + _mailboxes(parsed.cc, message, "Cc"),
            reply_to=_mailboxes(parsed.reply_to, message, "Reply-To"),
            headers=tuple((name, _unfolded(value)) for name, value in message.items()),
            text=text,
            html=html,
            content_types=content_types,
            defects=tuple(_defects(message, head, raw)),
        )
    except Unreadable:
        raise
    except Exception as exc:
        # mail-parser lets errors of many kinds through (1 % of mutated mails); whichever it is, it cannot be read.
        raise Unreadable(f"malformed: the parser gave up ({type(exc).__name__})") from exc


def _within_caps(raw: bytes) -> bytes:
    """The header block, if the mail is within what a notification could be."""
    if len(raw) > LARGEST:
        raise Unreadable(f"larger than {LARGEST // 1024} KiB")
    end = re.search(rb"\r?\n\r?\n", raw)
    head = raw[: end.start()] if end else raw
    if len(head) > _HEADER_BYTES:
        raise Unreadable(f"header larger than {_HEADER_BYTES // 1024} KiB")
    fields = re.split(rb"\r?\n(?![ \t])", head)
    if len(fields) > _FIELDS:
        raise Unreadable(f"more than {_FIELDS} header fields")
    if max(map(len, fields)) > _FIELD_BYTES:
        raise Unreadable(f"a header field larger than {_FIELD_BYTES // 1024} KiB")
    if head.count(b"=?") > _ENCODED_WORDS:
        raise Unreadable(f"more than {_ENCODED_WORDS} encoded words in the header")
    if raw.lower().count(b"content-type:") > _PARTS:
        raise Unreadable(f"more than {_PARTS} parts")
    return head


def _content_types(message: Message) -> tuple[str, ...]:
    return tuple(part.get_content_type() for part in _walk(message, 0))


def _walk(part: Message, depth: int) -> Iterator[Message]:
    if depth > _NESTING:
        raise Unreadable(f"nested deeper than {_NESTING}")
    yield part
    if part.is_multipart():
        for inner in part.get_payload():
            yield from _walk(inner, depth + 1)  # type: ignore[arg-type]


def _bodies(parsed: mailparser.MailParser, message: Message, content_types: tuple[str, ...]) -> tuple[str, str]:
    """The first text and HTML body of the mail itself, never those of a mail attached to it."""
    if not any(kind.startswith("message/") for kind in content_types):
        return _body(next(iter(parsed.text_plain), "")), _body(next(iter(parsed.text_html), ""))
    texts: dict[str, str] = {}
    for part in _own_parts(message):
        texts.setdefault(part.get_content_type(), _decoded(part))
    return _body(texts.get("text/plain", "")), _body(texts.get("text/html", ""))


def _own_parts(part: Message) -> Iterator[Message]:
    if part.get_content_maintype() == "message":
        return
    if not part.is_multipart():
        yield part
        return
    for inner in part.get_payload():
        yield from _own_parts(inner)  # type: ignore[arg-type]


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return payload.decode(part.get_content_charset("utf-8"), "replace")


def _body(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in lines if c in "\n\t" or unicodedata.category(c) != "Cc")


def plain(text: str) -> str:
    """A line of text as a person would read it: white space folded, controls and format characters gone."""
    visible = _FOLD.sub(" ", text).translate(_INVISIBLE)
    kept = (c if unicodedata.category(c) not in ("Cc", "Zl", "Zp") else " " for c in visible)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn")).split())


def _one(value: str | list[str]) -> str:
    # mail-parser gives a list where a field stands twice; the defect is noted elsewhere.
    return value if isinstance(value, str) else next(iter(value), "")


def _unfolded(value: object) -> str:
    return _FOLD.sub(" ", str(value)).strip()


def _mailboxes(parsed: list[tuple[str, str]], message: Message, field: str) -> tuple[Mailbox, ...]:
    # mail-parser is strict where real mail is not ("a..b@c"); the standard library's reading is the second try.
    found = parsed or getaddresses([str(value) for value in message.get_all(field, [])])
    return tuple(_mailbox(name, address) for name, address in found if address)


def _mailbox(name: str, address: str) -> Mailbox:
    local, _, domain = plain(address).rpartition("@")
    return Mailbox(plain(_words(name)), f"{local}@{domain.lower()}")


def _words(text: str) -> str:
    """Encoded words decoded that mail-parser left alone, such as one that holds a line break."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError):
        return text


def _message_id(message: Message) -> str | None:
    found = _unfolded(message.get("Message-ID", ""))
    return found if _MESSAGE_ID.fullmatch(found) else None


def _utc(date: datetime | None) -> datetime | None:
    if date is None:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def _defects(message: Message, head: bytes, raw: bytes) -> Iterator[str]:
    """What is malformed where it decides; any of it keeps the mail from being answered."""
    for field in _SINGLE:
        if len(message.get_all(field, [])) > 1:
            yield f"more than one {field} field"
    if b"\0" in raw:
        yield "a NUL character"
    if re.search(rb"\r(?!\n)", head):
        yield "a bare carriage return in the header"
    authors = getaddresses([str(value) for value in message.get_all("From", [])])
    if len(authors) != 1 or not _ADDRESS.fullmatch(authors[0][1]):
        yield "no From field with exactly one address"
    for part in _walk(message, 0):
        charset = part.get_content_charset()
        if charset and not _CHARSETS.fullmatch(charset):
            yield f"unknown character set {plain(charset)[:40]}"
            return
