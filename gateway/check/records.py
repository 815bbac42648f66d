"""What `rsvpd check` finds of the owner's records: how many people each tells of, and how fresh that is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.check.finding import Finding, fault, good, remark
from gateway.config import Config
from gateway.errors import BadSource, JournalFailed
from gateway.evidence import Source, read, sources
from gateway.journal.index import SourceState
from gateway.owner import people_of
from gateway.state import journal_at_hand

_OLD = timedelta(days=365)  # of an export: people met since are taken for strangers
_STALE = timedelta(days=1)  # the service reads every source once an hour
_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def records(config: Config, now: datetime) -> Iterator[Finding]:
    """A finding for each source; of mail folders what the service last read there."""
    try:
        kept, sizes = _kept(config)
    except JournalFailed as exc:
        yield fault("journal", str(exc))
        kept, sizes = {}, {}
    for source in sources(config.evidence, config.me):
        yield _file(source, kept.pop(source.name, None), now)
    for state in kept.values():
        yield _folder(state, sizes.get(state.source, 0), now)


def _kept(config: Config) -> tuple[dict[str, SourceState], dict[str, int]]:
    """What the service knows of each source, and how many people that is; nothing where it never ran."""
    journal = journal_at_hand(config)
    if journal is None:
        return {}, {}
    index = people_of(journal)
    return {state.source: state for state in index.sources()}, index.sizes()


def _file(source: Source, state: SourceState | None, now: datetime) -> Finding:
    found = read(source, now)
    if found.fault:
        return fault("records", str(found.fault))
    try:
        changed = source.changed()
    except BadSource as exc:
        return fault("records", str(exc))
    told = f"{source.name}: {_people(len(found.acquaintances))}"
    if changed:
        told += f", {age(now - changed)} old"
    if changed and now - changed > _OLD and not source.is_archive:
        return remark("records", f"{told}; export it anew, or whoever you met since counts as a stranger")
    if state and state.read:
        told += f", read by the service {age(now - state.read)} ago"
    return good("records", told)


def _folder(state: SourceState, people: int, now: datetime) -> Finding:
    if state.read is None:
        return remark("records", f"{state.source}: not read by the service yet" + (state.fault and f" ({state.fault})"))
    told = f"{state.source}: {_people(people)}, read by the service {age(now - state.read)} ago"
    if state.fault:
        return fault("records", f"{told}, and not since: {state.fault}")
    return remark("records", f"{told}; does it run?") if now - state.read > _STALE else good("records", told)


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"


def age(span: timedelta) -> str:
    """A span of time in its largest unit: "3 days"."""
    for unit, length in _UNITS:
        if count := span // length:
            return f"{count} {unit}" + ("s" if count > 1 else "")
    return "less than a minute"
