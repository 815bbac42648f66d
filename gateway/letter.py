"""A reply as the bytes that go on the wire, and the proof that they say what was decided and nothing else."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from datetime import datetime
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, EmailPolicy, compat32
from email.utils import format_datetime, getaddresses
from typing import Any

from gateway.errors import BadLetter
from gateway.model import Entry, Mailbox, Reply

LETTER_ID = re.compile(r"<rsvpd\.[0-9a-f]{32}@[^<>\s]{1,200}>")
LOOP = "X-Rsvpd-Loop"  # the field that every answer of ours has, and every draft of one
WEEK = "X-Rsvpd-Week"  # the field of a summary
_LARGEST = 16 * 1024  # bytes; an answer is a few lines
_FIELDS = frozenset(
    {"from", "to", "subject", "date", "message-id", "in-reply-to", "references"}
    | {"auto-submitted", "x-auto-response-suppress", "precedence", "x-rsvpd-loop"}
    | {"mime-version", "content-type", "content-transfer-encoding"}
)
_LINES = frozenset(
    {"message-id", "in-reply-to", "references", "date", "auto-submitted", "x-auto-response-suppress", "precedence"}
    | {LOOP.lower()}
)
_BARE = re.compile(rb"[^\r]\n|\r[^\n]|\r\Z|\A\n|\0")


class _Fields(HeaderRegistry):
    """Makes the class of a field once; the standard one makes it anew each time that a field is set, and twice."""

    @functools.cache  # noqa: B019 - there is one of these, and it knows the names of our own fields only
    def __getitem__(self, name: str) -> type:
        return super().__getitem__(name)


class _Policy(EmailPolicy):
    """Takes fields that are one printable line as they are.

    The standard policy turns long message ids into encoded words, which breaks threads, and reads each field back as
    it is set, which takes most of the time that a mail takes to write.
    """

    # https://github.com/python/cpython/issues/85725
    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower() in _LINES and value.isascii() and value.isprintable():
            return name, value
        found: tuple[str, Any] = super().header_store_parse(name, value)
        return found

    def fold(self, name: str, value: str) -> str:
        if name.lower() in _LINES:
            return f"{name}: {value}\r\n"
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii")


_WIRE = _Policy(linesep=SMTP.linesep, max_line_length=76, cte_type="7bit", utf8=False, header_factory=_Fields())


@functools.lru_cache(maxsize=64)
def _field(name: str, mailbox: Mailbox) -> Any:
    """A field that names the owner; to make it takes as long as all else of a short mail."""
    return _WIRE.header_factory(name, Address(mailbox.name, addr_spec=mailbox.address))


def letter_id(secret: bytes, entry_key: str, domain: str) -> str:
    """The Message-ID of the answer to a mail: always the same, and nobody else can tell it beforehand."""
    token = hmac.new(secret, entry_key.encode(), hashlib.sha256).hexdigest()[:32]
    return f"<rsvpd.{token}@{domain}>"


def summary_id(secret: bytes, name: str, domain: str) -> str:
    """The Message-ID of a summary, named by its week or the moment it was asked for.

    Who can refer to it was sent it: that is the token of a plain answer.
    """
    return letter_id(secret, f"digest {name}", domain)


def compose(
    reply: Reply,
    *,
    sender: Mailbox,
    message_id: str,
    answers: str | None,
    loop: str,
    now: datetime,
    automatic: bool = True,
) -> bytes:
    """The mail that carries a reply; BadLetter when it would not be exactly that.

    `answers` is the Message-ID of the notification. A draft is not `automatic`: the owner will send it.
    """
    message = EmailMessage(policy=_WIRE)
    message["From"] = _field("From", sender)
    message["To"] = reply.to
    message["Subject"] = reply.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    if answers:
        message["In-Reply-To"] = answers
        message["References"] = answers
    if automatic:
        message["Auto-Submitted"] = "auto-replied"  # RFC 3834 section 5.2
        message["X-Auto-Response-Suppress"] = "All"
        message["Precedence"] = "bulk"
    message[LOOP] = loop
    encoding = "7bit" if _plain(reply.body) else "quoted-printable"
    message.set_content(reply.body, charset="utf-8", cte=encoding)
    raw = message.as_bytes()
    _check(raw, reply, sender)
    return raw


def _plain(body: str) -> bool:
    return all(line.isascii() and line.isprintable() and len(line) <= 78 for line in body.split("\n"))


def _check(raw: bytes, reply: Reply, sender: Mailbox) -> None:
    """Read our own bytes back with another parser, as the recipient's side will (CVE-2024-6923, CVE-2025-1795)."""
    if len(raw) > _LARGEST:
        raise BadLetter(f"the answer is {len(raw)} bytes long")
    if _BARE.search(raw) or any(len(line) > 998 for line in raw.split(b"\r\n")):
        raise BadLetter("the answer has a line that SMTP does not allow")
    found = BytesParser(policy=compat32).parsebytes(raw)
    names = [name.lower() for name in found.keys()]  # noqa: SIM118 - a Message's keys repeat
    if len(names) != len(set(names)) or not set(names) <= _FIELDS:
        raise BadLetter("the answer has header fields that were not meant")
    if [address for _, address in getaddresses([found["To"]])] != [reply.to]:
        raise BadLetter("the answer is not addressed to exactly the one recipient")
    if [address for _, address in getaddresses([found["From"]])] != [sender.address]:
        raise BadLetter("the answer is not from the owner alone")


def paste_note(entry: Entry, *, owner: Mailbox, message_id: str, now: datetime) -> bytes:
    """A note to the owner with the short text to paste, to lie beside the mail it answers."""
    reply, inviter = entry.reply, (entry.judgement or {}).get("inviter") or {}
    name = inviter.get("name") or "somebody without a name"
    lines = [f"No mail reaches {name}. To answer, paste this into the network:", "", reply.short if reply else "", ""]
    if inviter.get("profile_url"):
        lines += [f"Profile: {inviter['profile_url']}", ""]
    lines += [f"{entry.case}; `rsvpd show {entry.case}` tells why."]
    message = EmailMessage(policy=_WIRE)
    message["From"], message["To"] = _field("From", owner), _field("To", owner)
    message["Subject"] = f"To paste: answer to {name}"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    if entry.message_id:
        message["In-Reply-To"] = message["References"] = entry.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(lines), charset="utf-8", cte="quoted-printable")
    return message.as_bytes()


def confirmation(text: str, *, owner: Mailbox, to: str, message_id: str, answers: str | None, now: datetime) -> bytes:
    """A note to the owner on what became of a command by mail; the first line is its subject."""
    message = _to_the_owner(text, owner, to, message_id, now)
    if answers:
        message["In-Reply-To"] = message["References"] = answers
    message["Auto-Submitted"] = "auto-replied"  # RFC 3834: it answers a mail
    return message.as_bytes()


def alert(text: str, *, owner: Mailbox, to: str, message_id: str, now: datetime) -> bytes:
    """A note to the owner that something is wrong; the first line is its subject."""
    message = _to_the_owner(text, owner, to, message_id, now)
    message["Auto-Submitted"] = "auto-generated"
    return message.as_bytes()


def _to_the_owner(text: str, owner: Mailbox, to: str, message_id: str, now: datetime) -> EmailMessage:
    subject, _, body = text.partition("\n")
    message = EmailMessage(policy=_WIRE)
    message["From"] = _field("From", owner)
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(body.strip() + "\n", charset="utf-8", cte="quoted-printable")
    return message
