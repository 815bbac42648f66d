"""What a server said, fit to be logged: without the secret it was told, in whatever form it repeats it."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

_REPEATS = "its words repeat the password"


def without(secret: str, said: str) -> str:
    """The words, or that they repeat the secret: as it is, percent-encoded, in hex, or in base64 of any alignment."""
    folded = said.casefold()
    return _REPEATS if any(form.casefold() in folded for form in _forms(secret) if form) else said


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield from (secret, quote(secret, safe=""), quote_plus(secret), raw.hex(), repr(secret)[1:-1])
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):
            # What stands before and behind it shares a letter with its first and its last byte.
            encoded = encode(bytes(shift) + raw).decode().rstrip("=")
            inner = encoded[(shift * 8 + 5) // 6 :]
            yield inner if len(raw) % 3 == (3 - shift) % 3 else inner[:-1]
