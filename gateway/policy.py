"""The owner's policy: ordered rules, first match wins, and each decision says which rule and why.

Three tables stand one above the other: the etiquette that no policy can switch off, the owner's own rows, and
the preset's. The last row always holds. What a mail does not say is unknown; unknown fulfils no condition.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from typing import Annotated

from pydantic import BeforeValidator, field_validator

from gateway.affiliation import Affiliation, Institution, affiliation, fold
from gateway.cases import INVITES
from gateway.errors import BadPolicy
from gateway.model import Authentic, Decision, Findings, Kind, Known, NoteKind, Signal, Verdict
from gateway.settings import Section, Words, listed


class When(Section):
    """The conditions of a rule; all that are given must hold, one of a list is enough."""

    kind: Annotated[tuple[Kind, ...], BeforeValidator(listed)] = ()
    network: Words = ()
    known: Annotated[tuple[Known, ...], BeforeValidator(listed)] = ()
    note: NoteKind | None = None
    signals: Annotated[tuple[Signal, ...], BeforeValidator(listed)] = ()
    """At least one of these."""
    all_signals: Annotated[tuple[Signal, ...], BeforeValidator(listed)] = ()
    not_signals: Annotated[tuple[Signal, ...], BeforeValidator(listed)] = ()
    name: Words = ()
    """Patterns with * and ?, case and diacritics folded; likewise headline, company and address."""
    headline: Words = ()
    company: Words = ()
    address: Words = ()
    language: Words = ()
    affiliation: Annotated[tuple[Affiliation, ...], BeforeValidator(listed)] = ()
    """What headline or note tells of a place at the owner's institution."""
    recommended: bool | None = None
    announced: bool | None = None
    repeat: bool | None = None
    """Whether the same person was declined before."""

    @property
    def always(self) -> bool:
        return self == When()


class Rule(Section):
    """A row of the policy table."""

    name: str
    when: When = When()
    verdict: Verdict
    reply: str | None = None
    because: str | None = None
    """A sentence for the decision; left out: the facts that made the row fit."""

    @field_validator("verdict")
    @classmethod
    def _not_ignore(cls, value: Verdict) -> Verdict:
        if value is Verdict.IGNORE:
            raise ValueError('an invitation is never ignored; write "decline" without a reply for a quiet no')
        return value


class Group(Section):
    """Where people of an affiliation are asked to go instead."""

    match: Words
    url: str
    name: str = ""

    @field_validator("url")
    @classmethod
    def _https(cls, value: str) -> str:
        if not value.startswith("https://"):
            raise ValueError("a link in a reply starts with https://")
        return value


class PolicySettings(Section):
    preset: str = "previous-interaction"
    strict: bool = False
    """no-boilerplate: the default text is declined even from people the owner knows."""
    announced: bool = False
    """Somebody who announced the invitation by mail beforehand is welcome despite the default text."""
    known_default: Verdict = Verdict.ACCEPT
    """one-good-reason: what becomes of the default text from people the owner knows."""
    answer_in: Words = ()
    """Languages the owner is content to be quoted in; left out: [me] language only."""

    @field_validator("preset")
    @classmethod
    def _exists(cls, value: str) -> str:
        if value not in preset_names():
            raise ValueError(f"{value!r} is no preset; there are {', '.join(preset_names())}")
        return value


@dataclass(frozen=True, slots=True)
class Policy:
    """The table, ready to decide by."""

    rows: tuple[Rule, ...]
    institutions: tuple[Institution, ...]
    own: frozenset[str]  # the owner's addresses, lower case

    @property
    def decline_template(self) -> str | None:
        """The answer of a decline that no other row has a better one for."""
        return next((row.reply for row in reversed(self.rows) if row.verdict is Verdict.DECLINE), None)

    @property
    def text(self) -> str:
        """The table in a form that never changes for the same table."""
        return json.dumps([row.model_dump(mode="json", exclude_defaults=True) for row in self.rows], sort_keys=True)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


_EVERYBODY_ELSE = Rule(name="nothing-fits", verdict=Verdict.HUMAN, because="no row of your policy speaks of this")


@functools.cache
def preset_names() -> tuple[str, ...]:
    """The presets there are; the folder is the registry."""
    folder = resources.files("gateway") / "presets"
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def preset(name: str) -> tuple[Rule, ...]:
    """The rows of a preset."""
    source = (resources.files("gateway") / "presets" / f"{name}.toml").read_text("utf-8")
    return tuple(Rule.model_validate(row) for row in tomllib.loads(source)["rule"])


def compile_policy(
    settings: PolicySettings, rules: tuple[Rule, ...], *, institutions: tuple[str, ...], own: frozenset[str]
) -> Policy:
    """The table of an owner; BadPolicy when two of the owner's rows have one name."""
    names = [rule.name for rule in rules]
    if len(set(names)) != len(names):
        raise BadPolicy("two rules have the same name; a decision could not say which it was")
    rows = (*rules, *_switched(settings, preset(settings.preset)), _EVERYBODY_ELSE)
    return Policy(rows, tuple(Institution.named(name) for name in institutions), own)


def _switched(settings: PolicySettings, rows: tuple[Rule, ...]) -> Iterator[Rule]:
    """The preset's rows as the owner's switches leave them."""
    if settings.announced:
        when = When(announced=True)
        yield Rule(name="announced", when=when, verdict=Verdict.ACCEPT, because="they announced it to you by mail")
    for row in rows:
        if settings.strict and row.name == "known-but-stock-sentence":
            continue
        if (
            row.name == "known"
            and settings.preset == "one-good-reason"
            and settings.known_default is not Verdict.ACCEPT
        ):
            stock = When(known=(Known.YES,), note=NoteKind.DEFAULT)
            yield Rule(
                name="known-but-stock-sentence",
                when=stock,
                verdict=settings.known_default,
                because="you have interacted, but they took the stock sentence",
            )
        yield row


def decide(findings: Findings, policy: Policy) -> Decision:
    """The verdict, the row that gave it, and why; the same findings always give the same decision."""
    by_etiquette = _etiquette(findings, policy)
    if by_etiquette:
        return by_etiquette
    place = _affiliation(findings, policy)
    row = next(row for row in policy.rows if _holds(row.when, findings, place))
    return Decision(row.verdict, row.name, tuple(_because(row, findings, place)), row.reply)


def _etiquette(findings: Findings, policy: Policy) -> Decision | None:
    """What no policy can switch off."""
    notification, provenance = findings.notification, findings.provenance
    if notification.kind not in INVITES:
        return Decision(Verdict.IGNORE, "not-an-invitation", (f"it is {_article(notification.kind)}",))
    if findings.malformed:
        return Decision(Verdict.HUMAN, "malformed", (f"the mail is malformed: {', '.join(findings.malformed)}",))
    if provenance.authentic is not Authentic.PASS:
        return Decision(Verdict.HUMAN, "not-proved-genuine", (f"it is not proved genuine: {provenance.why}",))
    address = notification.inviter.address if notification.inviter else None
    if address and address.lower() in policy.own:
        return Decision(Verdict.HUMAN, "from-yourself", ("the inviter's address is your own",))
    return None


def _article(kind: Kind) -> str:
    return {
        Kind.ACCEPTED: "a notice that somebody accepted",
        Kind.MESSAGE: "a message",
        Kind.DIGEST: "a digest",
        Kind.SUGGESTION: "a suggestion of the network's own",
    }.get(kind, "a mail that invites to nothing")


def _affiliation(findings: Findings, policy: Policy) -> Affiliation | None:
    inviter = findings.notification.inviter
    return affiliation(inviter.headline if inviter else None, findings.note.text, policy.institutions)


def _holds(when: When, findings: Findings, place: Affiliation | None) -> bool:
    notification, dossier, note = findings.notification, findings.dossier, findings.note
    inviter, signals = notification.inviter, frozenset(note.signals)
    checks: tuple[tuple[object, Callable[[], bool]], ...] = (
        (when.kind, lambda: notification.kind in when.kind),
        (when.network, lambda: notification.network in when.network),
        (when.known, lambda: dossier.known in when.known),
        (when.note, lambda: note.kind is when.note),
        (when.signals, lambda: not signals.isdisjoint(when.signals)),
        (when.all_signals, lambda: signals.issuperset(when.all_signals)),
        (when.not_signals, lambda: note.read and signals.isdisjoint(when.not_signals)),
        (when.name, lambda: _fits(when.name, inviter.name if inviter else None)),
        (when.headline, lambda: _fits(when.headline, inviter.headline if inviter else None)),
        (when.company, lambda: _fits(when.company, inviter.company if inviter else None)),
        (when.address, lambda: _fits(when.address, inviter.address if inviter else None)),
        (when.language, lambda: (note.language or notification.language) in when.language),
        (when.affiliation, lambda: place in when.affiliation),
        (when.recommended is not None, lambda: dossier.recommended is when.recommended),
        (when.announced is not None, lambda: dossier.announced is when.announced),
        (when.repeat is not None, lambda: (findings.earlier > 0) is when.repeat),
    )
    return all(check() for given, check in checks if given)


def _fits(patterns: tuple[str, ...], value: str | None) -> bool:
    return value is not None and any(fnmatchcase(fold(value), fold(pattern)) for pattern in patterns)


def _because(row: Rule, findings: Findings, place: Affiliation | None) -> Iterator[str]:
    """The facts behind a decision, in sentences: first what the row says, then what made it fit."""
    when, inviter = row.when, findings.notification.inviter
    if row.because:
        yield row.because
    if when.known or when.always or not row.because:
        yield findings.dossier.why
    wanted = frozenset((*when.signals, *when.all_signals))
    yield from (
        f"they wrote “{item.words}” ({item.signal})" for item in findings.note.evidence if item.signal in wanted
    )
    if place and when.affiliation and inviter and inviter.headline:
        yield f"their headline says “{inviter.headline}”"
    if not findings.note.read:
        yield f"their note is in a language I have no phrasebook for ({findings.note.language or 'unknown'})"
    if findings.earlier:
        yield f"you declined this person before ({findings.earlier} time{'s' if findings.earlier > 1 else ''})"
    yield from (f"{claim.what}: {claim.outcome}, {claim.why}" for claim in findings.dossier.claims)
