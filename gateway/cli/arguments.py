"""What several commands take, tell and end with."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.plural import plural

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.journal import Journal

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
    return f"{number or 'no'} {plural(number, noun)}"


def config_at(path: Path | str | None) -> Config:
    """The settings of the given file or owner in a table, or of the default file; BadConfig when there is none."""
    from gateway.config import load
    from gateway.errors import BadConfig

    if isinstance(path, str):
        from gateway.sharing import settings_at

        return settings_at(path)
    if path is None:
        path = default_config()
        if not path.exists():
            why = "no such file; name yours with --config, or have `rsvpd init` write it"
            raise BadConfig(str(path), (why,))
    return load(path)


def default_config() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "rsvpd" / "config.toml"


def journal_at(config_path: Path | str | None) -> tuple[Config, Journal]:
    """The owner's journal; the service hears of it when the command is done with it."""
    from gateway.state import acting_for, open_journal, ring

    config = config_at(config_path)
    context = click.get_current_context()
    context.with_resource(acting_for(config))
    context.call_on_close(partial(ring, config))
    return config, open_journal(config)
