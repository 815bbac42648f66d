"""Twitter's and X's notices. A new follower asks for nothing, so nothing here is an invitation."""

from __future__ import annotations

from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "twitter"
SEARCH = ()
_FORMS = ((Kind.OTHER, r".* is now following you on (twitter|x)\b.*"),)


def parse(mail: Mail) -> Notification | None:
    """What a mail of Twitter or X says."""
    known = comes_from(mail, "twitter.com") or comes_from(mail, "x.com")
    return by_subject(mail, NAME, _FORMS) if known else None
