"""Mastodon's follow requests. Every instance writes from a domain of its own, so they are known by their form."""

from __future__ import annotations

import re

from gateway.hypertext import lines_of
from gateway.mail import plain
from gateway.model import Kind, Mail, Notification, Person

NAME = "mastodon"
SEARCH = (("SUBJECT", "Pending follower: "),)
_ACCOUNT = r"(?P<account>[\w.-]+(?:@[\w.-]+\.\w+)?)"
_REQUEST = re.compile(rf"Pending follower: {_ACCOUNT}")
_FOLLOW = re.compile(rf"{_ACCOUNT} is now following you")
_PAGE = "https://{host}/follow_requests"


def parse(mail: Mail) -> Notification | None:
    """What an instance's mail says; it links to itself and to no other place."""
    if len(mail.from_) != 1:
        return None
    host = mail.from_[0].domain
    whole = f"{mail.text}\n{mail.html}"
    if found := _REQUEST.fullmatch(mail.subject):
        if _PAGE.format(host=host) not in whole or f"{found['account']} has requested to follow you" not in whole:
            return None
        return Notification(NAME, Kind.INVITATION, _follower(mail, host, found["account"]), language="en")
    follows = _FOLLOW.fullmatch(mail.subject)
    if follows and f"https://{host}/@{follows['account']}" in whole:
        return Notification(NAME, Kind.OTHER, language="en")
    return None


def _follower(mail: Mail, host: str, account: str) -> Person:
    """The account, and the display name where the page gives one; an account is no mail address."""
    profile = f"https://{host}/@{account}"
    for line in lines_of(mail.html):
        if line.url == profile:
            name = plain(line.text.partition(f"@{account}")[0])
            return Person(name=name or account, profile_url=profile)
    return Person(name=account)
