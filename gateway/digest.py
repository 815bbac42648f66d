"""The weekly summary: composed from the journal alone, sent once when its week is over."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from gateway.cases import INVITES
from gateway.model import Channel, Entry, Kind, Mailbox, State, Verdict

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = re.compile(r"(?P<year>\d{4})-W(?P<week>\d{2})")
_WIDTH = 78


@dataclass(frozen=True, slots=True)
class Week:
    """The span between two summaries, named by the ISO week most of it lies in."""

    name: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Rhythm:
    """On which day and at which local time the owner wants the summary."""

    day: Day
    time: time
    zone: ZoneInfo

    @classmethod
    def of(cls, day: Day, at: str, zone: ZoneInfo) -> Rhythm:
        return cls(day, time.fromisoformat(at), zone)

    def last_over(self, now: datetime) -> Week:
        """The latest week whose summary is due by now."""
        today = now.astimezone(self.zone).date()
        back = (today.weekday() - _DAYS.index(self.day)) % 7
        end = self._moment(today - timedelta(days=back))
        if end > now:
            back += 7
        return self._ending(today - timedelta(days=back))

    def running(self, now: datetime) -> Week:
        """The week that now lies in."""
        last = self.last_over(now)
        return self._ending(last.end.astimezone(self.zone).date() + timedelta(days=7))

    def named(self, name: str) -> Week:
        """The week called "2026-W47"; ValueError when there is none."""
        found = _WEEK.fullmatch(name)
        if not found:
            raise ValueError(f"{name!r} is no week; write it like 2026-W47")
        monday = date.fromisocalendar(int(found["year"]), int(found["week"]), 1)
        for shift in range(14):
            week = self._ending(monday + timedelta(days=shift))
            if week.name == name and (monday + timedelta(days=shift)).weekday() == _DAYS.index(self.day):
                return week
        raise ValueError(f"{name!r} is no week")

    def _ending(self, day: date) -> Week:
        middle = day - timedelta(days=3)
        year, week, _ = middle.isocalendar()
        return Week(f"{year}-W{week:02}", self._moment(day - timedelta(days=7)), self._moment(day))

    def _moment(self, day: date) -> datetime:
        # In the hour that a change of clocks takes away the zone answers with the time after it; in the
        # doubled hour fold=0 is the first. Either way a date gives one moment.
        return datetime.combine(day, self.time, self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what it means, and its items in lines."""

    title: str
    hint: str
    items: tuple[tuple[str, ...], ...]


def compose(
    entries: Sequence[Entry],
    week: Week,
    zone: ZoneInfo,
    *,
    moved: Sequence[tuple[str, str]] = (),
    paused: bool = False,
) -> str:
    """The text of a week's summary from the entries of that week, and the cases that moved in it."""
    invitations = [entry for entry in entries if _invites(entry)]
    sections = [section for section in _sections(entries, invitations) if section.items]
    start, end = (moment.astimezone(zone) for moment in (week.start, week.end))
    lines = [f"Your invitations, {start:%d %b} to {end:%d %b %Y} ({week.name})", ""]
    lines += [_counted(invitations), ""]
    if paused:
        lines += ["Sending is paused. `rsvpd resume` starts it again.", ""]
    if moved:
        hint = "Your policy or your records changed, and with them what was decided."
        sections.append(Section("Moved", hint, tuple((f"{case}: {why}",) for case, why in moved)))
    for section in sections:
        lines += _written(section)
    return "\n".join(lines).rstrip() + "\n"


def _sections(entries: Sequence[Entry], invitations: Sequence[Entry]) -> Iterator[Section]:
    opened = [entry for entry in invitations if not _continues(entry)]
    by_verdict = {verdict: [entry for entry in opened if _verdict(entry) is verdict] for verdict in Verdict}
    declines = by_verdict[Verdict.DECLINE]
    pasted = [entry for entry in declines if _channel(entry) is Channel.PASTE]
    yield Section("Accept?", "You know these people. Open the profile and accept.", _items(by_verdict[Verdict.ACCEPT]))
    yield Section("Needs you", "Not clear enough to decide without you.", _items(by_verdict[Verdict.HUMAN]))
    yield Section(
        "To paste",
        "Declined, but no mail reaches them: paste this text into the network if you like.",
        tuple((*_item(entry), *_short(entry)) for entry in pasted),
    )
    yield Section("Declined", "", _items(entry for entry in declines if entry not in pasted))
    yield Section("Trouble", "Please look at these.", tuple(_troubles(entries)))


def _counted(invitations: Sequence[Entry]) -> str:
    if not invitations:
        return "No invitations this week."
    kinds = Counter(_account(entry)["kind"] for entry in invitations)
    states = Counter(entry.state for entry in invitations)
    parts = [_several(kinds[Kind.INVITATION], "invitation"), _several(kinds[Kind.REMINDER], "reminder")]
    parts += [f"{states[state]} {words}" for state, words in _STATE_WORDS.items() if states[state]]
    return ", ".join(part for part in parts if part) + "."


_STATE_WORDS = {
    State.SENT: "answered",
    State.HELD: "waiting for the hold to end",
    State.DUE: "about to be answered",
    State.REFUSED: "refused by the mail server",
    State.UNCERTAIN: "uncertain",
}


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}" if count else ""


def _written(section: Section) -> list[str]:
    heading = f"{section.title} ({len(section.items)})"
    lines = [heading, "-" * len(heading)]
    if section.hint:
        lines.append(section.hint)
    for item in section.items:
        lines.append("")
        for number, line in enumerate(item):
            lines += textwrap.wrap(
                line,
                _WIDTH,
                initial_indent="* " if number == 0 else "  ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return [*lines, "", ""]


def _items(entries: Iterable[Entry]) -> tuple[tuple[str, ...], ...]:
    return tuple(_item(entry) for entry in entries)


def _item(entry: Entry) -> tuple[str, ...]:
    account = _account(entry)
    inviter = account["inviter"] or {}
    who = inviter.get("name") or "Somebody without a name"
    headline = inviter.get("headline")
    lines = [f"{entry.case}  {who}{f', {headline}' if headline else ''} ({account['network']})"]
    note = account["note"]
    if note["kind"] == "personal" and note["text"]:
        lines.append(f'"{_flat(note["text"])}"')
    lines.append("Why: " + "; ".join(account["because"]))
    if account["authentic"] != "pass":
        # A link in a mail that somebody may have forged is no place to send the owner to.
        lines.append("Not proved genuine: do not click anything in it.")
    elif inviter.get("profile_url"):
        lines.append(inviter["profile_url"])
    if outcome := _outcome(entry):
        lines.append(outcome)
    return tuple(lines)


def _outcome(entry: Entry) -> str:
    to = f" ({entry.reply.to})" if entry.reply and entry.reply.to else ""
    if _channel(entry) is Channel.PASTE:
        return ""  # the section says it
    if entry.state is State.CLOSED:
        return entry.why[:1].upper() + entry.why[1:] + ("." if entry.why else "")
    return {
        State.SENT: f"Answered by mail{to}.",
        State.HELD: f"The answer waits for its hold to end{to}.",
        State.DUE: f"The answer is about to go out{to}. {entry.why}".rstrip(),
        State.REFUSED: f"Not answered{to}: {entry.why}",
        State.UNCERTAIN: f"Uncertain{to}: {entry.why}",
    }.get(entry.state, "")


def _short(entry: Entry) -> tuple[str, ...]:
    return (entry.reply.short,) if entry.reply and entry.reply.short else ()


def _troubles(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        if entry.state is State.UNREADABLE:
            yield (f"A mail of {entry.taken_in:%Y-%m-%d} could not be read: {entry.why}", "It lies where it was.")
        elif entry.state is State.UNCERTAIN:
            yield (
                f"{entry.case}: {entry.why}",
                f"`rsvpd retry {entry.case}` sends it again if you know it is missing.",
            )
        elif entry.state is State.REFUSED:
            yield (f"{entry.case}: {entry.why}",)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _account(entry: Entry) -> dict[str, Any]:
    return dict(entry.judgement or {})


def _invites(entry: Entry) -> bool:
    return bool(entry.judgement) and _account(entry)["kind"] in INVITES


def _verdict(entry: Entry) -> Verdict:
    return Verdict(_account(entry)["verdict"])


def _channel(entry: Entry) -> Channel | None:
    return entry.reply.channel if entry.reply else None


def _continues(entry: Entry) -> bool:
    return entry.why.startswith("continues ")


def as_mail(text: str, *, owner: Mailbox, to: str, week: Week, message_id: str, now: datetime) -> bytes:
    """The summary as a mail from the owner to the owner."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(owner.name, addr_spec=owner.address)
    message["To"] = to
    message["Subject"] = text.splitlines()[0]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: not auto-replied on a periodic mail
    message["X-Rsvpd-Week"] = week.name
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    return message.as_bytes()
