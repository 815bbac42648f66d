"""The networks: each file of this folder knows one; the folder is the registry."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

from gateway.cases import INVITES
from gateway.errors import Ambiguous, Unreadable
from gateway.letter import LOOP
from gateway.model import Kind, Mail, Notification, Person

# Characters; networks allow a quarter of it. What is longer no member wrote, and it costs us.
_LONGEST_NAME, _LONGEST_HEADLINE, _LONGEST_NOTE = 400, 1000, 4000
_MOST_PARTS = 10
_BODIES = ("text/plain", "text/html")
_NULL_SENDER = re.compile(r"<?(?:mailer-daemon(?:@.*)?)?>?", re.IGNORECASE)
_SEEN = re.compile(r"text/(?:plain|html)|image/.*|multipart/(?:alternative|mixed|related)")


class Network(Protocol):
    """What a file of this folder offers."""

    NAME: str
    SEARCH: tuple[tuple[str, str], ...]
    """IMAP search keys and values; a mail of the network fulfils one of them."""

    def parse(self, mail: Mail) -> Notification | None:
        """What the mail says; None when it is not this network's. Unreadable for a layout it does not know."""


@functools.cache
def networks() -> tuple[Network, ...]:
    """All networks, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast("Network", importlib.import_module(f"{__name__}.{name}")) for name in names)


def criteria() -> tuple[tuple[str, str], ...]:
    """What a mailbox is asked for: IMAP search keys and values, of which a network's mail fulfils one."""
    return tuple(criterion for network in networks() for criterion in network.SEARCH)


def recognise(mail: Mail) -> Notification | None:
    """What the mail says, None for a mail of no network; Ambiguous when two claim it, Unreadable for a strange form."""
    found = [notification for network in networks() if (notification := network.parse(mail))]
    if len(found) > 1:
        raise Ambiguous(f"taken for a mail of {' and of '.join(one.network for one in found)}")
    if not found:
        return None
    _refuse_too_long(found[0])
    return found[0]


def unlike_an_invitation(mail: Mail) -> Iterator[str]:
    """What no network puts into an invitation; a mail that holds it is never answered."""
    strange = sorted({kind for kind in mail.content_types if not _SEEN.fullmatch(kind)})
    if strange:
        yield f"it carries {strange[0]}, as no invitation does"
    if len(mail.content_types) > _MOST_PARTS or any(mail.content_types.count(kind) > 1 for kind in _BODIES):
        yield "it has more parts than an invitation does"
    if not mail.text.strip() and not mail.html.strip():
        yield "it has no text"
    if any(_NULL_SENDER.fullmatch(value) for value in mail.header("Return-Path")):
        yield "its envelope sender wants no answer"  # RFC 3834 section 2
    if any(value.strip().lower().startswith("auto-replied") for value in mail.header("Auto-Submitted")):
        yield "it is itself an automatic answer"
    if mail.header(LOOP):
        yield "it is an answer of rsvpd's"


def _refuse_too_long(notification: Notification) -> None:
    inviter = notification.inviter or Person()
    for what, text, longest in (
        ("name", inviter.name, _LONGEST_NAME),
        ("headline", inviter.headline, _LONGEST_HEADLINE),
        ("note", notification.note, _LONGEST_NOTE),
    ):
        if text and len(text) > longest:
            why = f"its {what} is {len(text)} characters long; no network takes so many"
            raise Unreadable(why, network=notification.network)


def by_subject(mail: Mail, network: str, forms: Sequence[tuple[Kind, str]], *, language: str = "en") -> Notification:
    """What a network's mail says whose subject tells all; of kind other where no form fits.

    A form is a regular expression for the whole subject; its group `name` or `other` is the inviter's name.
    """
    for kind, form in forms:
        if found := re.fullmatch(form, mail.subject, re.IGNORECASE):
            names = found.groupdict()
            name = names.get("name") or names.get("other")
            inviter = Person(name=name) if kind in INVITES else None
            accepted_by = name if kind is Kind.ACCEPTED else None
            return Notification(network, kind, inviter, language=language, accepted_by=accepted_by)
    return Notification(network, Kind.OTHER, language=language)


def comes_from(mail: Mail, domain: str) -> bool:
    """Whether the one From address lies in a domain or below it; look-alikes do not."""
    return len(mail.from_) == 1 and is_within(mail.from_[0].domain, domain)


def is_within(host: str, domain: str) -> bool:
    """Whether a host is a domain or below it."""
    return host == domain or host.endswith(f".{domain}")
