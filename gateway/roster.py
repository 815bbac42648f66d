"""Whose files a service was started with, and what they say now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config import Config, load
from gateway.errors import BadConfig, RsvpdError


@dataclass(frozen=True, slots=True)
class Roster:
    """Files, one an owner, and folders of them."""

    paths: Sequence[Path]

    def files(self) -> list[Path]:
        """Every owner's file; BadConfig when two would be the same owner's, or a folder has none."""
        found: dict[str, Path] = {}
        for path in self.paths:
            for file in _files_of(path):
                other = found.setdefault(file.stem, file)
                if other.absolute() != file.absolute():
                    why = f"names the owner {file.stem!r}, as {other} does: give one of them another name"
                    raise BadConfig(str(file), (why,))
        return list(found.values())

    def read(self) -> tuple[list[Config], dict[str, RsvpdError]]:
        """The settings of each owner, and what is wrong with those that cannot be read, by owner."""
        configs: list[Config] = []
        faults: dict[str, RsvpdError] = {}
        for file in self.files():
            try:
                configs.append(load(file))
            except BadConfig as exc:
                faults[file.stem] = exc
        return configs, faults


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    # What begins with a dot is an editor's.
    found = sorted(file for file in path.glob("*.toml") if not file.name.startswith("."))
    if not found:
        raise BadConfig(str(path), ("there is no .toml file in this folder; put one there for each owner",))
    return found
