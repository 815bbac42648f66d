"""What `rsvpd check` says of one thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    GOOD = "ok"
    REMARK = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it stands and, where it does not stand well, what to do."""

    outcome: Outcome
    what: str
    found: str
    in_file: bool = False  # what is at fault is the owner's file


def good(what: str, found: str) -> Finding:
    return Finding(Outcome.GOOD, what, found)


def remark(what: str, found: str) -> Finding:
    """It works, but not as well as it could."""
    return Finding(Outcome.REMARK, what, found)


def fault(what: str, found: str) -> Finding:
    """It does not work before somebody acts."""
    return Finding(Outcome.FAULT, what, found)
