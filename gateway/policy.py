"""The owner's policy: ordered rules, first match wins, and each decision says which rule and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, field_validator

from gateway.model import Kind, Known, NoteKind, Signal, Verdict
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
    affiliation: Literal["student", "postdoc", "member", "alumnus", "group"] | None = None
    """What headline (or note) shows of the owner's institution; "group": one of the [[group]] rows matches."""
    recommended: bool | None = None
    announced: bool | None = None
    repeat: bool | None = None
    """Whether the same person was declined before."""


class Rule(Section):
    """A row of the policy table."""

    name: str
    when: When = When()
    verdict: Verdict
    reply: str | None = None
    because: str | None = None


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
