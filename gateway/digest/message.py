"""The summary as a mail from the owner to the owner: text, and HTML beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from gateway.digest.contents import Contents
from gateway.digest.html import as_html
from gateway.digest.text import as_text
from gateway.digest.weeks import Week
from gateway.letter import WEEK
from gateway.model import Mailbox


@dataclass(frozen=True, slots=True)
class Summary:
    """A composed summary in both forms."""

    subject: str
    text: str
    html: str


def summarise(contents: Contents) -> Summary:
    return Summary(contents.title, as_text(contents), as_html(contents))


def as_mail(summary: Summary, *, owner: Mailbox, to: str, week: Week, message_id: str, now: datetime) -> bytes:
    """The bytes for the wire."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(owner.name, addr_spec=owner.address)
    message["To"] = to
    message["Subject"] = summary.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: not auto-replied on a periodic mail
    message[WEEK] = week.name
    message.set_content(summary.text, charset="utf-8", cte="quoted-printable")
    message.add_alternative(summary.html, subtype="html", charset="utf-8", cte="quoted-printable")
    return message.as_bytes()
