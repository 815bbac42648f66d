"""What does not work and how the summary says so; of one reason once, as anybody may send such mails by the hundred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from gateway.commands import NOT_OBEYED
from gateway.digest.facts import Facts
from gateway.digest.shown import shown
from gateway.digest.words import Words
from gateway.journal.index import SourceState
from gateway.model import Entry, State


def hindrances(facts: Facts, words: Words) -> Iterator[str]:
    """What keeps all of it from working, or soon will: it stands above everything else."""
    if facts.mailbox:
        yield words("trouble.mailbox", date=_day(facts.mailbox.since, facts, words), why=shown(facts.mailbox.why))
    yield from map(shown, facts.logins)
    if facts.faulty:
        yield words("trouble.settings", why=shown(facts.faulty))


def troubles(facts: Facts, words: Words) -> Iterator[str]:
    """What went wrong with single mails and sources."""
    yield from _mails(facts.entries, words)
    yield from (_source(source, facts, words) for source in facts.sources)
    if facts.quiet_since:
        yield words("trouble.quiet", date=_day(facts.quiet_since, facts, words))


def _mails(entries: Iterable[Entry], words: Words) -> Iterator[str]:
    """Mails that nothing came of, by reason."""
    found = Counter(known for entry in entries if (known := _known_by(entry)))
    for (trouble, why), number in found.most_common():
        yield words(f"trouble.{trouble}", number=number, why=shown(why))


def _known_by(entry: Entry) -> tuple[str, str] | None:
    """The kind of trouble a mail made and its reason; None for one that made none."""
    if entry.state is State.UNREADABLE:
        return "unreadable", entry.why
    if entry.state is State.NEW:
        return "unjudged", ""
    if entry.state is State.CLOSED and entry.why.startswith(NOT_OBEYED):
        return "commands", entry.why.removeprefix(NOT_OBEYED)
    return None


def _source(source: SourceState, facts: Facts, words: Words) -> str:
    name, why = shown(source.source), shown(source.fault)
    if source.read is None:
        return words("trouble.never", name=name, why=why)
    return words("trouble.source", name=name, why=why, date=_day(source.read, facts, words))


def _day(moment: datetime, facts: Facts, words: Words) -> str:
    return words.day(moment.astimezone(facts.rhythm.zone).date(), year=True)
