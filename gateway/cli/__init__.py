"""The command line: it parses, wires and prints; what a command does stands in the modules it imports.

Imports stand in the commands, so that `rsvpd --help` answers at once.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import cases, tables
from gateway.cli.arguments import (
    CONFIG,
    CONFIGURATION,
    NEEDS_YOU,
    PLACE,
    FileOrTable,
    config_at,
    count,
    default_config,
    table_in,
)

if TYPE_CHECKING:
    from gateway.check.finding import Finding
    from gateway.heartbeat import Heartbeat


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what is raised on purpose into a line for a person and the exit status that belongs to it."""
    from gateway.errors import BadConfig, BadTemplate, JournalFailed, RsvpdError, Unfit

    try:
        yield
    except (BadConfig, BadTemplate, JournalFailed, Unfit) as exc:
        click.echo(f"rsvpd: {exc}", err=True)
        sys.exit(CONFIGURATION)
    except RsvpdError as exc:
        click.echo(f"rsvpd: {exc}", err=True)
        sys.exit(NEEDS_YOU)
    except OSError as exc:
        if exc.filename is None:  # a fault of ours, or nobody reads what is printed any more
            raise
        click.echo(f"rsvpd: {exc.filename}: {exc.strerror}", err=True)
        sys.exit(NEEDS_YOU)


@contextmanager
def _meant() -> Iterator[None]:
    """Say how a file is named where somebody gave it as if the command took one."""
    try:
        yield
    except click.UsageError as exc:
        found = re.search(r"unexpected extra argument \((\S+\.toml)\)", exc.message)
        parameters = exc.ctx.command.params if exc.ctx else []
        if found is None or not any("--config" in parameter.opts for parameter in parameters):
            raise
        raise click.UsageError(f"{exc.message}; did you mean --config {found[1]}?", exc.ctx) from None


class _Commands(click.Group):
    """Commands in the order of a first acquaintance, not of the alphabet."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        with _plain_errors(), _meant():
            return super().invoke(ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="rsvpd", prog_name="rsvpd")
def main() -> None:
    """Answers connection invitations by mail, the way you would.

    \b
    First acquaintance:      rsvpd demo
    Your own mailbox:        rsvpd init
    Why it decides so:       rsvpd explain --config me.toml invitation.eml
    The service:             rsvpd check me.toml, then rsvpd run me.toml

    Exit status: 0 done, 1 something needs you, 2 wrong usage, 78 the configuration is at fault.
    """
    os.umask(0o077)
    logging.getLogger("mailparser").setLevel(logging.CRITICAL)  # it remarks on every part it has no use for


@main.command(short_help="See it work: no account, no configuration, no network.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Where to leave the summary to look at.")
def demo(keep: Path | None) -> None:
    """See it work: sample invitations, a mailbox and a mail server on this machine, the real service.

    Needs no account, no configuration and no network. Exits with 1 if anything differs from what the
    samples expect.
    """
    from gateway.demo.run import run_demo

    sys.exit(run_demo(keep))


def _mail_address(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    from gateway.settings import is_address

    if value is not None and not is_address(value):
        raise click.BadParameter(f"{value!r} is no mail address")
    return value


class _WithPresets(click.Command):
    """A command whose help also tells what its options can name, read only when somebody asks for help."""

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from gateway.init.providers import providers
        from gateway.rules import preset_names, preset_summary

        with formatter.section("Presets"):
            formatter.write_dl([(name, preset_summary(name)) for name in preset_names()])
        with formatter.section("Providers"):
            formatter.write_text(", ".join(providers()))


@main.command("init", cls=_WithPresets, short_help="Your first file: finds servers, tries both logins.")
@click.option("--address", callback=_mail_address, help="Your mail address.")
@click.option("--name", help="Your name, as your answers are signed.")
@click.option("--preset", help="The policy to begin with, one of those below.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to. [default: ~/.config/rsvpd/config.toml]"
)
@click.option("--password-file", metavar="FILE", help="The file the password stands in.")
@click.option("--password-env", metavar="NAME", help="The environment variable it stands in.")
@click.option("--password-command", metavar="COMMAND", help="The command that prints it.")
@click.option("--provider", help="One of those below, for a domain of your own that has its mail there.")
@click.option("--imap", metavar="HOST[:PORT]", help="Your IMAP server, where it cannot be found.")
@click.option("--smtp", metavar="HOST[:PORT]", help="Your SMTP server, where it cannot be found.")
@click.option(
    "--ca-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Their certificate authority."
)
@click.option("--topics", metavar="A,B", help="Your fields, for a preset that goes by them.")
@click.option("--institution", help="Your university or company, for a preset that goes by it.")
@click.option("--group", metavar="URL", help="The group its members are asked into, for a preset that does.")
@click.option("--offline", is_flag=True, help="Look nothing up and try no login.")
def first_file(
    output: Path | None,
    offline: bool,
    password_file: str | None,
    password_env: str | None,
    password_command: str | None,
    **said: Any,
) -> None:
    """Write your first file: finds your servers, tries both logins, and says what comes next.

    Your mail address is enough: servers come from a table of providers, else from what your domain publishes for
    mail programs (autoconfig), else from DNS (MX; SRV, RFC 6186). Where only DNS says that they are elsewhere, you
    are asked first, because your password goes there. Google and Microsoft need no password: the file says oauth,
    and `rsvpd login` comes next.

    \b
    Asks for everything:
      rsvpd init --output me.toml
    Asks nothing:
      rsvpd init --address ada@example.org --password-file secret < /dev/null
    Servers that cannot be found:
      rsvpd init --imap imap.example.org --smtp smtp.example.org:587
    A domain with its mail at Google:
      rsvpd init --address ada@example.org --provider gmail

    What you say by an option is not asked; where there is no terminal, defaults hold. The file is yours alone to read
    (mode 0600), explains its lines, holds no password, and starts in draft mode: nothing is sent. A file that is
    there is never overwritten, and a login that is refused leaves none behind.
    """
    from gateway.init.dialogue import Wish, init
    from gateway.init.discovery import World
    from gateway.init.providers import providers
    from gateway.init.terminal import Nobody, Person
    from gateway.rules import preset_names

    _known("--preset", said["preset"], preset_names())
    _known("--provider", said["provider"], providers())
    if (said["imap"] is None) is not (said["smtp"] is None):
        raise click.UsageError("name both servers, --imap and --smtp, or neither")
    places = {"file": password_file, "env": password_env, "command": password_command}
    given = [(place, value) for place, value in places.items() if value is not None]
    if len(given) > 1:
        raise click.UsageError("say one place where the password stands, not several")
    wish = Wish(password=given[0] if given else None, **said)
    terminal = Person() if sys.stdin.isatty() else Nobody()
    init(wish, output or default_config(), terminal, None if offline else World())


def _known(option: str, value: str | None, there_are: Collection[str]) -> None:
    if value is not None and value not in there_are:
        raise click.BadParameter(f"{value!r} is none; there are {', '.join(there_are)}", param_hint=option)


@main.command(short_help="Every fault of a file, then logins, folders, records.")
@click.argument("config_path", metavar="CONFIG", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    "only_policy",
    is_flag=True,
    help="Print your policy in plain sentences, and what you said of single people.",
)
@click.option(
    "--probe",
    "with_probe",
    is_flag=True,
    help="Also send a mail to yourself, wait for it, and say whose word on it can be believed.",
)
def check(config_path: Path, only_policy: bool, with_probe: bool) -> None:
    """Every fault of a file at once; then the policy, your records, this machine, the logins and the folders.

    Changes nothing; sends nothing unless asked to with --probe, and takes that mail away again. Exits with 78 when
    the file is at fault, with 1 when something else is.
    """
    from gateway.config import load

    if only_policy:
        from gateway.owner import policy_at_hand
        from gateway.statement import describe

        click.echo(describe(policy_at_hand(load(config_path))), nl=False)
        return

    from gateway.check import checks
    from gateway.check.probe import probe

    config = load(config_path)
    findings = checks(config)
    if with_probe:
        findings = chain(findings, probe(config, partial(click.echo, err=True)))
    sys.exit(_show_findings(findings))


_FOUND = 22  # the column in which a line of `rsvpd check` says what was found


def hanging(text: str, indent: int, columns: int | None) -> str:
    """Text that begins at a column, with the lines after the first below it; as it is where nothing is so narrow."""
    if columns is None:
        return text
    width = max(columns - indent, 40)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def _show_findings(findings: Iterable[Finding]) -> int:
    """Print a line for each and one that sums up; the exit status."""
    from gateway.check.finding import Outcome

    colours = {Outcome.GOOD: "green", Outcome.REMARK: "yellow", Outcome.FAULT: "red"}
    counts, status = dict.fromkeys(Outcome, 0), 0
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for found in findings:
        outcome = click.style(f"{found.outcome:6}", fg=colours[found.outcome])
        click.echo(f"{outcome}{found.what:16}{hanging(found.found, _FOUND, columns)}")
        counts[found.outcome] += 1
        if found.outcome is Outcome.FAULT:
            status = max(status, CONFIGURATION if found.in_file else NEEDS_YOU)
    faults, notes = counts[Outcome.FAULT], counts[Outcome.REMARK]
    click.echo(f"\n{count(faults, 'fault')}, {count(notes, 'note')}, {counts[Outcome.GOOD]} ok.")
    return status


@main.command(short_help="Sign in at Google or Microsoft, once.")
@click.argument("config_path", metavar="CONFIG", type=FileOrTable(path_type=Path, exists=True, dir_okay=False))
def login(config_path: Path | str) -> None:
    """Sign in at Google or Microsoft, wherever the file says oauth.

    Needs a browser, but on any machine. What it obtains is kept in the state directory, so run it as the user that
    the service runs as; that of an owner in a table (postgresql://...#NAME) is kept beside their file, for whichever
    process serves them. docs/logins.md tells how to register the app whose id the file names.
    """
    from gateway.logins import sign_in

    config = config_at(config_path)
    kept = list(sign_in(config, _Terminal(), datetime.now(UTC)))
    if not kept:
        raise click.UsageError(f"no account in the file of {config.owner} says oauth; passwords need no signing in")
    for found in kept:
        click.echo(f"Signed in: {found}")
    if isinstance(config_path, Path):
        click.echo(f"Next: rsvpd check {config_path}")


class _Terminal:
    """Where the owner signs in."""

    def tell(self, text: str) -> None:
        click.echo(f"\n{text}\n")

    def ask(self, question: str) -> str:
        answer: str = click.prompt(question)
        return answer


@main.command(short_help="Why a mail is judged as it is.")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mail and line.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def explain(config_path: Path | str | None, as_json: bool, paths: tuple[Path, ...]) -> None:
    """Why a mail is judged as it is. Sends nothing, writes nothing.

    PATHS are .eml files, folders of them, mbox files or Maildirs. Of the configuration only [me], [policy],
    [[rule]], [[group]], [evidence] and [authentication] are used; no account is needed.
    """
    from gateway.config import Config
    from gateway.explain import account
    from gateway.owner import for_reading
    from gateway.reading import Reader

    config = Config() if config_path is None and not default_config().exists() else config_at(config_path)
    if config.path is None:
        click.echo("No --config given: judged as for somebody whose records are empty.", err=True)
    owner, troubles = for_reading(config)
    for trouble in troubles:
        click.echo(f"rsvpd: {trouble}", err=True)
    skipped = _Skipped()
    readings = Reader(owner).read(paths, skipped)
    if as_json:
        for reading in readings:
            click.echo(json.dumps(account(reading.judgement, reading.file), ensure_ascii=False))
    else:
        from gateway.card import console, show

        terminal = console()
        for reading in readings:
            show(reading, terminal)
    sys.exit(NEEDS_YOU if troubles or skipped.any else 0)


class _Skipped:
    """Tells of what is left out as it comes, and knows afterwards whether there was any."""

    any = False

    def __call__(self, what: str) -> None:
        self.any = True
        click.echo(f"rsvpd: {what}", err=True)


@main.command(short_help="What your policy would have made of a whole archive.")
@CONFIG
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Another file: show only where its policy ends differently.",
)
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Also write a page to look at."
)
@click.option(
    "--imap",
    "folder",
    is_flag=False,
    flag_value="INBOX",
    metavar="[FOLDER]",
    help="Read a folder of your mailbox instead of files. [default: INBOX]",
)
@click.option("--all", "everything", is_flag=True, help="Print every decision with its reason.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
def replay(
    config_path: Path | str | None,
    against: Path | None,
    html: Path | None,
    folder: str | None,
    everything: bool,
    paths: tuple[Path, ...],
) -> None:
    """What your policy would have made of a whole archive. Sends nothing, marks nothing.

    PATHS are .eml files, folders of them, mbox files or Maildirs.
    """
    from gateway.archive import mails
    from gateway.card import console, progress, show_replay
    from gateway.config import load
    from gateway.owner import for_comparison, for_reading, mailbox_mails
    from gateway.page import page
    from gateway.replay import Count
    from gateway.replay import replay as run_replay

    if bool(paths) == bool(folder):
        raise click.UsageError("name files to read, or --imap")
    config = config_at(config_path)
    owner, troubles = for_reading(config)
    for trouble in troubles:
        click.echo(f"rsvpd: {trouble}", err=True)
    other = load(against) if against else None
    skipped = _Skipped()
    source = mailbox_mails(config, folder) if folder else (mail for path in paths for mail in mails(path, skipped))
    count = Count()
    compared_with = for_comparison(owner, config, other) if other else None
    rows = list(run_replay(progress(source), owner, count, against=compared_with))
    policies = _short_names([each.path for each in (config, other) if each and each.path])
    show_replay(rows, count, console(), policies=policies, everything=everything)
    if html:
        _write(html, page(rows, count, policies=policies))
        click.echo(f"The page: {html}")
    sys.exit(NEEDS_YOU if skipped.any else 0)


def _short_names(paths: list[Path]) -> list[str]:
    """The names of files, with their folders where the names alone are the same."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror) from None


def _metrics_address(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    try:
        from gateway.metrics import address_of
    except ModuleNotFoundError:
        raise click.BadParameter('the prometheus-client package is missing: pip install "rsvpd[metrics]"') from None
    try:
        return address_of(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from None


def _heartbeat(_: click.Context, __: click.Parameter, value: str | None) -> Heartbeat | None:
    from gateway.heartbeat import Heartbeat

    try:
        return Heartbeat(value) if value else None
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from None


@main.command(short_help="The service.")
@click.argument("configs", nargs=-1, required=True, type=PLACE)
@click.option("--verbose", "-v", is_flag=True, help="Also log what is done in detail.")
@click.option(
    "--metrics",
    metavar="ADDRESS",
    envvar="RSVPD_METRICS",
    callback=_metrics_address,
    help='Where this machine can ask for /metrics (Prometheus) and /health, like "127.0.0.1:9464". [default: nowhere]',
)
@click.option(
    "--heartbeat",
    metavar="URL",
    envvar="RSVPD_HEARTBEAT",
    callback=_heartbeat,
    help="Asked for every five minutes as long as all is well; who listens there notices a silence.",
)
def run(
    configs: tuple[Path | str, ...], verbose: bool, metrics: tuple[str, int] | None, heartbeat: Heartbeat | None
) -> None:
    """The service: watches the mailbox of each CONFIG (a file, or a folder of them) until it is stopped.

    CONFIG may also be the URL of a PostgreSQL (postgresql://...) with the owners in it (`rsvpd owners`): then all
    processes started with it share them, on however many hosts.

    SIGHUP has it read the files again; an owner whose file is faulty then is served as before. SIGTERM ends it when
    what is under way is done.
    """
    from gateway import logbook
    from gateway.rehearsal import rehearse
    from gateway.roster import Roster
    from gateway.service import serve, serve_table

    logbook.set_up(verbose=verbose)
    rehearse()
    if url := table_in(configs):
        from gateway.journal.leases import Leases
        from gateway.sharing import Sharing

        serve_table(Sharing(Leases.at(url)), metrics=metrics, heartbeat=heartbeat)
        return
    serve(Roster([Path(config) for config in configs]), metrics=metrics, heartbeat=heartbeat)


main.add_command(tables.owners)
main.add_command(tables.journal)


@main.command(short_help="Is everybody served and connected, and what waits.")
@click.argument("configs", nargs=-1, type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="One object an owner and line, for programs.")
def status(configs: tuple[Path | str, ...], as_json: bool) -> None:
    """How things stand with the owner of each CONFIG (a file, or a folder of them; else yours, or those in /etc/rsvpd).

    Whether a service looks after them and reaches the mailbox, the last mail and decision, what waits, and when the
    next summary comes. Reads only. Exits with 1 if an owner is not served or the mailbox is away.

    Of the URL of a PostgreSQL with owners: the processes that share them, how many each holds, and when it last gave a
    sign of life. Exits with 1 if an owner is nobody's.
    """
    if url := table_in(configs):
        _show_processes(url, as_json=as_json)
        return
    from gateway.card import console, show_status
    from gateway.roster import Roster
    from gateway.state import SYSTEM_FILES, acting_for
    from gateway.status import Status, status_of

    usual = default_config()
    given = [Path(config) for config in configs] or (
        (SYSTEM_FILES,) if SYSTEM_FILES.is_dir() and not usual.exists() else (usual,)
    )
    found, faults = Roster(given).read()
    rows: list[tuple[Status, tzinfo]] = []
    for config in found:
        with acting_for(config):
            rows.append((status_of(config, datetime.now(UTC)), config.me.zone))
    rows += [(Status(owner, str(fault)), UTC) for owner, fault in faults.items()]
    if as_json:
        for row, _ in rows:
            click.echo(json.dumps(row.as_json(), ensure_ascii=False))
    else:
        show_status(rows, console())
    if not all(row.sound for row, _ in rows):
        sys.exit(NEEDS_YOU)


def _show_processes(url: str, *, as_json: bool) -> None:
    from gateway.card import console, show_processes
    from gateway.journal.leases import Leases

    leases = Leases.at(url)
    found, nobodys = leases.processes(), leases.nobodys()
    if as_json:
        for process in found:
            click.echo(json.dumps(process.as_json(), ensure_ascii=False))
    else:
        show_processes(found, nobodys, console())
    if nobodys:
        sys.exit(NEEDS_YOU)


for _command in cases.COMMANDS:
    main.add_command(_command)
