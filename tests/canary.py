"""A secret in every spelling it could leak in."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus


def spellings(secret: str) -> Iterator[str]:
    """As it is, for a URL, in hexadecimal, and as a part of anything in base64."""
    raw = secret.encode()
    yield from (secret, quote(secret, safe=""), quote_plus(secret), raw.hex(), raw.hex().upper())
    for before in range(3):
        # The letters that also depend on what stands around it are cut off.
        start, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(b"x" * before + raw).decode()[start:end]


def found_in(text: str, *secrets: str) -> list[str]:
    """Which spellings of which secrets stand in a text."""
    return [spelling for secret in secrets for spelling in spellings(secret) if spelling in text]
