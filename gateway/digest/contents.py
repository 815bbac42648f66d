"""What a summary says, in order; how it looks is not decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.agenda import drafted, observed, to_paste, too_old
from gateway.cases import INVITES
from gateway.digest.facts import Facts, WeekCount
from gateway.digest.items import COUNTED, Item, Links, People, Section, Texts, is_told
from gateway.digest.trouble import hindrances, troubles
from gateway.digest.words import Words
from gateway.journal.conversation import Outcome
from gateway.model import Entry, State, Verdict

_FAILED = (State.REFUSED, State.UNCERTAIN)
_VERDICTS = (Verdict.ACCEPT, Verdict.HUMAN, Verdict.DECLINE)
_PLACES = ("accept", "needs", "paste", "drafted", "observed", "old", "answered", "quiet")  # of invitations, in order
_FEWEST_WEEKS = 4  # that make a comparison


@dataclass(frozen=True, slots=True)
class Letters:
    """What became of the letters of a reply."""

    reply: str
    counts: tuple[tuple[str, int], ...]  # what is counted and how many


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole summary."""

    title: str
    numbers: tuple[tuple[str, int], ...]  # what is counted and how many: all invitations, then each verdict's
    lead: str  # the rest of the week in one line
    notices: tuple[str, ...]
    examples: tuple[str, ...]  # commands that an answer to the summary may hold; none when it may hold none
    sections: tuple[Section, ...]
    letters: tuple[Letters, ...]
    history: tuple[WeekCount, ...]
    words: Words
    empty: bool  # there is nothing to say


def compose(
    facts: Facts, words: Words, links: Links, *, texts: Texts = MappingProxyType({}), suggested: int = 0
) -> Contents:
    """The summary of a week in the owner's language.

    `links` are the answers that a case's item offers, `texts` what to paste to decline one that is left to the owner;
    `suggested` is how many rows `rsvpd suggest` would propose.
    """
    people = People(words, links, texts)
    invitations = [entry for entry in facts.entries if _invites(entry)]
    sections = tuple(section for section in _sections(facts, invitations, people) if section.items)
    zone, week = facts.rhythm.zone, facts.week
    start, end = (moment.astimezone(zone).date() for moment in (week.start, week.end))
    above = (*hindrances(facts, words), *([words("paused")] if facts.paused else []))
    empty = not (invitations or sections or above or facts.asleep)
    return Contents(
        title=words("title", start=words.day(start), end=words.day(end, year=True), week=week.name),
        numbers=_numbers(facts, invitations, words),
        lead=_lead(facts, invitations, words),
        notices=() if empty else (*above, *([words("suggested", number=suggested)] if suggested else [])),
        examples=_examples(sections, words),
        sections=sections,
        letters=() if empty else tuple(_letters(outcome, words) for outcome in facts.outcomes),
        history=() if empty else _history(facts.history),
        words=words,
        empty=empty,
    )


def _numbers(facts: Facts, invitations: Sequence[Entry], words: Words) -> tuple[tuple[str, int], ...]:
    """How many invitations came in, and how they are decided now; nothing when none came."""
    opened = [entry for entry in invitations if not entry.continues and _came_in(entry, facts)]
    if not opened:
        return ()
    verdicts = Counter(entry.verdict for entry in opened)
    decided = ((words(f"verdicts.{verdict}"), verdicts[verdict]) for verdict in _VERDICTS)
    return (words("counts.invitation"), len(opened)), *decided


def _lead(facts: Facts, invitations: Sequence[Entry], words: Words) -> str:
    if not invitations:
        return words("asleep" if facts.asleep else "nothing")
    reminders = sum(entry.continues and _came_in(entry, facts) for entry in invitations)
    states = Counter(entry.state for entry in invitations)
    counted = (("counts.reminder", reminders), *((f"counts.{state}", states[state]) for state in COUNTED))
    parts = [f"{words(key)}: {number}" for key, number in counted if number]
    return f"{', '.join(parts)}." if parts else ""


def _letters(outcome: Outcome, words: Words) -> Letters:
    echoes = (
        ("answered", outcome.answered),
        ("connected", outcome.connected),
        ("offended", outcome.offended),
        ("bounced", outcome.bounced),
    )
    counts = (("sent", outcome.sent), *((echo, number) for echo, number in echoes if number))
    return Letters(outcome.template, tuple((words(f"outcomes.{what}"), number) for what, number in counts))


def _history(history: Sequence[WeekCount]) -> tuple[WeekCount, ...]:
    """The weeks to compare, without those before the first invitation; nothing when there was none."""
    first = next((number for number, count in enumerate(history) if count.total), None)
    return () if first is None else tuple(history[min(first, max(0, len(history) - _FEWEST_WEEKS)) :])


def _examples(sections: Sequence[Section], words: Words) -> tuple[str, ...]:
    """Two commands that the owner could give in a plain answer, about who stands first."""
    item = next((item for section in sections for item in section.items if item.links), Item())
    return tuple(f"{words.verb(link.verb)} {item.case}" for link in item.links[:2])


def _sections(facts: Facts, invitations: Sequence[Entry], people: People) -> Iterator[Section]:
    yield people.told("wrote", facts.wrote, facts.opened_by)
    placed = _placed(facts, [entry for entry in invitations if not entry.continues])
    for key in _PLACES:
        yield people.section(key, placed[key])
    yield people.section("back", filter(is_told, facts.came_back))
    yield people.told("moved", facts.moved, facts.opened_by)
    # Of several words about a case the last one counts.
    yield people.told("overruled", dict(facts.overruled).items(), facts.opened_by)
    came_back = {entry.id for entry in facts.came_back}
    failed = (entry for entry in facts.entries if entry.state in _FAILED and entry.id not in came_back)
    trouble = people.section("trouble", filter(is_told, failed))
    lines = (Item(lines=(("", line),)) for line in troubles(facts, people.words))
    yield replace(trouble, items=(*trouble.items, *lines))


def _placed(facts: Facts, opened: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The section of each invitation of which no other section tells."""
    wrote, overruled = ({case for case, _ in told} for told in (facts.wrote, facts.overruled))
    found: dict[str, list[Entry]] = {key: [] for key in _PLACES}
    for entry in opened:
        # What the owner put aside for review is decided by nobody.
        decided = entry.case in overruled and entry.verdict is not Verdict.HUMAN
        if entry.state not in _FAILED and entry.case not in wrote and not decided:
            found[_place(entry)].append(entry)
    return found


def _place(entry: Entry) -> str:
    if entry.verdict is Verdict.ACCEPT:
        return "accept"
    if entry.verdict is Verdict.HUMAN:
        return "needs"
    if entry.state is not State.CLOSED:
        return "answered"
    if too_old(entry):
        return "old"
    if drafted(entry):
        return "drafted"
    if observed(entry):
        return "observed"
    return "paste" if to_paste(entry) else "quiet"


def _invites(entry: Entry) -> bool:
    return entry.judgement is not None and entry.judgement["kind"] in INVITES


def _came_in(entry: Entry, facts: Facts) -> bool:
    """Whether it is of this week, and not only what became of it."""
    return facts.week.start <= entry.taken_in < facts.week.end
