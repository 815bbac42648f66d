"""What several commands take, tell and end with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

NEEDS_YOU, CONFIGURATION = 1, 78  # exit statuses

_TABLE = ("postgresql://", "postgresql+psycopg://")  # how the URL of a database with owners begins


class FileOrTable(click.Path):
    """A file or folder that is there, or the URL of a database."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith(_TABLE):
            return value
        return super().convert(value, param, ctx)


CONFIG = click.option(
    "--config",
    "config_path",
    type=FileOrTable(path_type=Path, dir_okay=False),
    envvar="RSVPD_CONFIG",
    show_envvar=True,
    help="Your TOML file, or postgresql://...#NAME of an owner in a table. [default: ~/.config/rsvpd/config.toml]",
)
PLACE = FileOrTable(path_type=Path, exists=True)


def table_in(places: tuple[Path | str, ...]) -> str | None:
    """The URL among what was named, which then is all that was."""
    urls = [place for place in places if isinstance(place, str)]
    if urls and len(places) > 1:
        raise click.UsageError("name one database, or files and folders, not both")
    return urls[0] if urls else None


def count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
