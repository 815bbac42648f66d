"""What the records say, in lines the owner can check."""

from __future__ import annotations

from datetime import datetime

from gateway.model import Acquaintance, Link

# The most telling first.
_ORDER = (Link.WROTE_TO, Link.ANSWERED, Link.MET, Link.CONTACT, Link.WROTE_ME, Link.CONNECTION, Link.MENTIONED)


def rank(acquaintance: Acquaintance) -> tuple[int, int, str]:
    return _ORDER.index(acquaintance.link), -acquaintance.count, repr(acquaintance)


def line(record: Acquaintance) -> str:
    """Where, when and how often somebody turns up: "you wrote to ada@example.org 4 times, last 2025-03-02: 'Lyon'"."""
    match record.link:
        case Link.WROTE_TO:
            return f"you wrote to {_whom(record)} {_times(record)}{_about(record)} ({record.source})"
        case Link.ANSWERED:
            return f"{_whom(record)} answered a reply of yours, last {_day(record.last)}"
        case Link.MET:
            return f"{_whom(record)} took part in{_event(record)} ({record.source})"
        case Link.CONTACT:
            return f"{_whom(record)} stands in {record.source}{_at(record)}"
        case Link.WROTE_ME:
            return f"{_whom(record)} wrote to you {_times(record)}{_about(record)} ({record.source})"
        case Link.CONNECTION:
            return f"{_whom(record)} stands in {record.source}{_at(record)}{_since(record)}"
        case Link.MENTIONED:
            return f"{_whom(record)} is named in{_event(record)} ({record.source})"


def _whom(record: Acquaintance) -> str:
    if record.name and record.address:
        return f"{record.name} <{record.address}>"
    return record.name or record.address or "somebody"


def _times(record: Acquaintance) -> str:
    if record.count == 1:
        return f"once, {_day(record.last)}"
    return f"{record.count} times, last {_day(record.last)}"


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment else "without a date"


def _about(record: Acquaintance) -> str:
    return f": '{record.about}'" if record.about else ""


def _event(record: Acquaintance) -> str:
    when = f" on {_day(record.last)}" if record.last else ""
    often = f", {record.count} times, last" if record.count > 1 else ""
    return f" '{record.about or 'an event'}'{often}{when}"


def _at(record: Acquaintance) -> str:
    return f" ({record.company})" if record.company else ""


def _since(record: Acquaintance) -> str:
    return f", connected {_day(record.first)}" if record.first else ""
