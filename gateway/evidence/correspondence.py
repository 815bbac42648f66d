"""Whom the owner wrote to and who wrote to the owner, from the headers of mails; bodies are never looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from gateway.evidence.nobody import Mine, is_office
from gateway.evidence.texts import clean
from gateway.model import Acquaintance, Link
from gateway.names import read
from gateway.people.keys import summed

# What is needed of a mail; an IMAP client fetches BODY.PEEK[HEADER.FIELDS (...)] of these.
FIELDS = ("From", "To", "Cc", "Bcc", "Subject", "Date", "List-Id", "List-Post", "List-Unsubscribe", "Precedence",
          "Auto-Submitted", "X-Rsvpd-Loop")  # fmt: skip

_FIELD = re.compile(
    rb"^(" + "|".join(FIELDS).encode() + rb"):[ \t]*((?:[^\n]*)(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE
)
# Outlook's 'ada@example.org' <ada@example.org>: unquoted, it is no name, and parsers disagree on what it is.
_ADDRESS_AS_NAME = re.compile(r"""(?<![^\s<>,;:])["']*+[^\s"'<>,;:@]++@[^\s"'<>,;:]++["']*+\s*+(?=<)""")
_LONGEST_SUBJECT, _LONGEST_NAME = 200, 400  # characters
# Bytes of a field that are read. Anybody can put a From into the inbox, and reading one takes quadratic time.
_LONGEST_FIELD, _LONGEST_LIST = 2 * 1024, 64 * 1024
_NO_MAILBOX = re.compile(rb"[^,]{1000}")
_AUTHOR, _RECIPIENTS = (b"from",), (b"to", b"cc", b"bcc")
_IMPERSONAL = frozenset(
    (b"x-rsvpd-loop", b"auto-submitted", b"precedence", b"list-id", b"list-post", b"list-unsubscribe")
)
# A date as nearly all programs write it, parts as datetime.fromisoformat() takes them: a seventh of the time that the
# standard library takes for the other ways to write one.
_USUAL_DATE = re.compile(
    r"(?:[A-Z][a-z]{2}, )?(?P<day>[0-3][0-9]) (?P<month>[A-Z][a-z]{2}) (?P<year>(?:19|20)[0-9]{2})"
    r" (?P<time>[0-2][0-9]:[0-5][0-9]:[0-5][0-9]) (?P<zone>[+-](?:0[0-9]|1[0-4])[0-5][0-9])(?: \([A-Z]{1,5}\))?"
)
_MONTHS = {"Jan": "01", "Feb": "02", "Mar": "03", "Apr": "04", "May": "05", "Jun": "06", "Jul": "07", "Aug": "08",
           "Sep": "09", "Oct": "10", "Nov": "11", "Dec": "12"}  # fmt: skip
_MOST_ADDRESSES = 500  # of one mail; whoever writes to more knows none of them by it


class _Addressed(NamedTuple):
    """Somebody in a header field."""

    name: str | None
    address: str
    is_office: bool


class Direction(StrEnum):
    SENT = "sent"
    RECEIVED = "received"


def correspondents(headers: Iterable[bytes], mine: Mine, direction: Direction, source: str) -> tuple[Acquaintance, ...]:
    """The people of some mails' header blocks, summed up; later mails of the same folder can be added to them."""
    try:
        return tuple(summed(person for block in headers for person in _of_mail(block, mine, direction, source)))
    finally:
        _mailboxes.cache_clear()  # of ten thousand people it is 4 MB, which nobody asks for before the next folder


def _of_mail(block: bytes, mine: Mine, direction: Direction, source: str) -> Iterator[Acquaintance]:
    fields: dict[bytes, list[bytes]] = {}
    for name, value in _FIELD.findall(block.replace(b"\r", b"")):
        fields.setdefault(name.lower(), []).append(value)
    if _impersonal(fields, direction):
        return
    sent = direction is Direction.SENT
    people = _people(fields, _RECIPIENTS if sent else _AUTHOR)
    acquainted = [one for one in people if not one.is_office and not mine.address(one.address)]
    if not acquainted:
        return
    subject, when = _subject(fields), _date(fields)
    for one in acquainted:
        yield Acquaintance(
            source=source,
            link=Link.WROTE_TO if sent else Link.WROTE_ME,
            name=one.name,
            address=one.address,
            first=when,
            last=when,
            about=subject,
        )


def _impersonal(fields: dict[bytes, list[bytes]], direction: Direction) -> bool:
    """Whether a machine or a list sent this; an answer of ours makes nobody known, even if the owner sent the draft."""
    if fields.keys().isdisjoint(_IMPERSONAL):
        return False
    automatic = b"x-rsvpd-loop" in fields or any(
        value.strip().lower() not in (b"", b"no") for value in fields.get(b"auto-submitted", ())
    )
    bulk = any(value.strip().lower() in (b"bulk", b"list", b"junk") for value in fields.get(b"precedence", ()))
    listed = any(field in fields for field in (b"list-id", b"list-post", b"list-unsubscribe"))
    return automatic or bulk or (listed and direction is Direction.RECEIVED)


def _people(fields: dict[bytes, list[bytes]], wanted: tuple[bytes, ...]) -> list[_Addressed]:
    longest = _LONGEST_FIELD if wanted == _AUTHOR else _LONGEST_LIST
    values = [value for field in wanted for value in fields.get(field, ()) if _is_readable(value, longest)]
    return list(dict.fromkeys(chain.from_iterable(map(_mailboxes, values))))[:_MOST_ADDRESSES]


def _is_readable(value: bytes, longest: int) -> bool:
    return len(value) <= longest and not _NO_MAILBOX.search(value)


@lru_cache(maxsize=2_000)
def _mailboxes(value: bytes) -> tuple[_Addressed, ...]:
    """Names and addresses of a header field; the same correspondents come again and again."""
    try:
        pairs = getaddresses([_ADDRESS_AS_NAME.sub("", _text(value).replace("\n", " "))])
    except RecursionError:  # comments in comments, groups in groups: nobody's address
        return ()
    return tuple(_addressed(_name(name, address), clean(address).lower()) for name, address in pairs if "@" in address)


def _addressed(name: str | None, address: str) -> _Addressed:
    return _Addressed(name, address, is_office(address, name))


def _name(name: str, address: str) -> str | None:
    plain = clean(_decoded(name)).strip("\"' ")
    if len(plain) > _LONGEST_NAME:
        return None
    return plain if read(plain).words and plain.lower() != address.lower() and "@" not in plain else None


def _subject(fields: dict[bytes, list[bytes]]) -> str:
    values = fields.get(b"subject")
    return clean(_decoded(_text(values[0][:_LONGEST_FIELD])))[:_LONGEST_SUBJECT] if values else ""


def _date(fields: dict[bytes, list[bytes]]) -> datetime | None:
    values = fields.get(b"date")
    return _moment(_text(values[0][:_LONGEST_FIELD])) if values else None


def _moment(text: str) -> datetime | None:
    try:
        if (usual := _USUAL_DATE.fullmatch(text)) and (month := _MONTHS.get(usual["month"])):
            iso = f"{usual['year']}-{month}-{usual['day']}T{usual['time']}{usual['zone']}"
            return datetime.fromisoformat(iso).astimezone(UTC)
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def _decoded(text: str) -> str:
    """RFC 2047 words as text; what cannot be decoded stays as it stands."""
    return _decoded_words(text) if "=?" in text else text


@lru_cache(maxsize=1000)  # the mails of a thread lie side by side
def _decoded_words(text: str) -> str:
    try:
        parts = decode_header(text)
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii", "replace") for part, charset in parts
        )
    except (HeaderParseError, LookupError, ValueError):
        return text
