"""DKIM signatures: what they say of themselves, and whether they hold. Only this module imports dkimpy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gateway.model import Mail

MOST = 5  # signatures looked at; 200 of them cost a second
_SHORTEST_KEY = 1024  # bits, RFC 8301
# What dkimpy lets through, beside its own errors, on headers that begin with a space, keys that are none and the like.
_GIVES_UP = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
_TAG = re.compile(r"(?:^|;)\s*(?P<name>[a-z]+)\s*=\s*(?P<value>[^;]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature field: where it stands, and what it claims."""

    number: int
    domain: str
    selector: str
    algorithm: str
    fields: tuple[str, ...]  # h=, lower case, in order, with repetitions
    value: str  # b= without white space
    partial: bool  # it has l=, so that anything may have been added behind


def signatures_of(mail: Mail) -> list[Signature]:
    """The signatures of a mail, topmost first."""
    return [_signature(number, value) for number, value in enumerate(mail.header("DKIM-Signature")[:MOST])]


def _signature(number: int, value: str) -> Signature:
    tags = {found["name"].lower(): found["value"].strip() for found in _TAG.finditer(value)}
    return Signature(
        number=number,
        domain=tags.get("d", "").lower().rstrip("."),
        selector=tags.get("s", "").lower(),
        algorithm=tags.get("a", "").lower(),
        fields=tuple(field.strip().lower() for field in tags.get("h", "").split(":") if field.strip()),
        value=re.sub(r"\s", "", tags.get("b", "")),
        partial="l" in tags,
    )


def verify(mail: Mail, signature: Signature, resolve: Callable[[str], bytes | None]) -> str | None:
    """Why a signature does not hold; None when it does. What `resolve` raises goes on."""
    if signature.partial:
        return "it covers only a part of the mail"
    if signature.algorithm != "rsa-sha256" and signature.algorithm != "ed25519-sha256":
        return f"{signature.algorithm or 'its algorithm'} proves nothing any more"
    present = Counter(name.lower() for name, _ in mail.headers)
    covered = Counter(signature.fields)
    if "from" not in covered or any(present[field] > covered[field] for field in ("from", "to", "subject", "date")):
        return "a decisive field stands more often in the mail than it was signed"
    return _check(mail, signature, resolve)


def _check(mail: Mail, signature: Signature, resolve: Callable[[str], bytes | None]) -> str | None:
    import dkim  # heavy, and needed only where signatures are checked here

    def txt(name: bytes | str, timeout: float = 5) -> bytes | None:  # noqa: ARG001 - dkimpy passes it
        return resolve(name.decode("ascii") if isinstance(name, bytes) else name)

    try:
        holds = dkim.DKIM(mail.raw, minkey=_SHORTEST_KEY).verify(idx=signature.number, dnsfunc=txt)
    except (dkim.DKIMException, *_GIVES_UP) as exc:
        return str(exc) or type(exc).__name__
    return None if holds else "the mail was changed after it was signed"
