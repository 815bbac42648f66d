"""How things stand with an owner: served, the mailbox, the last mail and decision, what waits, the next summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.blindness import Blindness, blindnesses
from gateway.config import Config
from gateway.errors import RsvpdError
from gateway.journal import Journal
from gateway.model import WAITING, State
from gateway.pipeline import FAULTY, PAUSED
from gateway.presence import Presence, presence_of
from gateway.review import listed, rhythm_of
from gateway.state import is_served, journal_at_hand

COUNTED = 100  # cases that wait for the owner; how many more there are helps nobody


@dataclass(frozen=True, slots=True)
class Status:
    """One owner's; of one whose file cannot be read there is only the fault."""

    owner: str
    fault: str = ""
    served: bool = False
    presence: Presence | None = None
    last_mail: datetime | None = None
    last_decision: datetime | None = None
    queue: dict[State, int] = field(default_factory=dict)
    for_you: int = 0  # cases that wait for the owner, COUNTED at most
    next_summary: datetime | None = None
    mode: str = ""
    paused: bool = False
    blind: tuple[Blindness, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether invitations are seen to, or will be without anybody's doing."""
        away = self.presence is not None and self.presence.why
        return self.served and not (self.fault or self.blind or away)

    @property
    def stands(self) -> str:
        """The same in a few words."""
        if self.fault and not self.served:
            return f"not served: {self.fault}"
        if not self.served:
            return "not served: no `rsvpd run` has this file"
        if self.presence is None:
            return "starting"
        if self.presence.why:
            return f"away: {self.presence.why}"
        return "connected"

    @property
    def waits(self) -> str:
        """How many cases wait for the owner, and where they are."""
        if not self.for_you:
            return "nothing"
        return f"{self.for_you}{' or more' if self.for_you == COUNTED else ''} (`rsvpd list`)"

    def as_json(self) -> dict[str, Any]:
        """The same for programs; moments are in ISO 8601."""
        return {
            "owner": self.owner,
            "served": self.served,
            "connected": self.served and self.presence is not None and not self.presence.why,
            "since": _iso(self.presence.since if self.served and self.presence else None),
            "stands": self.stands,
            "fault": self.fault or None,
            "mode": self.mode or None,
            "paused": self.paused,
            "last_mail": _iso(self.last_mail),
            "last_decision": _iso(self.last_decision),
            "queue": {str(state): number for state, number in self.queue.items()},
            "for_you": self.for_you,
            "next_summary": _iso(self.next_summary),
            "blind": [{"sense": str(one.sense), "since": _iso(one.since), "why": one.why} for one in self.blind],
        }


def status_of(config: Config, now: datetime) -> Status:
    """How things stand with the owner of a file; nothing is written."""
    found = Status(
        owner=config.owner,
        served=is_served(config),
        presence=presence_of(config),
        next_summary=rhythm_of(config).running(now).end,
        mode=config.delivery.mode,
    )
    try:
        journal = journal_at_hand(config)
        return found if journal is None else _with_journal(found, journal)
    except RsvpdError as exc:
        return Status(config.owner, str(exc), found.served, found.presence, mode=found.mode)


def _with_journal(found: Status, journal: Journal) -> Status:
    last_mail, last_decision = journal.last_mails()
    return Status(
        owner=found.owner,
        fault=journal.fact(FAULTY) or "",
        served=found.served,
        presence=found.presence,
        last_mail=last_mail,
        last_decision=last_decision,
        queue=journal.queue(),
        for_you=sum(entry.state not in WAITING for _, entry in listed(journal, COUNTED)),  # those are in the queue
        next_summary=found.next_summary,
        mode=found.mode,
        paused=journal.fact(PAUSED) is not None,
        blind=tuple(blindnesses(journal)),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
