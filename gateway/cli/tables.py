"""The commands for databases: owners who are shared by several services, and journals that move there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gateway.cli.arguments import CONFIGURATION, count


@click.group(short_help="Owners in a PostgreSQL that several services share.")
def owners() -> None:
    """Owners in a PostgreSQL, for services that share them (docs/scaling.md)."""


_URL = click.argument("url", metavar="URL", envvar="RSVPD_OWNERS")


@owners.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.argument("url", metavar="URL")
def import_owners(paths: tuple[Path, ...], url: str) -> None:
    """Put files, or folders of them, into the table at a URL; services that run take up what is new or changed.

    The text is stored as it is. Passwords stay where the files say they are, which must be the same on every host, as
    must be all that a file names by a relative path.
    """
    from gateway.journal.leases import Leases
    from gateway.roster import Roster
    from gateway.sharing import imported

    new, same, faults = imported(Roster(paths), Leases.at(url))
    for fault in faults:
        click.echo(f"rsvpd: {fault}", err=True)
    click.echo(f"{count(new, 'owner')} put in, {same} as they were, {count(len(faults), 'fault')}.")
    if faults:
        sys.exit(CONFIGURATION)


@owners.command("list")
@_URL
@click.option("--json", "as_json", is_flag=True, help="One object an owner and line, for programs.")
def list_owners(url: str, as_json: bool) -> None:
    """The owners in the table, and which process serves each."""
    from gateway.journal.leases import Leases

    leases = Leases.at(url)
    living = {process.id: process for process in leases.processes()}
    for name, holder in leases.holders().items():
        process = living.get(holder or "")
        where = {"host": process.host, "pid": process.pid} if process else {"host": None, "pid": None}
        if as_json:
            click.echo(json.dumps({"owner": name, **where}, ensure_ascii=False))
        else:
            click.echo(f"{name:32}{f'{process.host}, process {process.pid}' if process else 'nobody'}")


@owners.command("remove")
@click.argument("names", nargs=-1, required=True)
@click.argument("url", metavar="URL")
def remove_owners(names: tuple[str, ...], url: str) -> None:
    """Serve these owners no more; what the journal holds of them stays."""
    from gateway.journal.leases import Leases

    leases = Leases.at(url)
    unknown = [name for name in names if not leases.remove(name)]
    if unknown:
        raise click.UsageError(f"there is no {', '.join(unknown)}")


@click.group(short_help="Bring a journal from SQLite into PostgreSQL.")
def journal() -> None:
    """The journal as a whole."""


@journal.command("copy")
@click.argument("source", metavar="SQLITE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", metavar="URL")
def copy_journals(source: Path, target: str) -> None:
    """Copy a journal out of its SQLite file into a PostgreSQL, and compare every row.

    Stop the service of its owner before. Each owner arrives as a whole or not at all, so it can be called again; what
    is known of people is read again from its sources.
    """
    from gateway.journal.copying import copy_journal
    from gateway.journal.store import open_file, open_url

    def tell(owner: str, rows: int) -> None:
        click.echo(f"{owner}: {count(rows, 'row')} copied and compared." if rows else f"{owner}: is there, row by row.")

    copy_journal(open_file(source), open_url(target), tell)
