"""Rows for the owner's policy, read off the cases they decided otherwise; each to be looked at, and pasted or not.

Pure, and never applied by itself. A row is proposed where the owner overruled the policy several times the same way
under a condition, never the other way, and where it would turn over next to nothing that the policy did unopposed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from gateway.affiliation import Affiliation, fold
from gateway.model import Findings, Person, Verdict
from gateway.policy import Policy, decide, fits
from gateway.rules import Rule, When
from gateway.statement import conditions

FEWEST = 3  # cases decided otherwise that make a habit
_UNOPPOSED = 3  # for so many of them the row may turn over one case that the policy decided and nobody minded
_MOST_CONDITIONS = 60  # looked at in pairs
_MOST_CHANGES = 20  # told one by one
_WORD = re.compile(r"[^\W\d_]{4,}")  # of a headline; shorter ones tell nothing
_ANY_SIGN = re.compile(r"[*?\[\]]")
_DECIDED = (Verdict.ACCEPT, Verdict.DECLINE)
_DONE = {Verdict.ACCEPT: "accepted", Verdict.DECLINE: "declined"}
# The keys of a condition, the more telling before the others; among those that fit the same cases it decides.
_KEYS = ("company", "affiliation", "group", "headline", "signals", "note", "known", "language", "network", "kind")


@dataclass(frozen=True, slots=True)
class Decided:
    """A case as it stands: what was found, the verdict, and whether it is the owner's own."""

    case: str
    findings: Findings
    verdict: Verdict
    by_owner: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A case that the row would have decided otherwise than the policy does."""

    case: Decided
    before: Verdict
    after: Verdict


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A row for the owner's policy, above all others, and what it would have changed in the past."""

    rule: Rule
    holds: str  # its conditions in words
    overruled: int  # cases in which the owner overruled the policy as the row does
    agreed: int  # all that the owner decided under its conditions; none the other way
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class _Past:
    """The cases so far, and what the policy would say of each today."""

    cases: Sequence[Decided]
    policy: Policy
    says: tuple[Verdict, ...]

    def bits(self, holds: Callable[[Decided, Verdict], bool]) -> int:
        """Those of which something holds, as bits of a number."""
        return sum(1 << number for number, pair in enumerate(zip(self.cases, self.says, strict=True)) if holds(*pair))

    def of(self, bits: int) -> Iterator[tuple[Decided, Verdict]]:
        return (pair for number, pair in enumerate(zip(self.cases, self.says, strict=True)) if bits >> number & 1)


@dataclass(frozen=True, slots=True)
class _Sets:
    """Cases by what they say about a verdict."""

    overruled: int  # decided so by the owner and not by the policy, though a row of it could
    agreed: int  # decided so by the owner
    against: int  # decided otherwise by the owner
    unopposed: int  # decided otherwise by the policy
    every: int


@dataclass(frozen=True, slots=True)
class _Condition:
    """What may stand behind `when`, and the cases it holds for."""

    given: tuple[tuple[str, object], ...]
    cases: int

    @property
    def when(self) -> When:
        return When.model_validate(dict(self.given))

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key for key, _ in self.given)

    @property
    def order(self) -> tuple[object, ...]:
        """Simple before compound, telling before general, words that are long before short ones."""
        ranks = tuple(_KEYS.index(key) for key, _ in self.given)
        return len(ranks), ranks, -sum(len(str(value)) for _, value in self.given), self.given

    def __and__(self, other: _Condition) -> _Condition:
        given = sorted((*self.given, *other.given), key=lambda one: _KEYS.index(one[0]))
        return _Condition(tuple(given), self.cases & other.cases)


def suggest(decided: Sequence[Decided], policy: Policy) -> tuple[Suggestion, ...]:
    """Rows that would have decided as the owner did, the best supported first; none where nothing recurs."""
    past = _Past(decided, policy, tuple(decide(case.findings, policy).verdict for case in decided))
    found = []
    for verdict in _DECIDED:
        sets = _sets(past, verdict)
        for condition in _chosen(_candidates(past, sets), sets):
            found.append(_suggestion(condition, verdict, past, sets))
    return tuple(sorted(found, key=lambda one: (-one.overruled, one.rule.name)))


def as_toml(suggestion: Suggestion) -> str:
    """The row, ready to be pasted above the owner's other rows, with its reasons as comments."""
    rule = suggestion.rule
    given = rule.when.model_dump(mode="json", exclude_defaults=True)
    conditions = ", ".join(f"{key} = {_value(value)}" for key, value in given.items())
    lines = [f"# {reason}" for reason in _reasons(suggestion)]
    lines += ["[[rule]]", f"name = {_value(rule.name)}", f"when = {{ {conditions} }}", f'verdict = "{rule.verdict}"']
    if rule.verdict is Verdict.DECLINE:
        lines.append('# reply = "short"    # without a reply it is a quiet no')
    return "\n".join(lines) + "\n"


def _reasons(suggestion: Suggestion) -> Iterator[str]:
    done, agreed, changes = _DONE[suggestion.rule.verdict], suggestion.agreed, suggestion.changes
    yield f"You {done} {agreed} of {agreed} where {suggestion.holds}; add this row?"
    yield f"Of the cases so far it decides {len(changes)} otherwise than your policy does now:"
    for change in changes[:_MOST_CHANGES]:
        inviter = change.case.findings.notification.inviter or Person()
        said = f"you {_DONE[change.case.verdict]}" if change.case.by_owner else "you said nothing"
        yield f"  {change.case.case} {inviter.name or '(no name)'}: {change.before} -> {change.after} ({said})"
    if len(changes) > _MOST_CHANGES:
        yield f"  and {len(changes) - _MOST_CHANGES} more"


def _value(value: object) -> str:
    """A TOML value; a list of one is written as that one. JSON's strings and lists are TOML's, too."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    return json.dumps(one, ensure_ascii=False)


# Conditions


def _sets(past: _Past, verdict: Verdict) -> _Sets:
    # What the etiquette leaves to the owner, or a standing word decides, no row of the policy does.
    always = replace(past.policy, rows=(Rule(name="always", verdict=verdict),))
    agreed = past.bits(lambda case, _: case.by_owner and case.verdict is verdict)
    return _Sets(
        overruled=agreed
        & past.bits(lambda case, says: says is not verdict and decide(case.findings, always).verdict is verdict),
        agreed=agreed,
        against=past.bits(lambda case, _: case.by_owner and case.verdict is not verdict),
        unopposed=past.bits(
            lambda case, _: not case.by_owner and case.verdict in _DECIDED and case.verdict is not verdict
        ),
        every=past.bits(lambda *_: True),
    )


def _candidates(past: _Past, sets: _Sets) -> list[_Condition]:
    """Conditions that hold for enough of the overruled cases, one by one and in pairs."""
    overruled = [case.findings for case, _ in past.of(sets.overruled)]
    times = Counter(given for findings in overruled for given in set(_given(findings, past.policy)))
    often = [given for given, count in sorted(times.items(), key=_frequent)[:_MOST_CONDITIONS] if count >= FEWEST]
    singles = [_condition(given, past) for given in often]
    pairs = (one & other for one, other in combinations(singles, 2) if one.keys.isdisjoint(other.keys))
    return [*singles, *pairs]


def _frequent(counted: tuple[tuple[str, object], int]) -> tuple[object, ...]:
    (key, value), count = counted
    return -count, _KEYS.index(key), str(value)


def _condition(given: tuple[str, object], past: _Past) -> _Condition:
    when = When.model_validate(dict((given,)))
    return _Condition((given,), past.bits(lambda case, _: fits(when, case.findings, past.policy)))


def _given(findings: Findings, policy: Policy) -> Iterator[tuple[str, object]]:
    """All that could stand in a row which fits these findings."""
    notification, note = findings.notification, findings.note
    inviter = notification.inviter or Person()
    if inviter.company:
        yield "company", _ANY_SIGN.sub("?", inviter.company)
    yield from (("headline", f"*{word}*") for word in _WORD.findall(fold(inviter.headline or "")))
    yield from (("signals", str(signal)) for signal in note.signals)
    for place in Affiliation:
        if fits(When(affiliation=(place,)), findings, policy):
            yield "affiliation", str(place)
    if fits(When(group=True), findings, policy):
        yield "group", True
    yield "note", str(note.kind)
    yield "known", str(findings.dossier.known)
    if language := note.language or notification.language:
        yield "language", language
    yield "network", notification.network
    yield "kind", str(notification.kind)


def _chosen(candidates: Sequence[_Condition], sets: _Sets) -> Iterator[_Condition]:
    """The simplest and most telling conditions, each of which explains enough that those before it do not."""
    left = sets.overruled
    for condition in sorted((one for one in candidates if _consistent(one, sets)), key=lambda one: one.order):
        if (condition.cases & left).bit_count() >= FEWEST:
            left &= ~condition.cases
            yield condition


def _consistent(condition: _Condition, sets: _Sets) -> bool:
    """Whether the owner always decided so under it, the policy hardly ever otherwise, and it tells cases apart."""
    overruled = (condition.cases & sets.overruled).bit_count()
    unopposed = (condition.cases & sets.unopposed).bit_count()
    return (
        overruled >= FEWEST
        and not condition.cases & sets.against
        and unopposed * _UNOPPOSED <= overruled
        and condition.cases != sets.every
    )


# The row


def _suggestion(condition: _Condition, verdict: Verdict, past: _Past, sets: _Sets) -> Suggestion:
    rule = Rule(name=_name(condition, verdict, past.policy), when=condition.when, verdict=verdict)
    return Suggestion(
        rule,
        conditions(rule.when, past.policy),
        overruled=(condition.cases & sets.overruled).bit_count(),
        agreed=(condition.cases & sets.agreed).bit_count(),
        changes=tuple(_changes(condition, past, replace(past.policy, rows=(rule, *past.policy.rows)))),
    )


def _changes(condition: _Condition, past: _Past, changed: Policy) -> Iterator[Change]:
    for case, before in past.of(condition.cases):
        after = decide(case.findings, changed).verdict
        if before is not after:
            yield Change(case, before, after)


def _name(condition: _Condition, verdict: Verdict, policy: Policy) -> str:
    """A name that says what the row does and that no other row has."""
    said = "-".join(str(value) if not isinstance(value, bool) else key for key, value in condition.given)
    name = "-".join(re.findall(r"\w+", f"{'accept' if verdict is Verdict.ACCEPT else 'decline'} {said}".lower()))
    taken = {row.name for row in policy.rows}
    return next(one for one in (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))) if one not in taken)
