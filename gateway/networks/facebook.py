"""Facebook's friend requests (2009 to today)."""

from __future__ import annotations

from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "facebook"
SEARCH = (("FROM", "facebookmail.com"),)
_FORMS = (
    (Kind.ACCEPTED, r"(?P<name>.+?) (confirmed you as a friend|accepted your friend request)\b.*"),
    (
        Kind.REMINDER,
        r"reminder: (?P<name>.+?) (invited you to join facebook|wants to be friends|sent you a friend request).*",
    ),
    (Kind.INVITATION, r"(?P<name>.+?) added you as a friend on facebook.*"),
    (Kind.INVITATION, r"(?P<name>.+?) (wants to be|wants to be your) friends?( with you)?( on facebook)?.*"),
    (Kind.INVITATION, r"(?P<name>.+?) sent you a friend request.*"),
    (Kind.SUGGESTION, r".*people you may know.*|.*friend suggestions?.*|do you know .+\?"),
    (Kind.MESSAGE, r"(?P<name>.+?) sent you a message.*"),
)


def parse(mail: Mail) -> Notification | None:
    """What a Facebook mail says; a friend request carries no note."""
    return by_subject(mail, NAME, _FORMS) if comes_from(mail, "facebookmail.com") else None
