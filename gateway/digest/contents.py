"""What a summary says, in order; how it looks is not decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.cases import INVITES
from gateway.commands import NOT_OBEYED
from gateway.digest.facts import Facts, WeekCount
from gateway.digest.words import Words
from gateway.journal.conversation import Outcome
from gateway.mail import plain
from gateway.model import AnswerLink, Channel, Entry, Kind, State, Verdict

_COUNTED = (State.SENT, State.HELD, State.DUE, State.REFUSED, State.UNCERTAIN)
Links = Mapping[str, tuple[AnswerLink, ...]]  # by case


@dataclass(frozen=True, slots=True)
class Item:
    """A person's invitation, or a line about something else."""

    case: str = ""
    name: str = ""
    headline: str = ""
    network: str = ""
    profile_url: str = ""
    quote: str = ""  # what the inviter wrote
    lines: tuple[tuple[str, str], ...] = ()  # a label, which may be empty, and what it says
    paste: str = ""  # text to paste into the network
    warning: str = ""
    links: tuple[AnswerLink, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what it means, and its items."""

    key: str
    title: str
    hint: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole summary."""

    title: str
    lead: str  # the week in one line
    notices: tuple[str, ...]
    sections: tuple[Section, ...]
    history: tuple[WeekCount, ...]
    words: Words
    answerable: str  # a case that an answer to the summary may name as an example; "" when there is none


def compose(facts: Facts, words: Words, links: Links, *, suggested: int = 0) -> Contents:
    """The summary of a week in the owner's language.

    `links` are the answers that a case's item offers; `suggested` is how many rows `rsvpd suggest` would propose.
    """
    invitations = [entry for entry in facts.entries if _invites(entry)]
    sections = tuple(section for section in _sections(facts, invitations, words, links) if section.items)
    zone, week = facts.rhythm.zone, facts.week
    start, end = (moment.astimezone(zone).date() for moment in (week.start, week.end))
    answerable = next((item.case for section in sections for item in section.items if item.links), "")
    return Contents(
        title=words("title", start=words.day(start), end=words.day(end, year=True), week=week.name),
        lead=words("asleep") if facts.asleep and not invitations else _counted(invitations, words),
        notices=tuple(_notices(facts, words, suggested)),
        sections=sections,
        history=tuple(facts.history) if sum(count.total for count in facts.history) else (),
        words=words,
        answerable=answerable,
    )


def _notices(facts: Facts, words: Words, suggested: int) -> Iterator[str]:
    if facts.paused:
        yield words("paused")
    if suggested:
        yield words("suggested", number=suggested)


def _sections(facts: Facts, invitations: Sequence[Entry], words: Words, links: Links) -> Iterator[Section]:
    opened = [entry for entry in invitations if not entry.continues]
    of = {verdict: [entry for entry in opened if _verdict(entry) is verdict] for verdict in Verdict}
    declines = of[Verdict.DECLINE]
    pasted = [entry for entry in declines if _channel(entry) is Channel.PASTE]
    back = {entry.id for entry in facts.came_back}
    answered = [entry for entry in declines if entry.state is not State.CLOSED and entry.id not in back]
    quiet = [entry for entry in declines if entry.state is State.CLOSED and entry not in pasted]
    yield _plain("wrote", words, (f"{case}: {plain(why)}" for case, why in facts.wrote))
    for key, entries in (
        ("accept", of[Verdict.ACCEPT]),
        ("needs", of[Verdict.HUMAN]),
        ("paste", pasted),
        ("answered", answered),
        ("quiet", quiet),
        ("back", facts.came_back),
    ):
        yield Section(key, *words.section(key), tuple(_item(entry, key, words, links) for entry in entries))
    yield _plain("moved", words, (f"{case}: {why}" for case, why in facts.moved))
    yield _plain("overruled", words, (f"{case}: {plain(why)}" for case, why in facts.overruled))
    yield _plain("trouble", words, _troubles(facts, words))
    if invitations:
        yield _plain("outcomes", words, (_told(outcome, words) for outcome in facts.outcomes))


def _told(outcome: Outcome, words: Words) -> str:
    counts = {name: getattr(outcome, name) for name in ("sent", "answered", "connected", "offended", "bounced")}
    parts = (f"{words(f'outcomes.{name}')} {number}" for name, number in counts.items() if number or name == "sent")
    return f"{outcome.template}: {', '.join(parts)}"


def _plain(key: str, words: Words, lines: Iterable[str]) -> Section:
    return Section(key, *words.section(key), tuple(Item(lines=(("", line),)) for line in lines))


def _counted(invitations: Sequence[Entry], words: Words) -> str:
    if not invitations:
        return words("nothing")
    kinds = Counter(_account(entry)["kind"] for entry in invitations)
    states = Counter(entry.state for entry in invitations)
    parts = [(f"counts.{kind}", kinds[kind]) for kind in (Kind.INVITATION, Kind.REMINDER)]
    parts += [(f"counts.{state}", states[state]) for state in _COUNTED]
    return ", ".join(f"{words(key)}: {number}" for key, number in parts if number) + "."


def _item(entry: Entry, section: str, words: Words, links: Links) -> Item:
    account = _account(entry)
    inviter = account["inviter"] or {}
    proved = account["authentic"] == "pass"
    note = account["note"]
    lines = [(words("item.why"), "; ".join(account["because"]))]
    if section == "needs" and account.get("known_why"):
        lines.append((words("item.records"), account["known_why"]))
    if outcome := _outcome(entry, words):
        lines.append(("", outcome))
    return Item(
        case=entry.case or "",
        name=plain(inviter.get("name") or words("item.nameless")),
        headline=plain(inviter.get("headline") or ""),
        network=account["network"] or "",
        # A link in a mail that somebody may have forged is no place to send the owner to.
        profile_url=inviter.get("profile_url") or "" if proved else "",
        quote=plain(note["text"]) if note["kind"] == "personal" and note["text"] else "",
        lines=tuple((label, plain(text)) for label, text in lines),
        paste=_paste(entry) if section in ("needs", "paste") else "",
        warning="" if proved else words("item.forged"),
        links=links.get(entry.case or "", ()),
    )


def _outcome(entry: Entry, words: Words) -> str:
    to = entry.reply.to if entry.reply and entry.reply.to else "-"
    if _channel(entry) is Channel.PASTE:
        return ""  # the section says it
    if entry.state is State.CLOSED:
        return f"{entry.why[:1].upper()}{entry.why[1:]}." if entry.why else ""
    if entry.state in _COUNTED:
        return words(f"item.{entry.state}", to=to, why=entry.why).strip()
    return ""


def _paste(entry: Entry) -> str:
    return entry.reply.short if entry.reply and entry.reply.short else ""


def _troubles(facts: Facts, words: Words) -> Iterator[str]:
    zone = facts.rhythm.zone
    came_back = {entry.id for entry in facts.came_back}
    for entry in facts.entries:
        date = words.day(entry.taken_in.astimezone(zone).date(), year=True)
        if entry.state is State.UNREADABLE:
            yield words("trouble.unreadable", date=date, why=plain(entry.why))
        elif entry.state is State.UNCERTAIN:
            yield words("trouble.uncertain", case=entry.case, why=plain(entry.why))
        elif entry.state is State.REFUSED and entry.id not in came_back:
            yield words("trouble.refused", case=entry.case, why=plain(entry.why))
    # Those of one reason in one line: anybody may send them by the hundred.
    unobeyed = Counter(e.why for e in facts.entries if e.state is State.CLOSED and e.why.startswith(NOT_OBEYED))
    for why, number in unobeyed.items():
        yield words("trouble.commands", number=number, why=plain(why.removeprefix(NOT_OBEYED)))
    for source in facts.sources:
        since = words.day(source.read.astimezone(zone).date(), year=True) if source.read else "-"
        yield words("trouble.source", name=source.source, why=plain(source.fault), date=since)
    if facts.faulty:
        yield words("trouble.settings", why=plain(facts.faulty))
    if facts.quiet_since:
        yield words("trouble.quiet", date=words.day(facts.quiet_since.astimezone(zone).date(), year=True))


def _account(entry: Entry) -> dict[str, Any]:
    return dict(entry.judgement or {})


def _invites(entry: Entry) -> bool:
    return bool(entry.judgement) and _account(entry)["kind"] in INVITES


def _verdict(entry: Entry) -> Verdict:
    return Verdict(_account(entry)["verdict"])


def _channel(entry: Entry) -> Channel | None:
    return entry.reply.channel if entry.reply else None
