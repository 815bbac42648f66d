"""A judgement as a card that a person reads at a terminal: who, what they wrote, what is known, what follows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from rich.box import ROUNDED, SIMPLE
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gateway.agenda import stands
from gateway.explain import account
from gateway.model import Case, Channel, Entry, Known, State, Verdict
from gateway.plural import plural
from gateway.reading import Reading
from gateway.replay import Count, Replayed, Ruled, by_rule, moves, outcomes, told, verdicts

if TYPE_CHECKING:
    from gateway.journal import Event
    from gateway.journal.leases import Process
    from gateway.status import Status

_COLOUR = {Verdict.ACCEPT: "green", Verdict.DECLINE: "yellow", Verdict.HUMAN: "magenta", Verdict.IGNORE: "bright_black"}
_KNOWN_WORDS = {Known.YES: "you know them", Known.MAYBE: "you may know them", Known.NO: "you do not know them"}
_BY = {"owner": " (you)", "answer": " (they answered)"}
_FAINT = "bright_black"
_WIDTH = 100
_NAME = 24  # columns for the name of an owner
_FAULTS = 3  # lines for those of a file
# The journal's words of what happened, as a person says it; a word that is not here is one already.
_HAPPENED: dict[str, str] = {
    "taken-in": "mail came in",
    **{verdict: f"judged: {verdict}" for verdict in Verdict},
    State.HELD: "answer waits for its hold to end",
    State.DUE: "answer may go out",
    State.SENDING: "mail server is asked",
    State.DOT: "mail server takes the answer",
    State.SENT: "answered by mail",
    State.REFUSED: "answer refused",
    State.UNCERTAIN: "answer uncertain",
    State.CLOSED: "nothing is sent",
    State.UNREADABLE: "mail cannot be read",
    "moved": "judged anew",
    "overruled": "you decided",
    "answer": "answer written",
    "filing": "mail is being filed",
    "filed": "mail filed",
    "undecided": "place decides nothing yet",
    "answered": "they wrote back",
    "auto-reply": "automatic answer of theirs",
    "connected": "connected",
    "offended": "took offence",
    "bounced": "answer came back",
    "owner: taken back": "you took back",
}
# Proves that nothing was changed, and tells a person nothing.
_SEAL = re.compile(r"(?:; |^)(?:mail|answer) [0-9a-f]{32}$")


def console() -> Console:
    """The terminal, at a width that is comfortable to read; plain text where it is none."""
    found = Console(highlight=False)
    found.width = min(found.width, _WIDTH)
    return found


def show(reading: Reading, to: Console) -> None:
    """Print the card of a mail."""
    title = reading.mail.subject if reading.mail else "(unreadable)"
    to.print(card(account(reading.judgement, None), title=title, subtitle=reading.file))


@dataclass(frozen=True, slots=True)
class _Today:
    """How things are with a mail that was judged some time ago."""

    verdict: Verdict  # of its case, whoever decided it
    by: str
    stands: str
    answers: bool  # whether the answer it was judged to get is one to be given, or was given


def card(told: Mapping[str, Any], *, title: str, subtitle: str, today: _Today | None = None) -> RenderableType:
    """What `explain --json` tells of a mail, for a person. All that comes from a mail is text, never markup."""
    verdict = today.verdict if today else Verdict(told["verdict"])
    colour = _COLOUR[verdict]
    if verdict is Verdict.IGNORE:
        because = "; ".join(told["because"])
        words = ((f"{verdict}  ", colour), (title or "(no subject)", "bold"), f"  {because}", (f"  {subtitle}", _FAINT))
        return Padding(Text.assemble(*words), (0, 1))
    return Panel(
        Group(*_body(told, today)),
        title=Text.assemble((f" {verdict}{today.by if today else ''} ", f"bold {colour}"), title),
        subtitle=Text(subtitle, style="bright_black"),
        title_align="left",
        subtitle_align="right",
        border_style=colour,
        box=ROUNDED,
        padding=(0, 1),
    )


def show_cases(rows: Sequence[tuple[Case, Entry]], zone: tzinfo, to: Console) -> None:
    """Print cases as a table: who, the verdict, and where the answer stands, in the owner's time."""
    table = Table(box=SIMPLE, pad_edge=False, header_style="bright_black")
    for heading in ("case", "since", "who", "verdict", "stands"):
        table.add_column(heading, no_wrap=heading in ("case", "since"), overflow="fold")
    for case, entry in rows:
        name, headline = case.inviter.name or "(no name)", case.inviter.headline
        who = Text.assemble((name, "bold"), f"\n{headline}" if headline else "")
        verdict = Text(f"{case.verdict}{_BY.get(case.decided_by, '')}", style=_COLOUR[case.verdict])
        since = f"{case.opened.astimezone(zone):%Y-%m-%d}"
        table.add_row(case.name, since, who, verdict, Text(stands(case, entry, zone)))
    to.print(table)


def show_status(rows: Sequence[tuple[Status, tzinfo]], to: Console) -> None:
    """Print how things stand with owners, each in their own time."""
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold", max_width=_NAME)
    table.add_column(overflow="fold")
    for row, zone in rows:
        table.add_row(Text(row.owner, style="bold"), Text("\n").join(_standing(row, zone)))
    to.print(table)


def _standing(row: Status, zone: tzinfo) -> Iterator[Text]:
    first, *more = _shortened(row.stands, "green" if row.sound else "red")
    yield first.append(", ".join(("", *_manners(row))), style="bright_black")
    yield from more
    if row.served and row.fault:
        yield from _shortened(f"changed file not in force: {row.fault}", "red")
    for one in row.blind:
        yield Text(f"blind ({one.sense}) since {_moment(one.since, zone)}: {one.why}")
    if row.next_summary is None:  # of a file that cannot be read there is no more to tell
        return
    moments = ("last mail", row.last_mail), ("last decision", row.last_decision), ("next summary", row.next_summary)
    yield Text(", ".join(f"{what} {_moment(moment, zone)}" for what, moment in moments), style="bright_black")
    queue = ", ".join(f"{number} {state}" for state, number in row.queue.items())
    yield Text.assemble((f"queue: {queue or 'empty'}; ", "bright_black"), f"for you: {row.waits}")


def _manners(row: Status) -> Iterator[str]:
    if row.mode:
        yield f"{row.mode} mode"
    if row.paused:
        yield "paused"


def _shortened(faults: str, style: str) -> list[Text]:
    """The first of some faults, which `rsvpd check` has all of."""
    lines = faults.splitlines()
    rest = len(lines) - _FAULTS
    more = [Text(f"and {rest} more: `rsvpd check` has all", style="bright_black")] if rest > 0 else []
    return [*(Text(line, style=style) for line in lines[:_FAULTS]), *more]


def show_processes(rows: Sequence[Process], nobodys: int, to: Console) -> None:
    """Print the processes that share owners, in this machine's time."""
    table = Table(box=SIMPLE, pad_edge=False, header_style="bright_black")
    for heading in ("host", "process", "stands", "owners", "since", "last sign of life"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("process", "owners") else "left")
    for row in rows:
        stands = Text("serves", style="green") if row.living else Text("gone", style="bright_black")
        since, beat = (f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" for moment in (row.since, row.beat))
        table.add_row(Text(row.host), str(row.pid), stands, str(row.held), since, beat)
    to.print(table)
    told = f"{nobodys} owner{' is' if nobodys == 1 else 's are'} nobody's."
    to.print(Text(told, style="red") if nobodys else Text("Every owner is served."))


def _moment(moment: datetime | None, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" if moment else "-"


def progress(mails: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """The mails, while a terminal is told how many have been read; a pipe is told nothing."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield from mails
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} mails read"), _Speed(), TimeElapsedColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        for mail in mails:
            yield mail
            bar.advance(task)


class _Speed(ProgressColumn):
    """How fast it goes, once that can be told."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="bright_black")


def show_replay(
    rows: Sequence[Replayed], count: Count, to: Console, *, policies: Sequence[str], everything: bool
) -> None:
    """Print what a replay found: the numbers, the rules that were used, and the decisions asked for."""
    if not rows:
        to.print(f"No invitations among {count.mails} {plural(count.mails, 'mail')}.")
        return
    to.print(f"{told(count)}.")
    every = [row.ruled for row in rows], [row.other for row in rows if row.other]
    for policy, ruled in zip(policies, every, strict=False):
        to.print(_numbers(policy, ruled))
    if len(policies) > 1:
        changed = [row for row in rows if row.differs]
        to.print(f"{policies[1]} ends differently in {len(changed)} of {len(rows)}:")
        for move, times in moves(rows):
            to.print(f"  {move} {times}")
        to.print(_replay_table(changed, policies))
        return
    rules = _plain_table("rule", "verdict", "times")
    for rule, verdict, times in by_rule(rows):
        rules.add_row(Text(rule), Text(str(verdict), style=_COLOUR[verdict]), f"{times:>5}")
    to.print(rules)
    if everything:
        to.print(_replay_table(rows, policies))


def _numbers(policy: str, ruled: Sequence[Ruled]) -> Text:
    given = verdicts(ruled)
    text = Text.assemble((policy, "bold"), "\n  ")
    text.append_text(
        Text(", ").join(Text(f"{verdict} {given[verdict]}", _COLOUR[verdict]) for verdict in Verdict if given[verdict])
    )
    return text.append(f"\n  {', '.join(f'{what} {number}' for what, number in outcomes(ruled)) or '-'}")


def _plain_table(*headings: str) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, header_style="bright_black")
    for heading in headings:
        table.add_column(heading, no_wrap=heading == "when", overflow="fold")
    return table


def _replay_table(rows: Sequence[Replayed], policies: Sequence[str]) -> Table:
    table = _plain_table("when", "who", *(policies if len(policies) > 1 else ("decision",)))
    for row in rows:
        when = f"{row.date:%Y-%m-%d}" if row.date else ""
        who = Text.assemble((row.name or "(no name)", "bold"), f"\n{row.headline}" if row.headline else "")
        table.add_row(when, who, *(_ruling(ruled) for ruled in (row.ruled, row.other) if ruled))
    return table


def _ruling(ruled: Ruled) -> Text:
    way = f", {ruled.way}" if ruled.way else ""
    because = "; ".join(ruled.because)
    return Text.assemble((str(ruled.verdict), _COLOUR[ruled.verdict]), f"{way} ({ruled.rule}): {because}")


def show_case(case: Case, entries: Sequence[Entry], history: Sequence[Event], zone: tzinfo, to: Console) -> None:
    """Print all about a case: the card of each of its mails, and what happened when, in the owner's time."""
    for entry in entries:
        if entry.judgement:
            title, came = case.inviter.name or "(no name)", _moment(entry.taken_in, zone)
            to.print(
                card(
                    entry.judgement,
                    title=title,
                    subtitle=f"{case.name}, mail {entry.key[:8]}, {came}",
                    today=_today(case, entry, zone),
                )
            )
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    for event in history:
        at = f"{event.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        table.add_row(
            at, _HAPPENED.get(event.what, event.what.replace("owner: ", "you said: ")), Text(_SEAL.sub("", event.why))
        )
    to.print(table)
    to.print(Text(f"Times are those of {zone}.", style="bright_black"))


def _today(case: Case, entry: Entry, zone: tzinfo) -> _Today:
    now = "" if entry.continues else stands(case, entry, zone)
    answers = (case.verdict is Verdict.DECLINE and not entry.dealt_with) or entry.state is State.SENT
    return _Today(case.verdict, _BY.get(case.decided_by, ""), now, answers and not entry.continues)


def _body(told: Mapping[str, Any], today: _Today | None) -> Iterator[RenderableType]:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bright_black", no_wrap=True)
    rows.add_column(overflow="fold")
    if today and today.stands:
        rows.add_row("stands", Text(today.stands, style="bold"))
    for label, value in _facts(told):
        rows.add_row(label, value)
    if today and today.verdict != told["verdict"]:
        rows.add_row("judged", Text(f"{told['verdict']}, before it was decided otherwise"))
    for number, reason in enumerate(told["because"]):
        rows.add_row("because" if number == 0 else "", Text(reason, style="bold"))
    rows.add_row("rule", Text(told["rule"]))
    yield rows
    reply = told["reply"]
    if reply is None or (today and not today.answers):
        return
    channel = Channel(reply["channel"])
    if channel is Channel.PASTE:
        yield _quoted("To paste into the network (no mail reaches the inviter):", reply["short"])
        return
    by_what = "their address in the mail" if channel is Channel.REPLY_TO else "the one address you have of them"
    yield _quoted(f"Answer to {reply['to']} ({by_what}): {reply['subject']}", reply["body"].rstrip())


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, Text]]:
    inviter, note = told["inviter"], told["note"]
    if inviter:
        who = Text(inviter["name"] or "(no name)", style="bold")
        if inviter["headline"]:
            who.append(f", {inviter['headline']}", style="not bold")
        yield "who", who
    if inviter and inviter["profile_url"] and told["authentic"] == "pass":
        yield "", Text(inviter["profile_url"], style="cyan")
    if told["network"]:
        yield "what", Text(f"{told['network']} {told['kind']}")
    if told["network"] and inviter:
        yield "note", _note(note)
        yield "known", Text(f"{_KNOWN_WORDS[Known(told['known'])]}: {told['known_why']}")
        yield "genuine", Text(f"{told['authentic']}: {told['authentic_why']}")


def _note(note: Mapping[str, Any]) -> Text:
    if note["text"] is None:
        return Text("none", style="bright_black")
    if note["kind"] == "default":
        return Text.assemble(("the stock sentence: ", "bright_black"), note["text"])
    signals = f"  [{', '.join(note['signals'])}]" if note["signals"] else ""
    return Text.assemble((note["text"], "italic"), (signals, "bright_black"))


def _quoted(heading: str, text: str) -> RenderableType:
    return Padding(Group(Text(heading, style="bright_black"), Padding(Text(text), (0, 0, 0, 2))), (1, 0, 0, 0))
