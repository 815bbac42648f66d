"""GitHub's invitations into an organisation or to a repository."""

from __future__ import annotations

from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "github"
SEARCH = (("FROM", "noreply@github.com"),)
_FORMS = (
    (Kind.INVITATION, r"\[github\] @(?P<name>[\w-]+) has invited you to join the @\S+ organi[sz]ation"),
    (Kind.INVITATION, r"(\[github\] )?@?(?P<name>[\w-]+) (has )?invited you to (collaborate on )?\S+/\S+"),
)


def parse(mail: Mail) -> Notification | None:
    """What a GitHub invitation says; notifications of other kinds are mail like any other."""
    return by_subject(mail, NAME, _FORMS) if comes_from(mail, "github.com") else None
