"""hi5's friend requests (2010)."""

from __future__ import annotations

from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "hi5"
SEARCH = (("FROM", "hi5.com"),)
_FORMS = ((Kind.INVITATION, r"(?P<name>.+?) would like to be your friend on hi5!?"),)


def parse(mail: Mail) -> Notification | None:
    """What a hi5 mail says."""
    return by_subject(mail, NAME, _FORMS) if comes_from(mail, "hi5.com") else None
