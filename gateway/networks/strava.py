"""Strava's suggestions, which read like invitations and are none."""

from __future__ import annotations

from gateway.model import Kind, Mail, Notification
from gateway.networks import by_subject, comes_from

NAME = "strava"
SEARCH = ()
_FORMS = ((Kind.SUGGESTION, r"do you know .+\?"), (Kind.OTHER, r".* is now following you\b.*"))


def parse(mail: Mail) -> Notification | None:
    """What a Strava mail says."""
    return by_subject(mail, NAME, _FORMS) if comes_from(mail, "strava.com") else None
