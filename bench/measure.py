"""A measurement beside what limits it and what people would use instead, and whether it is good enough."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
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
    target: str | None  # "<= 90" of the value, or ">= 4x" of the ratio; none of what is only good to know
    floor: float | None = None
    peer: float | None = None
    ratio: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is good enough; None where nothing is asked of it."""
        if self.target is None:
            return None
        sign, _, limit = self.target.partition(" ")
        number = self.ratio if limit.endswith("x") else self.value
        assert number is not None, f"{self.name}: nothing to hold against {self.target}"
        most = float(limit.rstrip("x"))
        return number <= most if sign == "<=" else number >= most


Part = Callable[[], Iterable[Measure]]


def slower(name: str, value: float, floor: float, unit: str, most: float) -> Measure:
    """A figure that may be at most so many times its floor."""
    return Measure(name, value, unit, f"<= {most:g}x", floor=floor, ratio=value / floor)


def faster(name: str, value: float, peer: float, unit: str, least: float) -> Measure:
    """A time that must be at least so many times shorter than a peer's."""
    return Measure(name, value, unit, f">= {least:g}x", peer=peer, ratio=peer / value)


def beside(name: str, value: float, peer: float, unit: str) -> Measure:
    """A time next to a peer's that does less, or the same elsewhere: to know, not to meet."""
    return Measure(name, value, unit, None, peer=peer, ratio=peer / value)


def at_most(
    name: str, value: float, unit: str, most: float, *, floor: float | None = None, peer: float | None = None
) -> Measure:
    return Measure(name, value, unit, f"<= {most:g}", floor=floor, peer=peer)


def at_least(name: str, value: float, unit: str, least: float, *, floor: float | None = None) -> Measure:
    return Measure(name, value, unit, f">= {least:g}", floor=floor)


def tell(text: str) -> None:
    """A line for who waits."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def resident(pid: int | str = "self") -> float:
    """Resident memory of a process, MB."""
    return _memory(pid, "VmRSS")


def peak(pid: int | str = "self") -> float:
    """The largest resident memory of a process so far, MB."""
    # Not getrusage(): a process that is spawned begins with the peak of the one that spawned it.
    return _memory(pid, "VmHWM")


def _memory(pid: int | str, what: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1000


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": _first_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": _first_of("/proc/meminfo", "MemTotal"),
        "load before": os.getloadavg()[0],
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "dovecot": _said("/usr/sbin/dovecot", "--version"),
        "peers": _said("dpkg-query", "--show", "imapfilter", "dovecot-sieve").splitlines()
        + _said(".venv-peers/bin/pip", "freeze").splitlines(),
    }


def _first_of(file: str, key: str) -> str | None:
    lines = (line.partition(":") for line in Path(file).read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), None)


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=RESULTS.parents[1])
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def report(measures: Sequence[Measure]) -> None:
    """The table on the screen."""
    table = Table(box=None, pad_edge=False)
    for heading in ("measure", "value", "unit", "floor", "peer", "ratio", "target", ""):
        table.add_column(heading, justify="left" if heading in ("measure", "unit") else "right", no_wrap=True)
    outcomes = {True: "met", False: "[red]missed[/red]", None: ""}
    for one in measures:
        numbers = (one.floor, one.peer, one.ratio)
        shown = ("" if number is None else f"{number:.3g}" for number in numbers)
        table.add_row(one.name, f"{one.value:.3g}", one.unit, *shown, one.target or "", outcomes[one.met])
    Console(width=150).print(table)


def tally(measures: Iterable[Measure]) -> str:
    """How many targets are met and missed."""
    outcomes = [one.met for one in measures]
    return f"met={outcomes.count(True)} missed={outcomes.count(False)}"


def write(measures: Iterable[Measure], path: Path = RESULTS) -> None:
    """The figures for programs."""
    rows = [{**asdict(one), "met": one.met} for one in measures]
    path.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def write_machine() -> None:
    """And beside them what machine they are from."""
    RESULTS.with_name("machine.json").write_text(json.dumps(machine(), indent=1) + "\n", "utf-8")


@dataclass(slots=True)
class Found:
    """What the parts found, and which of them broke off."""

    measures: list[Measure] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run(parts: Mapping[str, Part], keep: Callable[[list[Measure]], None] = write) -> Found:
    """All measures of all parts, one part after the other; `keep` is given what there is after each."""
    found = Found()
    for number, (name, part) in enumerate(parts.items(), 1):
        tell(f"[{number}/{len(parts)}] {name}")
        try:
            for measure in part():
                found.measures.append(measure)
        except Exception as exc:  # noqa: BLE001 half an hour's figures are not lost to one part's fault
            traceback.print_exc()
            tell(f"{name} failed: {exc}")
            found.failed.append(name)
        keep(found.measures)
    return found
