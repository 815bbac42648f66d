"""What LinkedIn's links say: the template of the mail, whose profile, which invitation and when it was made.

Every link carries tokens that act as the recipient; none of them leaves this file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.networks import is_within

# Position tokens: "trk=eml-<template>-<block>-<number>-<what>", "~" often as %7E.
_ACCEPTS = re.compile(
    r"/invite-accept\b|/accept-invitation\b|/e/[^?]*/(?:blk|isd)/|eml-guest-invite-cta|-\d+-accept(?:~|%7E|_)(?:cta|text)",
    re.IGNORECASE,
)
_SHOWS_PROFILE = re.compile(r"/in/|/profile/view\b|/fpg/|a=guestInviteeProfileView", re.IGNORECASE)
_OF_RECIPIENT = re.compile(r"-header-\d+-|-header-profile", re.IGNORECASE)
# A link somebody pasted into a note has none of these.
_OF_MAIL = re.compile(r"/comm/|/e/|[?&](?:trk|lipi|midToken|authType|ek)=", re.IGNORECASE)
_TEMPLATE = re.compile(r"(?:[?&;]ek=|trk=eml-|page(?:%3A|:)email_)(?P<token>\w+)", re.IGNORECASE)
_OLD_STYLE = re.compile(r"/e/[^?]*/(?:blk|isd)/", re.IGNORECASE)
_GUESTS = re.compile(r"/start/accept-invitation\b|eml-guest-invite-cta|/isd/", re.IGNORECASE)
_REDIRECTED_PROFILE = re.compile(r"/fpg/", re.IGNORECASE)
_UNSUBSCRIBES = re.compile(r"[?&]t=(?:uns|lun)\b|/unsub/|/email-unsubscribe\b", re.IGNORECASE)
_NUMBER = re.compile(r"invitationId[=/](?P<id>\d{6,20})\b")
_OLD_NUMBER = re.compile(r"/(?P<id>I\d{6,}_\d+)/")
_SNOWFLAKE = 19  # digits; shorter ids are older and tell no time


def accepts(url: str) -> bool:
    """Whether following the link would accept an invitation."""
    return _ACCEPTS.search(url) is not None


def shows_profile(url: str) -> bool:
    """Whether the link shows somebody's profile, redirects included."""
    return _SHOWS_PROFILE.search(url) is not None and not accepts(url)


def is_button(url: str) -> bool:
    """Whether it is one of the links the mail is about, not one that stands in a note."""
    return _OF_MAIL.search(url) is not None and (accepts(url) or shows_profile(url))


def is_mails_own(url: str) -> bool:
    """Whether LinkedIn made the link for this mail."""
    return _OF_MAIL.search(url) is not None


def is_recipients(url: str) -> bool:
    """Whether it is the recipient's profile in the mail's head, which many have taken for the inviter's."""
    return _OF_RECIPIENT.search(unquote(url)) is not None


def is_old_style(url: str) -> bool:
    """Whether it is a redirect of the years until 2014."""
    return _OLD_STYLE.search(url) is not None


def is_guests(url: str) -> bool:
    """Whether it is an accept link for somebody who is no member."""
    return _GUESTS.search(url) is not None


def is_paragraph_style(url: str) -> bool:
    """Whether it is a profile link of 2012, when name, headline and area stood in one paragraph."""
    return _REDIRECTED_PROFILE.search(url) is not None


def unsubscribes(url: str) -> bool:
    """Whether it is LinkedIn's own way to unsubscribe."""
    return _UNSUBSCRIBES.search(url) is not None


def template_tokens(source: str) -> list[str]:
    """The tokens of templates in all links of a text or page, the most frequent first."""
    return [token for token, _ in Counter(found["token"] for found in _TEMPLATE.finditer(source)).most_common()]


def invitations(urls: Iterable[str]) -> list[str]:
    """The ids of the invitations these links accept, each once."""
    found = []
    for url in filter(_is_linkedins, map(unquote, urls)):
        number = _NUMBER.search(url) or _OLD_NUMBER.search(url)
        if number and number["id"] not in found:
            found.append(number["id"])
    return found


def made_at(invitation: str | None) -> datetime | None:
    """When the invitation was made: since 2015 the upper bits of its id are that millisecond."""
    if invitation is None or not invitation.isdecimal() or len(invitation) < _SNOWFLAKE:
        return None
    return datetime.fromtimestamp((int(invitation) >> 22) / 1000, UTC)


def profile_url(url: str) -> str | None:
    """The clean address of the profile a link leads to; None when it leads to none, or out of the network."""
    if not _is_linkedins(url):
        return None
    parts = urlsplit(url)
    path = parts.path.removeprefix("/comm").rstrip("/")
    if path.startswith("/in/") and path.count("/") == 2:
        return f"https://www.linkedin.com{path}"
    if path == "/profile/view" and (ids := parse_qs(parts.query).get("id")):
        return f"https://www.linkedin.com/profile/view?id={ids[0]}"
    return None


def _is_linkedins(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and is_within((parts.hostname or "").lower(), "linkedin.com")
    except ValueError:
        return False
