"""The demonstration on screen: what came in, the verdict and why, what was sent, what waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.parser import BytesParser
from email.policy import default

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.agenda import to_paste, waits
from gateway.demo.outcome import Outcome, Scene
from gateway.demo.sink import Letter
from gateway.model import Entry, Verdict

WIDTH = 100
_STYLE: dict[str, str] = {
    Verdict.ACCEPT: "green",
    Verdict.DECLINE: "yellow",
    Verdict.HUMAN: "magenta",
    Verdict.IGNORE: "bright_black",
}
_INTRODUCTION = (
    "For the length of this demonstration you are Mira Solberg, who connects with people she has "
    "interacted with (preset previous-interaction) and has one rule of her own. Mailbox and mail "
    "server are on this machine; nothing leaves it."
)


def screen() -> Console:
    """The terminal; what is piped gets the same width."""
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


def show(scene: Scene, console: Console) -> None:
    """Print all there is to see. Everything that comes from a mail is text, never markup."""
    console.print(_INTRODUCTION)
    console.print(_what_came_in(scene.outcomes))
    _heading(console, f"What was sent ({len(scene.letters)})")
    for letter in scene.letters:
        console.print(Text(f"  to {', '.join(letter.recipients)}"))
    if scene.letters:
        console.print(Padding(_letter(scene.letters[0]), (1, 2)))
    _heading(console, "What waits for you")
    for wanted, people in _waiting(scene.outcomes).items():
        console.print(Padding(Text.assemble((wanted, "italic"), f": {', '.join(people)}"), (0, 2)))


def _heading(console: Console, words: str) -> None:
    console.print()
    console.print(Text(words, style="bold"))


def _what_came_in(outcomes: Sequence[Outcome]) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("", justify="right", style="bright_black")
    table.add_column("Case", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("What came in, and why it was judged so", ratio=3, overflow="fold")
    table.add_column("What was done", ratio=2, overflow="fold")
    for outcome in outcomes:
        table.add_row(
            str(outcome.sample.number),
            outcome.entry.case if outcome.entry else "",
            Text(outcome.verdict, style=_STYLE.get(outcome.verdict, "red")),
            Group(outcome.sample.expected.about, Padding(_because(outcome), (0, 0, 0, 2))),
            Text("\n".join(_done(outcome))),
        )
    return table


def _because(outcome: Outcome) -> Text:
    entry = outcome.entry
    if entry is None:
        return Text("not from a network: not even fetched", style="bright_black")
    because = (entry.judgement or {}).get("because")
    reasons = [str(reason) for reason in because] if isinstance(because, list) else [entry.why]
    return Text("; ".join(reasons), style="bright_black")


def _done(outcome: Outcome) -> Iterator[str]:
    if outcome.entry is None or outcome.verdict == Verdict.IGNORE:
        yield "left alone"
        return
    if outcome.recipients:
        yield "answered:"
        yield from outcome.recipients
    elif waits(outcome.entry) and to_paste(outcome.entry):
        yield "to paste: no mail reaches them"
    elif outcome.entry.why:
        yield outcome.entry.why
    yield f"filed: {', '.join(outcome.folders)}"


def _waiting(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """What the owner is asked to do, and the cases it is to be done for."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        entry = outcome.entry
        if entry and waits(entry):
            found.setdefault(_wanted(outcome, entry), []).append(f"{entry.case or '-'} {_who(entry)}")
    return found


def _wanted(outcome: Outcome, entry: Entry) -> str:
    if entry.reply and to_paste(entry):
        return f"Paste “{entry.reply.short}”"
    return "Accept in the network" if outcome.verdict == Verdict.ACCEPT else "Decide"


def _who(entry: Entry) -> str:
    inviter = (entry.judgement or {}).get("inviter")
    return str(inviter["name"] or "(no name)") if isinstance(inviter, dict) else "(nobody)"


def _letter(letter: Letter) -> Panel:
    message = BytesParser(policy=default).parsebytes(letter.raw)
    body = message.get_body(("plain",))
    head = "\n".join(f"{name}: {message[name]}" for name in ("From", "To", "Subject", "Auto-Submitted"))
    text = body.get_content().rstrip() if body else ""
    return Panel(Text.assemble((head, "bright_black"), "\n\n", text), title="the first of them", title_align="left")
