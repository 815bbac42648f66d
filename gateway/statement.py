"""A policy in plain sentences: a page the owner could publish, and by which the table can be read aloud."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from gateway.affiliation import Affiliation
from gateway.model import Kind, Known, NoteKind, Signal, Verdict
from gateway.policy import Policy
from gateway.rules import Rule, When

_KNOWN = {
    Known.YES: "we have interacted outside the network",
    Known.MAYBE: "we may have interacted",
    Known.NO: "we have not interacted yet",
}
_SAYS = {
    Signal.MET: "says where we met",
    Signal.SHARED: "says what we have in common",
    Signal.REASON: "gives a reason",
    Signal.TOPIC: "touches one of my topics",
    Signal.REFERRAL: "names who suggested it",
    Signal.INTRODUCTION: "asks for an introduction to somebody",
    Signal.PITCH: "sells, recruits or asks for money",
}
_PLACE = {
    Affiliation.STUDENT: "a student",
    Affiliation.POSTDOC: "a postdoc",
    Affiliation.ALUMNUS: "an alumna or alumnus",
    Affiliation.MEMBER: "a member",
}
_NOTE = {NoteKind.DEFAULT: "there is only the stock sentence", NoteKind.PERSONAL: "the note has words of its own"}
_KIND = {Kind.INVITATION: "it is a first invitation", Kind.REMINDER: "it is a reminder"}

_WIDTH = 78
_HEAD = """\
How I answer invitations to connect

Invitations are looked at in this order, and the first line that fits decides.
A reminder is the invitation it reminds of. What an invitation does not tell
counts against nobody. One that is malformed or not proved genuine, and one
whose note cannot be read, I look at myself.
"""


def describe(policy: Policy) -> str:
    """The whole table in plain sentences."""
    rows = (_hung(f"{number:2}. ", sentence(row, policy)) for number, row in enumerate(policy.rows, 1))
    return "\n".join((_HEAD, *rows)) + "\n" + _spoken(policy)


def _spoken(policy: Policy) -> str:
    """What the owner said once and for all, which comes before the table."""
    if not policy.standing:
        return ""
    words = (
        _hung("  - ", f"{word.word} {word.name} ({word.scope}; {word.case}, {word.said:%Y-%m-%d})")
        for word in policy.standing
    )
    return "\n".join(("", "Before all that counts what I said of these:", "", *words)) + "\n"


def _hung(label: str, text: str) -> str:
    """Text wrapped to the right of its label."""
    behind = " " * len(label)
    return textwrap.fill(text, _WIDTH, initial_indent=label, subsequent_indent=behind, break_on_hyphens=False)


def sentence(row: Rule, policy: Policy) -> str:
    """A row in a sentence: when it fits, and what then happens."""
    if row.when.always:
        return f"In all other cases {_then(row)}."
    return f"If {conditions(row.when, policy)}, {_then(row)}."


def conditions(when: When, policy: Policy) -> str:
    """What must hold for a row to fit."""
    return " and ".join(_conditions(when, policy))


def _then(row: Rule) -> str:
    if row.verdict is Verdict.ACCEPT:
        return "I accept"
    if row.verdict is Verdict.HUMAN:
        return "I look at it myself"
    if row.reply is None:
        return "I decline without an answer"
    return f"I decline, with the answer “{row.reply}”"


def _conditions(when: When, policy: Policy) -> Iterator[str]:
    if when.kind:
        yield _one(tuple(_KIND.get(kind, f"it is of the kind “{kind}”") for kind in when.kind))
    if when.network:
        yield f"it comes from {_one(when.network)}"
    if when.known:
        yield _one(tuple(_KNOWN[known] for known in when.known))
    if when.note:
        yield _NOTE[when.note]
    yield from _about_the_note(when)
    for label, patterns in (
        ("name", when.name),
        ("headline", when.headline),
        ("company", when.company),
        ("address", when.address),
    ):
        if patterns:
            yield f"the {label} is like {_one(tuple(f'“{pattern}”' for pattern in patterns))}"
    if when.language:
        yield f"it is written in {_one(when.language)}"
    if when.affiliation:
        where = _one(tuple(institution.name for institution in policy.institutions)) or "my institution"
        yield f"they are {_one(tuple(_PLACE[place] for place in when.affiliation))} of {where}"
    yield from _either(when)


def _about_the_note(when: When) -> Iterator[str]:
    if when.all_signals:
        yield f"the note {' and '.join(_SAYS[signal] for signal in when.all_signals)}"
    if when.signals:
        yield f"the note {_one(tuple(_SAYS[signal] for signal in when.signals))}"
    if when.not_signals:
        yield f"the note is none that {_one(tuple(_SAYS[signal] for signal in when.not_signals))}"


def _either(when: When) -> Iterator[str]:
    for asked, yes, no in (
        (when.group, "one of my groups is for them", "none of my groups is for them"),
        (when.recommended, "somebody I know recommended them by mail", "nobody recommended them by mail"),
        (when.announced, "they announced it by mail", "they did not announce it by mail"),
        (when.repeat, "I declined them before", "I never declined them before"),
    ):
        if asked is not None:
            yield yes if asked else no


def _one(words: tuple[str, ...]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)
