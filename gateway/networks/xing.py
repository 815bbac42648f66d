"""XING. Its messages and confirmations are attested; the words of a contact request are a guess."""

from __future__ import annotations

from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "xing"
SEARCH = (("FROM", "xing.com"),)
_FORMS = (
    (Kind.ACCEPTED, r"(?P<name>.+?) ist jetzt mit (dir|ihnen) verbunden|(?P<other>.+?) is now connected (to|with) you"),
    (Kind.MESSAGE, r"(?P<name>.+?) hat (dir|ihnen) eine nachricht gesendet|(?P<other>.+?) (has )?sent you a message"),
    (Kind.INVITATION, r"(?P<name>.+?) möchte (sich mit (dir|ihnen) vernetzen|(dich|sie) als kontakt hinzufügen)"),
    (Kind.INVITATION, r"(neue )?kontaktanfrage von (?P<name>.+)|contact request from (?P<other>.+)"),
)


def parse(mail: Mail) -> Notification | None:
    """What a XING mail says."""
    return by_subject(mail, NAME, _FORMS, language="de") if comes_from(mail, "xing.com") else None
