"""Where a mail comes from, as far as it can be proved: the owner's own mail server's word, or DKIM itself.

Nothing a sender can write counts: not From, not X-LinkedIn-*, not an Authentication-Results line of another host,
nor one of the right name that was in the mail before the owner's server took it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import authres

from gateway.model import Authentic, Mail, Provenance
from gateway.signatures import MOST, Signature, signatures_of, verify

_FROM_HOST = re.compile(r"^from\s+(?P<host>[^\s(;]+)", re.IGNORECASE)
_BY_HOST = re.compile(r"\bby\s+(?P<host>[^\s(;]+)", re.IGNORECASE)
# A name without a dot, of a network of one's own, or an address.
_PRIVATE = re.compile(r"[^.]+|.+\.(?:internal|intern|local|lan|localdomain|home\.arpa|corp|private)|[\d.]+|.*:.*")
_FAILED = frozenset({"fail", "permerror", "policy"})
_SHORT_SUFFIX = 3  # letters: "co.uk", "com.au", "gov.br" are suffixes, "linkedin.com" is none
_NO_REPLY = re.compile(r"(do)?[-_.]?not?[-_.]?reply|mailer-daemon|postmaster|bounces?([-+].*)?|nobody", re.IGNORECASE)

Resolve = Callable[[str], bytes | None]  # the TXT record of a name; DnsAway when nobody answers


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose word the owner takes, and who the owner is."""

    authserv_id: tuple[str, ...]
    own: frozenset[str]  # the owner's addresses, lower case
    resolve: Resolve | None = None  # set: check signatures ourselves instead of reading the header


@dataclass(frozen=True, slots=True)
class _Result:
    """One method's result in an Authentication-Results line."""

    method: str
    value: str
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Proof:
    """What was found out about the From domain's own signature."""

    authentic: Authentic
    why: str
    signature: Signature | None = None  # the one that passed, where it can be told which
    first_hand: bool = False  # aligned SPF: the mail came from the network itself, not by way of somebody


def authenticate(mail: Mail, trust: Trust) -> Provenance:
    """What can be proved about a mail's origin; DnsAway when it must be asked again later."""
    if len(mail.from_) != 1:
        return Provenance(Authentic.NONE, "it does not say who it is from", reply_to_why="its origin is not proved")
    organisation = organisational_domain(mail.from_[0].domain)
    results = list(_own_results(mail, trust.authserv_id))
    if mail.from_[0].address.lower() in trust.own and _logged_in(results, trust.own):
        why = f"{', '.join(trust.authserv_id)} says that you were logged in when you sent it"
        return Provenance(Authentic.PASS, why, reply_to_why="it is from you")
    if trust.resolve:
        proof = _verified(mail, organisation, trust.resolve, results)
    else:
        proof = _read(mail, organisation, trust.authserv_id, results)
    why_not = _why_not_reply_to(mail, trust, proof, organisation)
    return Provenance(
        proof.authentic,
        proof.why,
        reply_to_trusted=why_not is None,
        reply_to_why=why_not or "signed for you, and Reply-To with it",
        sent_to_owner=not trust.own or _is_for(mail, trust.own),
    )


def _is_for(mail: Mail, own: frozenset[str]) -> bool:
    return not own.isdisjoint(one.address.lower() for one in mail.to)


def organisational_domain(domain: str) -> str:
    """The part of a name that somebody registered ("mail.example.co.uk": "example.co.uk")."""
    labels = domain.lower().rstrip(".").split(".")
    country = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= _SHORT_SUFFIX
    return ".".join(labels[-3:] if country else labels[-2:])


def _aligned(domain: str, organisation: str) -> bool:
    name = domain.lower().rstrip(".")
    return name == organisation or name.endswith(f".{organisation}")


# The header of the owner's own server


def _read(mail: Mail, organisation: str, authserv_id: tuple[str, ...], results: list[_Result]) -> _Proof:
    if not authserv_id:
        return _Proof(Authentic.NONE, "no mail server is named in [authentication], so nobody vouches for it")
    ours = [found for found in results if found.method == "dkim" and _aligned(_signer(found), organisation)]
    passed = next((found for found in ours if found.value == "pass"), None)
    host = ", ".join(authserv_id)
    if passed:
        signature = _signature_of(passed, mail, organisation)
        why = f"{host} found the signature of {_signer(passed)} good"
        return _Proof(Authentic.PASS, why, signature, _first_hand(results, organisation))
    if any(found.value in _FAILED for found in ours):
        return _Proof(Authentic.FAIL, f"{host} found the signature of {organisation} wrong")
    others = sorted({_signer(found) for found in results if found.method == "dkim" and found.value == "pass"})
    if others:
        return _Proof(Authentic.NONE, f"{host} found a signature of {', '.join(others)}, but none of {organisation}")
    return _Proof(Authentic.NONE, f"{host} says nothing about a signature of {organisation}")


class _Results(authres.core.AuthenticationResultsHeader):  # type: ignore[misc]  # it has no types
    """The field as authres reads it, which puts each of its patterns together anew for every word."""

    _parse_text: str

    def _parse_pattern(self, pattern: str) -> re.Match[str] | None:
        found = _pattern(pattern).search(self._parse_text)
        if found:
            self._parse_text = self._parse_text[: found.start()] + self._parse_text[found.end() :]
        return found


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(f"^{pattern}", re.IGNORECASE)  # authres has about thirty


def _own_results(mail: Mail, authserv_id: tuple[str, ...]) -> Iterator[_Result]:
    """The results our own server wrote when it took the mail in: those above the line that says so."""
    wanted = {name.lower() for name in authserv_id}
    for name, header, _ in _lines(_above_the_border(mail.headers, authserv_id)):
        if name not in wanted:
            continue
        for result in header.results:
            if result.version not in (None, "1"):
                continue
            properties = {f"{prop.type}.{prop.name}": str(prop.value).lower() for prop in result.properties}
            yield _Result(result.method.lower(), str(result.result).lower(), properties)


def _lines(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, authres.AuthenticationResultsHeader, str]]:
    """The Authentication-Results among some fields that follow the grammar: whose, as read, and as they stand there."""
    for field, value in headers:
        if field.lower() != "authentication-results":
            continue
        try:
            header = _Results.parse_value(authres.core_features(), value)
        except (authres.core.AuthResError, authres.core.SyntaxError, ValueError, IndexError):
            continue
        if header.version in (None, "1"):
            yield (header.authserv_id or "").lower(), header, value


def believable(mail: Mail) -> tuple[str, ...]:
    """The servers whose Authentication-Results on this mail would count if they were configured, topmost first.

    What one mail says is no proof, since its sender may have made it up.
    """
    names = dict.fromkeys(name for name, _, _ in _lines(mail.headers) if name)
    return tuple(name for name in names if believed(mail, (name,)))


def believed(mail: Mail, authserv_id: tuple[str, ...]) -> list[str]:
    """The Authentication-Results of these servers that count, as they stand in the mail."""
    wanted = {name.lower() for name in authserv_id}
    return [value for name, _, value in _lines(_above_the_border(mail.headers, authserv_id)) if name in wanted]


def _above_the_border(headers: Iterable[tuple[str, str]], authserv_id: tuple[str, ...]) -> list[tuple[str, str]]:
    """The fields above the Received line our server wrote on taking the mail from outside.

    None where there is no such line, or where a stranger's server stands above it, which may have made it up: then it
    cannot be told which lines are ours.
    """
    above: list[tuple[str, str]] = []
    homes = {organisational_domain(name) for name in authserv_id}
    for name, value in headers:
        if name.lower() == "received":
            if _came_from_outside(value, authserv_id, homes):
                return above
            if _is_elsewhere(value, homes):
                return []
        above.append((name, value))
    return []


def _is_elsewhere(received: str, homes: set[str]) -> bool:
    """Whether a server took the mail over that is neither the owner's nor behind one, as private names are."""
    by, sender = _BY_HOST.search(received), _FROM_HOST.search(received)
    if by is None or sender is None:
        return False
    host = by["host"].lower().strip("[]").rstrip(".")
    return not _PRIVATE.fullmatch(host) and not any(_aligned(host, home) for home in homes)


def _came_from_outside(received: str, authserv_id: tuple[str, ...], homes: set[str]) -> bool:
    by, sender = _BY_HOST.search(received), _FROM_HOST.search(received)
    if by is None or sender is None:
        return False
    host = by["host"].lower().rstrip(".")
    at_home = host in {name.lower() for name in authserv_id} or any(_aligned(host, home) for home in homes)
    return at_home and not any(_aligned(sender["host"], home) for home in homes)


def _signer(result: _Result) -> str:
    domain = result.properties.get("header.d") or result.properties.get("header.i", "").rpartition("@")[2]
    return domain.rstrip(".")


def _first_hand(results: Iterable[_Result], organisation: str) -> bool:
    return any(
        found.method == "spf"
        and found.value == "pass"
        and _aligned(found.properties.get("smtp.mailfrom", "").rpartition("@")[2], organisation)
        for found in results
    )


def _logged_in(results: Iterable[_Result], own: frozenset[str]) -> bool:
    """Whether our own server took the mail from somebody who had logged in as the owner (RFC 8601 section 2.7.4)."""
    return any(
        found.method == "auth" and found.value == "pass" and found.properties.get("smtp.auth") in own
        for found in results
    )


def _signature_of(passed: _Result, mail: Mail, organisation: str) -> Signature | None:
    """The signature a result speaks of; None when it could be more than one, or one that was not looked at."""
    if len(mail.header("DKIM-Signature")) > MOST:
        return None
    selector, start = passed.properties.get("header.s"), passed.properties.get("header.b")
    fitting = [
        signature
        for signature in signatures_of(mail)
        if _aligned(signature.domain, organisation)
        and signature.domain == _signer(passed)
        and (selector is None or signature.selector == selector)
        and (start is None or signature.value.lower().startswith(start))
    ]
    return fitting[0] if len(fitting) == 1 else None


# The signature itself


def _verified(mail: Mail, organisation: str, resolve: Resolve, results: list[_Result]) -> _Proof:
    outcomes = []
    for signature in signatures_of(mail):
        if not _aligned(signature.domain, organisation):
            continue
        why_not = verify(mail, signature, resolve)
        if why_not is None:
            why = f"the signature of {signature.domain} is good"
            return _Proof(Authentic.PASS, why, signature, _first_hand(results, organisation))
        outcomes.append(f"{signature.domain}: {why_not}")
    if outcomes:
        return _Proof(Authentic.FAIL, "; ".join(outcomes))
    return _Proof(Authentic.NONE, f"it carries no signature of {organisation}")


# Reply-To


def _why_not_reply_to(mail: Mail, trust: Trust, proof: _Proof, organisation: str) -> str | None:
    """Why an answer may not go to Reply-To; None when it may (docs/safety.md has the reasons for each condition)."""
    if proof.authentic is not Authentic.PASS:
        return "its origin is not proved"
    if len(mail.header("Reply-To")) != 1 or len(mail.reply_to) != 1:
        return "it has not exactly one Reply-To with one address"
    box = mail.reply_to[0]
    if _aligned(box.domain, organisation) or _NO_REPLY.fullmatch(box.address.rpartition("@")[0]):
        return f"{box.address} is nobody's own address"
    signature = proof.signature
    if signature is None:
        return "it cannot be told which of its signatures was found good"
    if signature.partial:
        return "the signature covers only a part of the mail"
    if "to" not in signature.fields:
        return "the signature does not cover to whom it was sent"
    if not _is_for(mail, trust.own):
        return "it was sent to somebody else"
    if "reply-to" in signature.fields or proof.first_hand:
        return None
    return "the signature does not cover Reply-To, and the mail did not come first-hand"
