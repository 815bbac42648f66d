"""The networks: each file of this folder knows one; the folder is the registry."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Sequence
from typing import Protocol, cast

from gateway.cases import INVITES
from gateway.errors import Ambiguous
from gateway.model import Kind, Mail, Notification, Person


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


def recognise(mail: Mail) -> Notification | None:
    """What the mail says, None for a mail of no network; Ambiguous when two claim it."""
    found = [notification for network in networks() if (notification := network.parse(mail))]
    if len(found) > 1:
        raise Ambiguous(f"taken for a mail of {' and of '.join(one.network for one in found)}")
    return found[0] if found else None


def by_subject(mail: Mail, network: str, forms: Sequence[tuple[Kind, str]], *, language: str = "en") -> Notification:
    """What a network's mail says whose subject tells all; of kind other where no form fits.

    A form is a regular expression for the whole subject; its group `name` or `other` is the inviter's name.
    """
    for kind, form in forms:
        if found := re.fullmatch(form, mail.subject, re.IGNORECASE):
            names = found.groupdict()
            inviter = Person(name=names.get("name") or names.get("other")) if kind in INVITES else None
            return Notification(network, kind, inviter, language=language)
    return Notification(network, Kind.OTHER, language=language)


def comes_from(mail: Mail, domain: str) -> bool:
    """Whether the one From address lies in a domain or below it; look-alikes do not."""
    return len(mail.from_) == 1 and is_within(mail.from_[0].domain, domain)


def is_within(host: str, domain: str) -> bool:
    """Whether a host is a domain or below it."""
    return host == domain or host.endswith(f".{domain}")
