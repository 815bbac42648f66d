"""Since when rsvpd does not see an owner's invitations, and why: facts in the journal, which outlast a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.journal import Journal


class Sense(StrEnum):
    """What may fail, each for itself."""

    MAILBOX = "mailbox"  # it cannot be reached, or lets nobody in
    SOURCE = "source"  # a source of records cannot be read
    LAYOUT = "layout"  # a network's notifications have a form that is not known


@dataclass(frozen=True, slots=True)
class Blindness:
    """A sense that has failed since a moment."""

    sense: Sense
    since: datetime
    why: str


def lose(journal: Journal, sense: Sense, why: str, since: datetime) -> None:
    """Note that a sense fails, unless that is known."""
    if journal.fact(_name(sense)) is None:
        journal.set_fact(_name(sense), f"{since.isoformat()} {why}")


def regain(journal: Journal, sense: Sense) -> None:
    """Note that a sense does not fail any more."""
    if journal.fact(_name(sense)) is not None:
        journal.set_fact(_name(sense), None)


def blindnesses(journal: Journal) -> Iterator[Blindness]:
    """What fails now."""
    return told_by(journal.facts(*FACTS))


def told_by(facts: Mapping[str, str]) -> Iterator[Blindness]:
    """What these facts of the journal's say that fails."""
    for sense in Sense:
        if found := facts.get(_name(sense)):
            since, _, why = found.partition(" ")
            yield Blindness(sense, datetime.fromisoformat(since), why)


def _name(sense: Sense) -> str:
    return f"blind-{sense}"


FACTS = tuple(map(_name, Sense))  # the journal's
