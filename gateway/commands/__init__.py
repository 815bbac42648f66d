"""Commands by mail: what the owner asks of rsvpd in a mail to themselves, and the token that goes with it.

Pure. A command comes in one of two ways. A link of the summary opens a mail whose Subject carries a token for one
verb on one case. A plain answer to the summary holds lines like "decline c17" and refers to the summary's Message-ID,
which nobody can tell who was not sent it. Whether a mail is the owner's at all is for orders.py to prove.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from gateway.answers import is_bulk, letters_answered
from gateway.commands.typed import typed
from gateway.commands.verbs import Command, Verb
from gateway.letter import LOOP, WEEK
from gateway.model import AnswerLink, Entry, Mail

# A summary comes every seven days. Its links outlive the next one, for an owner who was away for a week.
LASTS = timedelta(days=14)
NOT_OBEYED = "not obeyed: "  # how the reason begins for which a command was put aside
# What the owner's own mails in the inbox are asked for. Some servers find whole words only: no "<rsvpd.".
SEARCH = (("SUBJECT", "rsvpd:"), ("HEADER", "In-Reply-To", "rsvpd"))

_LINK = re.compile(r"rsvpd: (?P<verb>[a-z ]{3,30}) (?P<case>c\d{1,9}) \[(?P<token>[\w.-]{20,120})\]", re.ASCII)
_TOKEN = re.compile(r"(?P<nonce>[\w-]{16})\.(?P<expires>\d{1,11})\.(?P<mac>[\w-]{43})", re.ASCII)
_LINKED = tuple(verb for verb in Verb if verb is not Verb.NEITHER)
_OF_COMPANIES = (Verb.ALWAYS_COMPANY, Verb.NEVER_COMPANY)
_BODY = "Send this mail as it is."
_OF_MACHINES = ("List-Id", "X-Autoreply", "X-Autorespond", LOOP, WEEK)


@dataclass(frozen=True, slots=True)
class Order:
    """What a mail asks for, and what it shows to prove that it may."""

    commands: tuple[Command, ...]
    token: str | None = None  # of a link; None: a plain answer
    answers: tuple[str, ...] = ()  # Message-IDs of ours that a plain answer refers to
    odd: str = ""  # a line that was perhaps meant as a command; nothing after it was read


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave to carry out commands, each once, until a moment."""

    nonces: tuple[tuple[Command, str], ...]
    expires: datetime


def answer_links(
    secret: bytes, owner_address: str, case_name: str, now: datetime, *, company: bool = True
) -> tuple[AnswerLink, ...]:
    """The links for an item of a summary made now; `company`: whether the inviter's is known."""
    expires = int((now + LASTS).timestamp())
    verbs = (verb for verb in _LINKED if company or verb not in _OF_COMPANIES)
    return tuple(_link(Command(verb, case_name), secret, owner_address, expires) for verb in verbs)


def links_of(
    entries: Iterable[Entry], secret: bytes, owner_address: str, now: datetime
) -> dict[str, tuple[AnswerLink, ...]]:
    """The links for the items of a summary, by case."""
    inviters = {entry.case: (entry.judgement or {}).get("inviter") or {} for entry in entries if entry.case}
    return {
        case: answer_links(secret, owner_address, case, now, company=bool(inviter.get("company")))
        for case, inviter in inviters.items()
    }


def _link(command: Command, secret: bytes, owner_address: str, expires: int) -> AnswerLink:
    # Each summary has another time, and with it other nonces.
    nonce = _mac(secret, command, "nonce", expires, owner_address)[:16]
    token = f"{nonce}.{expires}.{_mac(secret, command, nonce, expires, owner_address)}"
    subject = f"rsvpd: {command} [{token}]"
    # RFC 6068: everything but the bare address in percent-encoding, a space never as "+".
    fields = f"subject={quote(subject, safe='')}&body={quote(_BODY, safe='')}"
    return AnswerLink(str(command.verb), f"mailto:{quote(owner_address, safe='@')}?{fields}")


def _mac(secret: bytes, command: Command, nonce: str, expires: int, owner_address: str) -> str:
    words = "|".join((command.verb, command.case, nonce, str(expires), owner_address.lower()))
    return base64.urlsafe_b64encode(hmac.new(secret, words.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def leave_by_token(command: Command, token: str, secret: bytes, owner_address: str) -> Leave | None:
    """The leave that a link's token gives; None when it is not ours, or was made for something else."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    expires = int(found["expires"])
    if not hmac.compare_digest(_mac(secret, command, found["nonce"], expires, owner_address), found["mac"]):
        return None
    return Leave(((command, found["nonce"]),), datetime.fromtimestamp(expires, UTC))


def leave_by_summary(commands: tuple[Command, ...], name: str, sent: datetime) -> Leave:
    """The leave that a summary, named by its week or the moment it was sent, gives to whoever can refer to it."""
    return Leave(tuple((command, f"{name} {command}") for command in commands), sent + LASTS)


def read(mail: Mail, own: frozenset[str]) -> Order | None:
    """What a mail from one of the owner's addresses (lower case) asks for; None when it is no command at all."""
    if len(mail.from_) != 1 or mail.from_[0].address.lower() not in own or _automatic(mail):
        return None
    if link := _LINK.fullmatch(mail.subject):
        return _of_link(link)
    answers = letters_answered(mail)
    if not answers:
        return None
    commands, odd = typed(mail)
    return Order(commands, answers=answers, odd=odd) if commands or odd else None


def _of_link(link: re.Match[str]) -> Order | None:
    if link["verb"] not in _LINKED:
        return None
    return Order((Command(Verb(link["verb"]), link["case"]),), token=link["token"])


def _automatic(mail: Mail) -> bool:
    """Whether a machine wrote it, we ourselves among them: nobody obeys a machine (RFC 3834 section 2)."""
    said = {value.partition(";")[0].partition("(")[0].strip().lower() for value in mail.header("Auto-Submitted")}
    ours = (mail.message_id or "").startswith("<rsvpd.")
    return bool(said - {"no"}) or is_bulk(mail) or ours or any(mail.header(name) for name in _OF_MACHINES)
