"""The owner's policy: ordered rules, first match wins, and each decision says which rule and why.

Above the table stand the etiquette that no policy can switch off, and what the owner said once and for all of a
person or company. In it the owner's own rows come before the preset's. The last row always holds. What a mail does not
say is unknown; unknown fulfils no condition.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.affiliation import Affiliation, Institution, affiliation, fold, speaks_of
from gateway.cases import INVITES, identify
from gateway.errors import BadPolicy
from gateway.model import Authentic, Decision, Findings, Kind, Known, Notification, Person, Scope, Standing, Verdict
from gateway.people.company import same
from gateway.people.keys import address_key
from gateway.rules import Group, PolicySettings, Rule, When, preset_table

_MOST_MATCHES = 5  # acquaintances laid out in a decision


@dataclass(frozen=True, slots=True)
class Policy:
    """The table, ready to decide by."""

    rows: tuple[Rule, ...]
    institutions: tuple[Institution, ...]
    groups: tuple[Group, ...]
    addresses: frozenset[str]  # the owner's, lower case
    elsewhere: frozenset[str] = frozenset()  # further ones that are answered as little, but give no orders
    standing: tuple[Standing, ...] = ()  # what the owner said of persons and companies, in the order it counts

    @property
    def own(self) -> frozenset[str]:
        """Keys of the owner's addresses: whom nothing is sent to."""
        return frozenset(map(address_key, self.addresses | self.elsewhere))

    @property
    def decline_template(self) -> str | None:
        """The answer of a decline that no other row has a better one for."""
        return next((row.reply for row in reversed(self.rows) if row.verdict is Verdict.DECLINE), None)

    @property
    def text(self) -> str:
        """All that a decision depends on but the mail and the records, one row a line; the same for the same policy."""
        rows = [row.model_dump(mode="json", exclude_defaults=True) for row in self.rows]
        rows += [{"institution": institution.name} for institution in self.institutions]
        rows += [{"group": group.model_dump(mode="json")} for group in self.groups]
        # A person by the case alone: who is to be forgotten must not live on in the policies that were in force.
        rows += [
            {word.word: word.name if word.scope is Scope.COMPANY else word.case, "said": word.said.isoformat()}
            for word in self.standing
        ]
        return "".join(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


_EVERYBODY_ELSE = Rule(name="nothing-fits", verdict=Verdict.HUMAN, because="no row of your policy speaks of this")


def compile_policy(
    settings: PolicySettings,
    rules: tuple[Rule, ...],
    *,
    institutions: tuple[str, ...],
    own: frozenset[str],
    elsewhere: frozenset[str] = frozenset(),
    groups: tuple[Group, ...] = (),
) -> Policy:
    """The table of an owner; BadPolicy when two rows have one name, since a decision could not say which it was."""
    of_preset = preset_table(settings.preset, settings.switched_on)
    rows = [*rules, *(row for row in of_preset if groups or not row.when.group)]
    if not rows[-1].when.always:
        rows.append(_EVERYBODY_ELSE)
    names = [row.name for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise BadPolicy(f"two rules are called {name!r}; call yours something else")
    named = {institution.words: institution for institution in map(Institution.named, reversed(institutions))}
    addresses = frozenset(address.lower() for address in own)
    return Policy(tuple(rows), tuple(reversed(named.values())), groups, addresses, elsewhere)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the rows look at: the findings, and what follows from them and the owner's institution."""

    findings: Findings
    inviter: Person
    place: Affiliation | None
    group: Group | None


def decide(findings: Findings, policy: Policy) -> Decision:
    """The verdict, the row that gave it, and why; the same findings always give the same decision."""
    if decided := _etiquette(findings, policy) or _standing(findings, policy):
        return decided
    facts = _facts(findings, policy)
    row = next(row for row in policy.rows if _holds(row.when, facts))
    if row.when.reads_the_note and not findings.note.read:
        return Decision(Verdict.HUMAN, "note-not-read", tuple(_unread(row, findings)))
    return Decision(row.verdict, row.name, tuple(dict.fromkeys(_because(row, facts))), row.reply)


def fits(when: When, findings: Findings, policy: Policy) -> bool:
    """Whether a row with these conditions would fit."""
    return _holds(when, _facts(findings, policy))


def group_for(findings: Findings, policy: Policy) -> Group | None:
    """The group of the owner's that the inviter's headline fits."""
    return _facts(findings, policy).group


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
    if address and address_key(address) in policy.own:
        return Decision(Verdict.HUMAN, "from-yourself", ("the inviter's address is your own",))
    if not provenance.sent_to_owner:
        # Whoever got a genuine invitation of their own could hand it on to us as it is.
        return Decision(Verdict.HUMAN, "not-sent-to-you", ("it was sent to an address that is none of yours",))
    return None


def concerns(word: Standing, network: str, inviter: Person) -> bool:
    """Whether a standing word speaks of this inviter."""
    if word.scope is Scope.COMPANY:
        return inviter.company is not None and same(inviter.company, word.name)
    return identify(Notification(network, Kind.INVITATION, inviter)).person == word.key


def _standing(findings: Findings, policy: Policy) -> Decision | None:
    """What the owner said once and for all of this person, or else of their company."""
    notification = findings.notification
    inviter = notification.inviter or Person()
    word = next((word for word in policy.standing if concerns(word, notification.network, inviter)), None)
    if word is None:
        return None
    because = (f"you said '{word.word}' for {word.name} on {word.said:%Y-%m-%d} ({word.case})", findings.dossier.why)
    return Decision(Verdict.ACCEPT if word.always else Verdict.DECLINE, "standing-word", because)


def _article(kind: Kind) -> str:
    return {
        Kind.ACCEPTED: "a notice that somebody accepted",
        Kind.MESSAGE: "a message",
        Kind.DIGEST: "a digest",
        Kind.SUGGESTION: "a suggestion of the network's own",
    }.get(kind, "a mail that invites to nothing")


def _facts(findings: Findings, policy: Policy) -> _Facts:
    inviter = findings.notification.inviter or Person()
    place = affiliation(inviter.headline, findings.note.text, policy.institutions)
    group = next((group for group in policy.groups if place and speaks_of(group.match, inviter.headline, place)), None)
    return _Facts(findings, inviter, place, group)


def _holds(when: When, facts: _Facts) -> bool:
    """Whether all conditions hold; what an unread note says counts as said, so that decide() sees it was asked."""
    findings, inviter, note = facts.findings, facts.inviter, facts.findings.note
    signals, unread = frozenset(note.signals), not note.read
    checks: tuple[tuple[object, Callable[[], bool]], ...] = (
        (when.kind, lambda: findings.notification.kind in when.kind),
        (when.network, lambda: findings.notification.network in when.network),
        (when.known, lambda: findings.dossier.known in when.known),
        (when.note, lambda: note.kind is when.note),
        (when.signals, lambda: unread or not signals.isdisjoint(when.signals)),
        (when.all_signals, lambda: unread or signals.issuperset(when.all_signals)),
        (when.not_signals, lambda: unread or signals.isdisjoint(when.not_signals)),
        (when.name, lambda: _fits(when.name, inviter.name)),
        (when.headline, lambda: _fits(when.headline, inviter.headline)),
        (when.company, lambda: _fits(when.company, inviter.company)),
        (when.address, lambda: _fits(when.address, inviter.address)),
        (when.language, lambda: (note.language or findings.notification.language) in when.language),
        (when.affiliation, lambda: facts.place in when.affiliation),
        (when.group is not None, lambda: (facts.group is not None) is when.group),
        (when.recommended is not None, lambda: findings.dossier.recommended is when.recommended),
        (when.announced is not None, lambda: findings.dossier.announced is when.announced),
        (when.repeat is not None, lambda: (findings.earlier > 0) is when.repeat),
    )
    return all(check() for given, check in checks if given)


def _fits(patterns: tuple[str, ...], value: str | None) -> bool:
    return value is not None and any(fnmatchcase(fold(value), fold(pattern)) for pattern in patterns)


def _unread(row: Rule, findings: Findings) -> Iterator[str]:
    language = f" ({findings.note.language})" if findings.note.language else ""
    yield f"their note is in a language I cannot read{language}, and “{row.name}” asks what it says"
    yield findings.dossier.why


def _because(row: Rule, facts: _Facts) -> Iterator[str]:
    """What the row says, then the facts that made it fit, then what else the owner should know."""
    when, inviter, findings = row.when, facts.inviter, facts.findings
    if row.because:
        yield row.because
    asked = {*when.signals, *when.all_signals}
    yield from (f"they wrote “{item.words}” ({item.signal})" for item in findings.note.evidence if item.signal in asked)
    if inviter.headline and (when.headline or (facts.place and (when.affiliation or when.group))):
        yield f"their headline says “{inviter.headline}”"
    for given, word, value in (
        (when.name, "name", inviter.name),
        (when.company, "company", inviter.company),
        (when.address, "address", inviter.address),
    ):
        if given and value:
            yield f"their {word} is “{value}”"
    yield from _records(findings)


def _records(findings: Findings) -> Iterator[str]:
    """What the owner's records say of the inviter."""
    dossier = findings.dossier
    yield dossier.why
    if dossier.known is Known.MAYBE:
        yield from (match.why for match in dossier.matches[:_MOST_MATCHES])
    if dossier.recommended:
        yield "somebody you know recommended them to you by mail"
    if dossier.announced:
        yield "they announced the invitation to you by mail"
    yield from (f"{claim.what}: {claim.outcome}, {claim.why}" for claim in dossier.claims)
    if findings.earlier:
        yield f"you declined this person before ({findings.earlier} time{'s' if findings.earlier > 1 else ''})"
