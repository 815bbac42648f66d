"""Non-delivery reports on answers of ours, told by our own Message-ID in them; whoever they claim to be from."""

from __future__ import annotations

import re

from gateway.letter import LETTER_ID
from gateway.model import Mail

_FAILED = re.compile(rb"^Action:\s*failed", re.IGNORECASE | re.MULTILINE)

# What a mailbox is asked for, beside the networks' mails.
SEARCH = (("FROM", "mailer-daemon"), ("FROM", "postmaster"))


def bounced_letters(mail: Mail) -> frozenset[str]:
    """Message-IDs of our letters that this report says were not delivered; empty for any other mail (RFC 3464)."""
    if "multipart/report" not in mail.content_types[:1] or not _FAILED.search(mail.raw):
        return frozenset()
    return frozenset(LETTER_ID.findall(mail.raw.decode("latin-1")))
