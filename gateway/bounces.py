"""Non-delivery reports on answers of ours, told by our own Message-ID in them; whoever they claim to be from."""

from __future__ import annotations

import re

from gateway.model import Mail

_LETTER = re.compile(rb"<rsvpd\.[0-9a-f]{32}@[^<>\s]{1,200}>")
_FAILED = re.compile(rb"^Action:\s*failed", re.IGNORECASE | re.MULTILINE)

# What a mailbox is asked for, beside the networks' mails.
SEARCH = (("FROM", "mailer-daemon"), ("FROM", "postmaster"))


def bounced_letters(mail: Mail) -> frozenset[str]:
    """Message-IDs of our letters that this report says were not delivered; empty for any other mail (RFC 3464)."""
    if "multipart/report" not in mail.content_types[:1] or not _FAILED.search(mail.raw):
        return frozenset()
    return frozenset(letter.decode("ascii") for letter in _LETTER.findall(mail.raw))
