"""How well notes are read that stand in tests/samples: `python -m bench.notes [--misses]`.

notes-blind.jsonl was labelled before anybody knew how it is read, and no phrase was written for it: its figures are
the honest ones, and stay so while nobody mends what it shows. notes-learnt.jsonl was blind once; what it showed has
been mended. Exits with 1 where a floor is missed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bench.quality import SIGNALS, Measure, Pair, f1, share
from gateway.model import Kind, Notification
from gateway.note import Reader

SAMPLES = Path(__file__).parents[1] / "tests" / "samples"
# A bit under what was measured when the samples were new.
FLOORS = {
    "blind": {"met": 0.75, "shared": 0.80, "reason": 0.80, "topic": 0.65, "referral": 0.85, "introduction": 0.85}
    | {"pitch": 0.85, "macro": 0.82},
    "learnt": dict.fromkeys(SIGNALS, 0.88) | {"macro": 0.92},
}


def measures(name: str) -> Iterator[Measure]:
    """Every measure of the samples "blind" or "learnt"."""
    floors, pairs = FLOORS[name], list(_read(SAMPLES / f"notes-{name}.jsonl"))
    yield f1("personal or stock", 0.98, pairs, lambda of: bool(of["kind"] == "personal"))
    yield share("language", 0.98, pairs, lambda of: of["lang"])
    signals = [f1(f"signal {one}", floors[one], pairs, partial(_claims, one)) for one in SIGNALS]
    yield from signals
    yield Measure("signals, macro F1", sum(one.value for one in signals) / len(signals), floors["macro"])


def _claims(signal: str, of: dict[str, Any]) -> bool:
    return signal in of["signals"]


def _read(samples: Path) -> Iterator[Pair]:
    """Each note as it is read, beside its label."""
    for line in samples.read_text("utf-8").splitlines():
        label = json.loads(line)
        asked = Notification("linkedin", Kind.INVITATION, note=label["note"], language="en")
        note = _reader(tuple(label["owner"]), tuple(label["topics"])).read(asked)
        got: dict[str, Any] = {"kind": note.kind, "lang": note.language, "signals": note.signals}
        yield got, {**label, "file": repr(label["note"])}


@lru_cache
def _reader(names: tuple[str, ...], topics: tuple[str, ...]) -> Reader:
    return Reader(names, topics)


def main(arguments: list[str]) -> int:
    missed = 0
    for name in FLOORS:
        for one in measures(name):
            print(f"{name:7} {one.name:24} {one.value:6.3f}   floor {one.floor:5.2f}   {'' if one.met else 'MISSED'}")
            missed += not one.met
            for miss in one.misses if "--misses" in arguments else ():
                print(f"      {miss}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
