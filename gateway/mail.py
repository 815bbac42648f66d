"""Bytes -> Mail: the only reader of mail, and the only importer of mail-parser.

Hostile mail is the normal case. What is too big, too deep or too odd is refused before it is parsed; what is
malformed in a place that decides becomes a defect, and a mail with defects is never answered.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses

from mailparser.dates import parse_mail_date
from mailparser.utils import get_addresses

from gateway.errors import Unreadable
from gateway.model import Mail, Mailbox
from gateway.structure import message_from

LARGEST = 1024 * 1024  # bytes
_LINES = 32 * 1024  # the parser asks of each line whether it ends one of the parts around it
_HEADER_BYTES, _FIELD_BYTES, _FIELDS = 64 * 1024, 8 * 1024, 300
_PART_FIELD_BYTES = 2 * 1024  # of a Content-* field, whose parameters are read in quadratic time
_ENCODED_WORDS, _PARTS, _CONTAINERS, _NESTING = 200, 200, 32, 20
# Of these there is one or none (RFC 5322 section 3.6); of two, each program believes another.
_SINGLE = ("From", "Sender", "Reply-To", "To", "Cc", "Message-ID", "Subject", "Date", "MIME-Version", "Content-Type")
_CHARSETS = re.compile(
    r"utf-?8|us-ascii|ascii|iso[-_]?8859[-_]\d{1,2}(-[ei])?|latin-?\d|windows-\d{3,4}|cp\d{3,4}|koi8-[rut]"
    r"|gb2312|gbk|gb18030|big5(-hkscs)?|shift[-_]jis|euc-(jp|kr|tw)|iso-2022-(jp|kr)(-\d)?|ks_c_5601-1987|utf-16(be|le)?",
    re.IGNORECASE,
)
_PART_FIELD = re.compile(rb"content-([a-z-]{1,30}+):((?:[^\r\n]++|(?:\r\n?|\n)[ \t])*+)")
_CONTAINER = re.compile(rb"\s*(?:multipart|message)/")
_WORD_CHARSET = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?[bq]\?", re.IGNORECASE)
# Such a word is not allowed in an address field, and read as it stands it is half of an address.
_WORD_WITH_SPECIALS = re.compile(r"=\?([^?\s]+)\?q\?([^?\s]*[,:;<>@()\[\]\"\\][^?\s]*)\?=", re.IGNORECASE)
_FIELD_END = re.compile(rb"\r?\n(?![ \t])")
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,120}@[!-;=?-~]{1,120}>")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_FOLD = re.compile(r"\r?\n[ \t]?|\r")
_BARE_RETURN = re.compile(r"\r(?!\n)")
# Of a text of several lines: what steers a terminal, and what turns the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_ASCII_CONTROLS = bytes(code for code in range(128) if _CONTROLS.match(chr(code)))
# Drawn as nothing though Unicode does not call them format characters.
_INVISIBLE = dict.fromkeys([0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0])

_Fields = tuple[tuple[str, str], ...]


def parse(raw: bytes) -> Mail:
    """The mail in these bytes; Unreadable names the cap it breaks or why nothing can be made of it."""
    head = _within_caps(raw)
    fields = tuple(_fields(head))
    try:
        message = message_from(raw)
        parts = tuple(_walk(message, 0))
        charsets = [part.get_content_charset() for part in parts]
        for charset in charsets:
            _refuse_costly(charset)
        bodies = _bodies(message)
        return Mail(
            raw=raw,
            digest=hashlib.sha256(raw).hexdigest(),
            message_id=_message_id(fields),
            date=parse_mail_date(_first(fields, "Date")).value,
            subject=plain(_words(_first(fields, "Subject"))),
            from_=_mailboxes(fields, "From"),
            to=_mailboxes(fields, "To"),
            reply_to=_mailboxes(fields, "Reply-To"),
            headers=fields,
            text=bodies[0].text,
            html=bodies[1].text,
            content_types=tuple(part.get_content_type() for part in parts),
            defects=(*_header_defects(raw, head, fields), *_body_defects(parts, charsets, bodies)),
        )
    except Unreadable:
        raise
    except Exception as exc:
        # The parsers let errors of many kinds through (1 % of mutated mails); whichever it is, it cannot be read.
        raise Unreadable(f"malformed: the parser gave up ({type(exc).__name__})") from exc


def found_by(mail: Mail, criterion: tuple[str, ...]) -> bool:
    """Whether a search in a mailbox finds the mail: ("FROM", ...), ("SUBJECT", ...) or ("HEADER", name, ...)."""
    *_, field, wanted = criterion
    return any(wanted.lower() in value.lower() for value in mail.header(field))


def plain(text: str) -> str:
    """A line of text as a person would read it: white space folded, controls and format characters gone."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = _FOLD.sub(" ", text).translate(_INVISIBLE)
    kept = (c if unicodedata.category(c) not in ("Cc", "Zl", "Zp") else " " for c in visible)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cf", "Cs")).split())


def printable(text: str) -> str:
    """A text of several lines without anything that a terminal or a reader's eye would obey."""
    if text.isascii():  # ten times as fast
        return text.encode().translate(None, _ASCII_CONTROLS).decode()
    return _CONTROLS.sub("", text)


def _within_caps(raw: bytes) -> bytes:
    """The header block, if the mail is within what a notification could be."""
    if len(raw) > LARGEST:
        raise Unreadable(f"larger than {LARGEST // 1024} KiB")
    end = re.search(rb"\r?\n\r?\n", raw)
    head = raw[: end.start()] if end else raw
    if len(head) > _HEADER_BYTES:
        raise Unreadable(f"header larger than {_HEADER_BYTES // 1024} KiB")
    fields = _FIELD_END.split(head)
    if len(fields) > _FIELDS:
        raise Unreadable(f"more than {_FIELDS} header fields")
    if max(map(len, fields)) > _FIELD_BYTES:
        raise Unreadable(f"a header field larger than {_FIELD_BYTES // 1024} KiB")
    if head.count(b"=?") > _ENCODED_WORDS:
        raise Unreadable(f"more than {_ENCODED_WORDS} encoded words in the header")
    lines = raw.count(b"\n")
    ends = lines + raw.count(b"\r")
    if ends > _LINES and ends - raw.count(b"\r\n") > _LINES:
        raise Unreadable(f"more than {_LINES} lines")
    _check_parts(raw, lines)
    return head


def _check_parts(raw: bytes, lines: int) -> None:
    """Unreadable for parts that would cost the parser too much, told by what looks like their fields."""
    found = list(_part_fields(raw.lower()))
    content_types = [field[2] for field in found if field[1] == b"type"]
    if len(content_types) > _PARTS or (lines > 10 * _PARTS and raw.count(b"\n--") > 10 * _PARTS):
        raise Unreadable(f"more than {_PARTS} parts")
    if sum(_CONTAINER.match(value) is not None for value in content_types) > _CONTAINERS:
        raise Unreadable(f"more than {_CONTAINERS} parts that hold parts")
    sizes = [len(field[2]) for field in found]
    if max(sizes, default=0) > _PART_FIELD_BYTES or sum(sizes) > _HEADER_BYTES:
        raise Unreadable(f"a field of a part larger than {_PART_FIELD_BYTES // 1024} KiB, or all of them very large")


def _part_fields(text: bytes) -> Iterator[re.Match[bytes]]:
    for field in _PART_FIELD.finditer(text):
        # A line begins wherever the parser sees it begin, behind a bare carriage return, too.
        if text[max(0, field.start() - 1) : field.start()] in b"\r\n":
            yield field


def _refuse_costly(charset: str | None) -> None:
    """Unreadable for a codec that Python would run and that is no character set of mail ("punycode" takes for ever)."""
    if charset is None or _CHARSETS.fullmatch(charset):
        return
    try:
        codecs.lookup(charset)
    except (LookupError, ValueError):
        return  # never run; an unknown character set is a defect
    raise Unreadable(f"character set {plain(charset)[:40]}, which is none of mail")


def _fields(head: bytes) -> Iterator[tuple[str, str]]:
    for field in _FIELD_END.split(head):
        name, colon, value = field.partition(b":")
        if colon and _FIELD_NAME.fullmatch(name.rstrip()):
            yield name.rstrip().decode("ascii"), _FOLD.sub(" ", _decoded(value)).strip()


def _decoded(value: bytes) -> str:
    """Header text; what is neither ASCII nor UTF-8 comes from the years before it, when it was Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _all(fields: _Fields, name: str) -> list[str]:
    return [value for key, value in fields if key.lower() == name.lower()]


def _first(fields: _Fields, name: str) -> str:
    return next(iter(_all(fields, name)), "")


def _is_decodable(text: str) -> bool:
    """Whether the encoded words are all in character sets of mail; others are codecs that may take for ever."""
    return all(map(_CHARSETS.fullmatch, _WORD_CHARSET.findall(text)))


def _words(text: str) -> str:
    """Encoded words decoded, also split ones and those that stand in quotes."""
    if "=?" not in text or not _is_decodable(text):
        return text
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError):
        return text


def _mailboxes(fields: _Fields, field: str) -> tuple[Mailbox, ...]:
    texts = _all(fields, field)
    simple = all(text.isascii() and not _WORD_WITH_SPECIALS.search(text) for text in texts)
    # Of a whole mail it decodes every part, whatever that costs, so it is given the fields that it is good at. It is
    # strict where real mail is not ("a..b@c") and loses what is not ASCII; the standard library reads those.
    parsed = get_addresses(texts[0], decode_names=True) if texts and simple else []
    found = [box for box in parsed if box[1]] or _addresses(texts)
    return tuple(_mailbox(name if name != address else "", address) for name, address in found if "@" in address)


def _addresses(texts: list[str]) -> list[tuple[str, str]]:
    return getaddresses([_WORD_WITH_SPECIALS.sub(_in_base64, text) for text in texts])


def _in_base64(word: re.Match[str]) -> str:
    written = binascii.a2b_qp(word[2].encode("ascii", "replace"), header=True)
    return f"=?{word[1]}?b?{base64.b64encode(written).decode()}?="


def _mailbox(name: str, address: str) -> Mailbox:
    local, _, domain = plain(address).rpartition("@")
    return Mailbox(plain(_words(name)), f"{local}@{domain.lower()}")


def _message_id(fields: _Fields) -> str | None:
    found = _first(fields, "Message-ID")
    return found if _MESSAGE_ID.fullmatch(found) else None


def _walk(part: Message, depth: int) -> Iterator[Message]:
    if depth > _NESTING:
        raise Unreadable(f"nested deeper than {_NESTING}")
    yield part
    if part.is_multipart():
        for inner in part.get_payload():
            yield from _walk(inner, depth + 1)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Body:
    text: str = ""
    legible: bool = True  # in the character set it claims, or in UTF-8


def _bodies(message: Message) -> tuple[_Body, _Body]:
    """The first text and HTML body of the mail itself, never those of a mail attached to it."""
    found: dict[str, _Body] = {}
    for part in _own_parts(message):
        kind = part.get_content_type()
        is_body = kind in ("text/plain", "text/html") and part.get_content_disposition() != "attachment"
        if is_body and kind not in found:
            found[kind] = _decoded_part(part)
    return found.get("text/plain", _Body()), found.get("text/html", _Body())


def _own_parts(part: Message) -> Iterator[Message]:
    if part.get_content_maintype() == "message":
        return
    if not part.is_multipart():
        yield part
        return
    for inner in part.get_payload():
        yield from _own_parts(inner)  # type: ignore[arg-type]


def _decoded_part(part: Message) -> _Body:
    """The part decoded; in UTF-8 where its own character set is unknown or was not told truly."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return _Body()
    for charset in (part.get_content_charset("utf-8"), "utf-8"):
        with suppress(LookupError, UnicodeDecodeError):
            return _Body(_lines(payload.decode(charset)))
    return _Body(_lines(payload.decode("utf-8", "replace")), legible=False)


def _lines(text: str) -> str:
    return printable(_BARE_RETURN.sub("\n", text))  # which takes away those before a line feed


def _header_defects(raw: bytes, head: bytes, fields: _Fields) -> Iterator[str]:
    """What is malformed where it decides; any of it keeps the mail from being answered."""
    counts = Counter(name.lower() for name, _ in fields)
    yield from (f"more than one {field} field" for field in _SINGLE if counts[field.lower()] > 1)
    if b"\0" in raw:
        yield "a NUL character"
    if re.search(rb"\r(?!\n)", head):
        yield "a bare carriage return in the header"
    if len(fields) < len(_FIELD_END.split(head)) - head.startswith(b"From "):  # the line an mbox begins a mail with
        yield "a line in the header that is no field"
    authors = _addresses(_all(fields, "From"))
    if len(authors) != 1 or not _ADDRESS.fullmatch(authors[0][1]):
        yield "no From field with exactly one address"
    if not all(_is_decodable(value) for _, value in fields):
        yield "an unknown character set in the header"


def _body_defects(parts: tuple[Message, ...], charsets: list[str | None], bodies: tuple[_Body, ...]) -> Iterator[str]:
    for charset in charsets:
        if charset and not _CHARSETS.fullmatch(charset):
            yield f"unknown character set {plain(charset)[:40]}"
    found = {type(defect).__name__ for part in parts for defect in part.defects}
    if any(name.startswith("InvalidBase64") for name in found):
        yield "broken base64"
    if any("Boundary" in name for name in found):
        yield "parts without their boundaries"
    if not all(body.legible for body in bodies):
        yield "text that is not in the character set it claims"
