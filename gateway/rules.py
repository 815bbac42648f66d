"""How a policy is written down: rules with their conditions, groups, presets and the switches of a preset."""

from __future__ import annotations

import functools
import re
import tomllib
from importlib import resources
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.affiliation import Affiliation
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
    affiliation: Annotated[tuple[Affiliation, ...], BeforeValidator(listed)] = ()
    """What headline or note tells of a place at the owner's institution."""
    group: bool | None = None
    """Whether the headline fits one of the owner's groups."""
    recommended: bool | None = None
    announced: bool | None = None
    repeat: bool | None = None
    """Whether the same person was declined before."""

    @property
    def always(self) -> bool:
        return self == When()

    @property
    def reads_the_note(self) -> bool:
        """Whether it asks what the note says, which can be told only of a language there is a phrasebook for."""
        return bool(self.signals or self.all_signals or self.not_signals)


class Rule(Section):
    """A row of the policy table."""

    name: str = Field(min_length=1)
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

    @field_validator("reply")
    @classmethod
    def _a_file_name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w-]+", value):
            raise ValueError('a reply is named by its file without language and ending, like "short"')
        return value

    @model_validator(mode="after")
    def _only_a_decline_is_answered(self) -> Self:
        if self.reply is not None and self.verdict is not Verdict.DECLINE:
            raise ValueError(f'a reply goes with "decline" only; "{self.verdict}" leaves the answer to you')
        return self


class Group(Section):
    """Where people of an affiliation are asked to go instead."""

    match: Words
    url: str
    name: str = ""

    @field_validator("url")
    @classmethod
    def _https(cls, value: str) -> str:
        if not value.startswith("https://") or any(c.isspace() for c in value):
            raise ValueError("a link in a reply starts with https:// and has no spaces")
        return value


class PolicySettings(Section):
    preset: str = "previous-interaction"
    strict: bool = False
    """no-boilerplate: the default text is declined even from people the owner knows."""
    announced: bool = False
    """Somebody who announced the invitation by mail beforehand is welcome despite the default text."""
    known_default: Literal[Verdict.ACCEPT, Verdict.HUMAN] = Verdict.ACCEPT
    """one-good-reason: what becomes of the default text from people the owner knows."""
    answer_in: Words = ()
    """Languages the owner is content to be quoted in; left out: [me] language only."""

    @field_validator("preset")
    @classmethod
    def _exists(cls, value: str) -> str:
        if value not in preset_names():
            raise ValueError(f"{value!r} is no preset; there are {', '.join(preset_names())}")
        return value

    @property
    def switched_on(self) -> frozenset[str]:
        """The switches that differ from their default."""
        return frozenset(name for name in SWITCHES if getattr(self, name) != PolicySettings.model_fields[name].default)


Switch = Literal["strict", "announced", "known_default"]
SWITCHES: tuple[Switch, ...] = ("strict", "announced", "known_default")


class PresetRule(Rule):
    """A row of a preset; a switch of the owner's may bring it in or leave it out."""

    only_with: Switch | None = None
    not_with: Switch | None = None

    def stands(self, switched_on: frozenset[str]) -> bool:
        """Whether the row is in the table of an owner with these switches."""
        return (self.only_with is None or self.only_with in switched_on) and self.not_with not in switched_on

    @property
    def rule(self) -> Rule:
        return Rule.model_validate(self.model_dump(exclude={"only_with", "not_with"}))


@functools.cache
def preset_names() -> tuple[str, ...]:
    """The presets there are; the folder is the registry."""
    folder = resources.files("gateway") / "presets"
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def preset_summary(name: str) -> str:
    """What a preset is for, in a line: the comment that its file begins with."""
    return _preset_source(name).partition("\n")[0].removeprefix("# ")


@functools.cache
def preset_table(name: str, switched_on: frozenset[str]) -> tuple[Rule, ...]:
    """The rows of a preset with some switches; the same rows for all owners who want that."""
    return tuple(row.rule for row in preset(name) if row.stands(switched_on))


@functools.cache
def preset(name: str) -> tuple[PresetRule, ...]:
    """The rows of a preset, those of every switch among them."""
    return tuple(PresetRule.model_validate(row) for row in tomllib.loads(_preset_source(name))["rule"])


def _preset_source(name: str) -> str:
    return (resources.files("gateway") / "presets" / f"{name}.toml").read_text("utf-8")
