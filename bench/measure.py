"""A measurement beside what limits it and what people would use instead, and whether it is good enough."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: a median, in `unit`; `ratio` is to `floor` or `peer`, whichever the target speaks of."""

    name: str
    value: float
    unit: str
    target: str  # "<= 90" of the value, or ">= 4x" of the ratio
    floor: float | None = None
    peer: float | None = None
    ratio: float | None = None

    @property
    def met(self) -> bool:
        sign, _, limit = self.target.partition(" ")
        number = self.ratio if limit.endswith("x") else self.value
        assert number is not None, f"{self.name}: nothing to hold against {self.target}"
        most = float(limit.rstrip("x"))
        return number <= most if sign == "<=" else number >= most


def slower(name: str, value: float, floor: float, unit: str, most: float) -> Measure:
    """A figure that may be at most so many times its floor."""
    return Measure(name, value, unit, f"<= {most:g}x", floor=floor, ratio=value / floor)


def faster(name: str, value: float, peer: float, unit: str, least: float) -> Measure:
    """A time that must be at least so many times shorter than a peer's."""
    return Measure(name, value, unit, f">= {least:g}x", peer=peer, ratio=peer / value)


def at_most(name: str, value: float, unit: str, most: float, *, floor: float | None = None) -> Measure:
    return Measure(name, value, unit, f"<= {most:g}", floor=floor)


def at_least(name: str, value: float, unit: str, least: float, *, floor: float | None = None) -> Measure:
    return Measure(name, value, unit, f">= {least:g}", floor=floor)


def machine() -> dict[str, str | int | None]:
    """What the figures were taken on."""
    return {
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }


def report(measures: Sequence[Measure]) -> None:
    """The table on the screen."""
    table = Table(box=None, pad_edge=False)
    for heading in ("measure", "value", "unit", "floor", "peer", "ratio", "target", ""):
        table.add_column(heading, justify="left" if heading in ("measure", "unit") else "right", no_wrap=True)
    for one in measures:
        numbers = (one.floor, one.peer, one.ratio)
        shown = ("" if number is None else f"{number:.3g}" for number in numbers)
        outcome = "met" if one.met else "[red]missed[/red]"
        table.add_row(one.name, f"{one.value:.3g}", one.unit, *shown, one.target, outcome)
    Console(width=150).print(table)


def write(measures: Iterable[Measure], path: Path = RESULTS) -> None:
    """The figures for programs, and beside them what machine they are from."""
    rows = [{**asdict(one), "met": one.met} for one in measures]
    path.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    path.with_name("machine.json").write_text(json.dumps(machine(), indent=1) + "\n", "utf-8")


def run(parts: Sequence[Callable[[], Iterable[Measure]]], tell: Callable[[str], None]) -> list[Measure]:
    """All measures of all parts, one part after the other."""
    found: list[Measure] = []
    for number, part in enumerate(parts, 1):
        tell(f"[{number}/{len(parts)}] {part.__module__.rpartition('.')[2]} ...")
        found += part()
    return found
