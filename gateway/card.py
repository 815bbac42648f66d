"""A judgement as a card that a person reads at a terminal: who, what they wrote, what is known, what follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.explain import account
from gateway.model import Channel, Judgement, Known, Verdict
from gateway.reading import Reading

_COLOUR = {Verdict.ACCEPT: "green", Verdict.DECLINE: "yellow", Verdict.HUMAN: "magenta", Verdict.IGNORE: "bright_black"}
_KNOWN_WORDS = {Known.YES: "you know them", Known.MAYBE: "you may know them", Known.NO: "you do not know them"}
_WIDTH = 100


def console() -> Console:
    """The terminal, at a width that is comfortable to read; plain text where it is none."""
    found = Console(highlight=False)
    found.width = min(found.width, _WIDTH)
    return found


def show(reading: Reading, to: Console) -> None:
    """Print the card of a mail."""
    title = reading.mail.subject if reading.mail else "(unreadable)"
    to.print(card(reading.judgement, title=title, subtitle=reading.file))


def card(judgement: Judgement, *, title: str, subtitle: str) -> RenderableType:
    """The card itself. Everything that comes from a mail is text, never markup."""
    told = account(judgement, None)
    verdict = judgement.decision.verdict
    if verdict is Verdict.IGNORE:
        line = Text.assemble((f"{verdict}  ", _COLOUR[verdict]), (title, "bold"), f"  {'; '.join(told['because'])}")
        return Padding(line, (0, 1))
    colour = _COLOUR[verdict]
    return Panel(
        Group(*_body(judgement, told)),
        title=Text.assemble((f" {verdict} ", f"bold {colour}"), title),
        subtitle=Text(subtitle, style="bright_black"),
        title_align="left",
        subtitle_align="right",
        border_style=colour,
        box=ROUNDED,
        padding=(0, 1),
    )


def _body(judgement: Judgement, told: dict[str, Any]) -> Iterator[RenderableType]:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bright_black", no_wrap=True)
    rows.add_column(overflow="fold")
    for label, value in _facts(told):
        rows.add_row(label, value)
    for number, reason in enumerate(told["because"]):
        rows.add_row("because" if number == 0 else "", Text(reason, style="bold"))
    rows.add_row("rule", Text(told["rule"]))
    yield rows
    reply = judgement.reply
    if reply is None or reply.channel is Channel.NONE:
        return
    if reply.channel is Channel.PASTE:
        yield _quoted("To paste into the network (no mail reaches the inviter):", reply.short)
        return
    by_what = "their address in the mail" if reply.channel is Channel.REPLY_TO else "the one address you have of them"
    yield _quoted(f"Answer to {reply.to} ({by_what}): {reply.subject}", reply.body.rstrip())


def _facts(told: dict[str, Any]) -> Iterator[tuple[str, Text]]:
    inviter, note = told["inviter"], told["note"]
    if inviter:
        who = Text(inviter["name"] or "(no name)", style="bold")
        if inviter["headline"]:
            who.append(f", {inviter['headline']}", style="not bold")
        yield "who", who
    if inviter and inviter["profile_url"]:
        yield "", Text(inviter["profile_url"], style="blue")
    if told["network"]:
        yield "what", Text(f"{told['network']} {told['kind']}")
    if told["network"] and inviter:
        yield "note", _note(note)
        yield "known", Text(f"{_KNOWN_WORDS[Known(told['known'])]}: {told['known_why']}")
        yield "genuine", Text(f"{told['authentic']}: {told['authentic_why']}")


def _note(note: dict[str, Any]) -> Text:
    if note["text"] is None:
        return Text("none", style="bright_black")
    if note["kind"] == "default":
        return Text.assemble(("the stock sentence: ", "bright_black"), note["text"])
    signals = f"  [{', '.join(note['signals'])}]" if note["signals"] else ""
    return Text.assemble((note["text"], "italic"), (signals, "bright_black"))


def _quoted(heading: str, text: str) -> RenderableType:
    return Padding(Group(Text(heading, style="bright_black"), Padding(Text(text), (0, 0, 0, 2))), (1, 0, 0, 0))
