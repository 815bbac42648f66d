"""The commands about what came in: the cases, the owner's word on them, and the weekly summary."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.arguments import CONFIG, NEEDS_YOU, FileOrTable, journal_at

if TYPE_CHECKING:
    from gateway.commands.verbs import Verb
    from gateway.config import Config
    from gateway.journal import Journal
    from gateway.model import Case

_LISTED = 100  # cases; with more nobody sees what is new


@click.command("list", short_help="Cases that need you, and answers about to go out.")
@CONFIG
@click.option("--all", "everything", is_flag=True, help="Every case, whatever became of it.")
def list_cases(config_path: Path | str | None, everything: bool) -> None:
    """The latest hundred cases that need you, and answers that have not gone out yet, with when they do.

    What needs you is an invitation to accept or to decide about, a text to paste, an answer that did not get through.

    Drafts, which lie in your Drafts folder, and invitations older than 7 days, which are answered only if you say so,
    may be many and are only counted; they stand in the weekly summary, as does all that was answered or declined
    quietly.
    """
    from gateway.card import console, show_cases
    from gateway.review import left_apart, listed

    config, journal = journal_at(config_path)
    rows = journal.latest() if everything else listed(journal, _LISTED + 1)
    if rows:
        show_cases(rows[: None if everything else _LISTED], config.me.zone, console())
    else:
        click.echo("No cases yet." if everything else "Nothing waits for you. `rsvpd list --all` shows all cases.")
    if everything:
        return
    if len(rows) > _LISTED:
        click.echo(f"These are the latest {_LISTED} that wait for you. `rsvpd list --all` shows all cases.")
    if apart := left_apart(journal):
        click.echo(f"In your Drafts folder, or too old to be answered unasked: {apart} (--all).")


@click.command(short_help="All about one case.")
@CONFIG
@click.option("--policy", "with_policy", is_flag=True, help="Also print the policy it was decided under.")
@click.argument("case")
def show(config_path: Path | str | None, with_policy: bool, case: str) -> None:
    """All about one case: the findings, the reasons, the answer, and what happened when.

    CASE is one like c17, or the eight digits that the log names a mail by.
    """
    from gateway.card import console, show_case

    config, journal = journal_at(config_path)
    of_mail = journal.case_of_mail(case) if re.fullmatch(r"[0-9a-f]{8}", case) else None
    found = of_mail or _case(journal, case)
    zone = config.me.zone
    mails = journal.of_case(found)
    show_case(found, mails, journal.history(found), zone, console())
    for fingerprint in dict.fromkeys(mail.policy for mail in mails if mail.policy):
        since = journal.policies.since(fingerprint)
        click.echo(
            f"Decided under policy {fingerprint[:8]}"
            + (f", in force since {since.astimezone(zone):%Y-%m-%d}." if since else ".")
        )
        if with_policy:
            click.echo(journal.policies.text(fingerprint) or "")


def _case(journal: Journal, name: str) -> Case:
    found = journal.case(name)
    if found is None:
        raise click.UsageError(f"there is no case {name}; `rsvpd list` shows them")
    return found


def _decide(act: Callable[[Config, Journal, Case, datetime], str], config_path: Path | str | None, case: str) -> None:
    config, journal = journal_at(config_path)
    click.echo(act(config, journal, _case(journal, case), datetime.now(UTC)))


def _decide_by(verb: Verb, config_path: Path | str | None, case: str) -> None:
    from gateway.deeds import carry_out

    _decide(partial(carry_out, verb), config_path, case)


@click.command(short_help="You will accept this person.")
@CONFIG
@click.argument("case")
def approve(config_path: Path | str | None, case: str) -> None:
    """You will accept this person: an answer that still waits is taken back."""
    from gateway.commands.verbs import Verb

    _decide_by(Verb.ACCEPT, config_path, case)


@click.command(short_help="Decline this person with the answer of your policy.")
@CONFIG
@click.argument("case")
def decline(config_path: Path | str | None, case: str) -> None:
    """Decline this person with the answer of your policy."""
    from gateway.commands.verbs import Verb

    _decide_by(Verb.DECLINE, config_path, case)


_COMPANY = click.option("--company", is_flag=True, help="All of the inviter's company, not this person alone.")


@click.command(short_help="Accept this person now and in future.")
@CONFIG
@_COMPANY
@click.argument("case")
def always(config_path: Path | str | None, company: bool, case: str) -> None:
    """Accept this person now and whenever they invite you; `rsvpd neither` takes it back."""
    from gateway.commands.verbs import Verb

    _decide_by(Verb.ALWAYS_COMPANY if company else Verb.ALWAYS_PERSON, config_path, case)


@click.command(short_help="Decline this person now and in future, unanswered.")
@CONFIG
@_COMPANY
@click.argument("case")
def never(config_path: Path | str | None, company: bool, case: str) -> None:
    """Decline this person now and whenever they invite you, without an answer; `rsvpd neither` takes it back."""
    from gateway.commands.verbs import Verb

    _decide_by(Verb.NEVER_COMPANY if company else Verb.NEVER_PERSON, config_path, case)


@click.command(short_help="Take back what you said, always or never.")
@CONFIG
@click.argument("case")
def neither(config_path: Path | str | None, case: str) -> None:
    """Take back what you said, always or never, of this person and their company."""
    from gateway.commands.verbs import Verb

    _decide_by(Verb.NEITHER, config_path, case)


@click.command(short_help="Send again an answer that did not get through.")
@CONFIG
@click.argument("case")
def retry(config_path: Path | str | None, case: str) -> None:
    """Send again an answer that was refused, or is uncertain and did not arrive as far as you know."""
    from gateway import review

    _decide(review.retry, config_path, case)


@click.command("suggest", short_help="Rows for your policy, read off what you overruled.")
@click.argument("config_path", metavar="CONFIG", type=FileOrTable(path_type=Path, exists=True, dir_okay=False))
def suggest_rows(config_path: Path | str | None) -> None:
    """Rows for your policy, read off what you decided otherwise in the latest thousand cases; you paste them, or not.

    Each comes with what it would have changed so far. Writes nothing.
    """
    from gateway.owner import policy_at_hand
    from gateway.review import decided
    from gateway.suggest import as_toml, suggest

    config, journal = journal_at(config_path)
    found = suggest(decided(journal), policy_at_hand(config))
    if found:
        click.echo("# To be put above the other rows of your file, if you agree.\n")
        click.echo("\n".join(map(as_toml, found)), nl=False)
    else:
        click.echo("Nothing to suggest: nothing that you decided otherwise than your policy recurs.")


@click.command(short_help="Stop sending at once; watching and judging go on.")
@CONFIG
def pause(config_path: Path | str | None) -> None:
    """Stop sending at once; watching and judging go on. Survives restarts."""
    from gateway.pipeline import PAUSED

    _, journal = journal_at(config_path)
    journal.set_fact(PAUSED, datetime.now(UTC).isoformat())
    click.echo("Paused: nothing is sent to inviters until `rsvpd resume`.")


@click.command(short_help="Send again after `rsvpd pause`.")
@CONFIG
def resume(config_path: Path | str | None) -> None:
    """Send again after `rsvpd pause`."""
    from gateway.pipeline import PAUSED

    _, journal = journal_at(config_path)
    journal.set_fact(PAUSED, None)
    click.echo("Resumed.")


def _somebody(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    from gateway.names import read
    from gateway.settings import is_address

    if not (is_address(value.strip()) if "@" in value else read(value).words):
        raise click.BadParameter(f"{value!r} is neither an address nor a name")
    return value.strip()


@click.command(short_help="Erase a person everywhere.")
@CONFIG
@click.argument("who", metavar="ADDRESS|NAME", callback=_somebody)
def forget(config_path: Path | str | None, who: str) -> None:
    """Erase a person everywhere: from what is known of your acquaintances, and from the cases.

    Your own files and mail stay as they are; what is read from them again leaves this person out. An answer that still
    waits is taken back. Exits with 1 if nobody of this address or name is known.
    """
    from gateway.owner import people_of

    _, journal = journal_at(config_path)
    now = datetime.now(UTC)
    records, cases = people_of(journal).forget(who, now), journal.forget(who, now)
    if not records and not cases:
        click.echo(f"Nobody called {who} is known; nothing was erased.")
        sys.exit(NEEDS_YOU)
    click.echo(f"Erased {who}: records of acquaintances {records}, cases {cases}.")


@click.command(short_help="The weekly summary, to look at or to send now.")
@click.argument("config_path", metavar="CONFIG", type=FileOrTable(path_type=Path, exists=True, dir_okay=False))
@click.option("--print", "how", flag_value="print", default="print", help="Show it here. [default]")
@click.option("--send", "how", flag_value="send", help="Send it to yourself now.")
@click.option("--week", metavar="2026-W47", help="Which week. [default: the one that is running]")
def digest(config_path: Path | str | None, how: str, week: str | None) -> None:
    """The weekly summary, to look at or to send to yourself."""
    from gateway.review import send_summary, summary

    config, journal = journal_at(config_path)
    now = datetime.now(UTC)
    try:
        if how == "print":
            click.echo(summary(config, journal, week, now).text, nl=False)
        else:
            click.echo(send_summary(config, journal, week, now))
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None


COMMANDS = (
    list_cases,
    show,
    approve,
    decline,
    always,
    never,
    neither,
    retry,
    suggest_rows,
    pause,
    resume,
    forget,
    digest,
)
