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
        """Every owner's file; BadConfig when two would be the same owner's."""
        found: dict[str, Path] = {}
        for path in self.paths:
            for file in sorted(path.glob("*.toml")) if path.is_dir() else [path]:
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
