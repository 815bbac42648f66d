"""Trello's invitations to a board, with the note that may come with them."""

from __future__ import annotations

import re
from dataclasses import replace

from gateway.hypertext import lines_of
from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "trello"
SEARCH = (("FROM", "trello.com"),)
_FORMS = ((Kind.INVITATION, r"(?P<name>.+?) (has )?(invited|added) you to (their|the|a) (board|workspace)\b.*"),)
_NOTE = re.compile(
    r"^A note from [^\n]+:\s*\n(?P<note>.+?)\s*(?:\n\s*(?:Go to (?:board|workspace)|Join|View|https://)|\Z)",
    re.S | re.M,
)


def parse(mail: Mail) -> Notification | None:
    """What a Trello mail says."""
    if not comes_from(mail, "trello.com"):
        return None
    notification = by_subject(mail, NAME, _FORMS)
    if notification.kind is not Kind.INVITATION:
        return notification
    text = mail.text if mail.text.strip() else "\n".join(line.text for line in lines_of(mail.html))
    found = _NOTE.search(text)
    return replace(notification, note=found["note"].strip() if found else None)
