"""Trello's invitations to a board, with the note that may come with them."""

from __future__ import annotations

from dataclasses import replace
from itertools import dropwhile, takewhile

from gateway.hypertext import lines_of
from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "trello"
SEARCH = (("FROM", "trello.com"),)
_FORMS = ((Kind.INVITATION, r"(?P<name>.+?) (has )?(invited|added) you to (their|the|a) (board|workspace)\b.*"),)
_BELOW_NOTE = ("Go to board", "Go to workspace", "Join ", "View ", "https://trello.com/")


def parse(mail: Mail) -> Notification | None:
    """What a Trello mail says."""
    if not comes_from(mail, "trello.com"):
        return None
    notification = by_subject(mail, NAME, _FORMS)
    return replace(notification, note=_note(mail)) if notification.kind is Kind.INVITATION else notification


def _note(mail: Mail) -> str | None:
    """What stands below "A note from Ada:"."""
    lines = mail.text.split("\n") if mail.text.strip() else [line.text for line in lines_of(mail.html)]
    headed = dropwhile(lambda line: not (line.startswith("A note from ") and line.rstrip().endswith(":")), lines)
    note = takewhile(lambda line: not line.startswith(_BELOW_NOTE), list(headed)[1:])
    return "\n".join(line.rstrip() for line in note).strip() or None
