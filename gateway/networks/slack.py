"""Slack's invitations into a workspace."""

from __future__ import annotations

import re
from dataclasses import replace

from gateway.hypertext import lines_of
from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "slack"
SEARCH = (("FROM", "slack.com"),)
_FORMS = (
    (Kind.REMINDER, r"(reminder: |don't forget: )(?P<name>.+?) (has )?invited you to .*slack.*"),
    (
        Kind.INVITATION,
        r"(?P<name>.+?) (has )?invited you to (join a slack workspace|work with them in slack|.* (on|in) slack)",
    ),
)


# The text names the inviter's own address: "Ada Miller (ada@example.org) has invited you".
_ADDRESS = re.compile(r"\((?:mailto:)?(?P<address>[^\s()@]+@[^\s()@]+\.\w+)\) has invited you")


def parse(mail: Mail) -> Notification | None:
    """What a Slack mail says."""
    if not comes_from(mail, "slack.com"):
        return None
    notification = by_subject(mail, NAME, _FORMS)
    text = mail.text if mail.text.strip() else "\n".join(line.text for line in lines_of(mail.html))
    found = _ADDRESS.search(text)
    if notification.inviter is None or found is None:
        return notification
    return replace(notification, inviter=replace(notification.inviter, address=found["address"]))
