"""How well mails are read, measured against a labelled corpus: `python bench/quality.py [CORPUS]`.

The corpus is a folder with labels.jsonl, mails/ and world/ as its README defines them. Prints a table of every
measure beside its floor, and exits with 1 where one is missed. With --misses it also lists what was read wrong.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

INVITES = ("invitation", "reminder")
SIGNALS = ("met", "shared", "reason", "topic", "referral", "introduction", "pitch")
PRESETS = (
    "previous-interaction",
    "route-to-group",
    "no-boilerplate",
    "one-good-reason",
    "met-in-some-form",
    "open-door",
)

Pair = tuple[dict[str, Any], dict[str, Any]]  # what was read, and the label


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure, the floor it must reach and what keeps it from 1."""

    name: str
    value: float
    floor: float
    misses: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        return self.value >= self.floor


def measures(pairs: Sequence[Pair]) -> Iterator[Measure]:
    """Every measure of the reading of notifications."""
    yield from _recognition(pairs)
    yield share("kind", 0.98, pairs, lambda of: (of["network"], of["kind"]))
    yield share("authentic", 0.97, pairs, lambda of: of["authentic"])
    invites = [pair for pair in pairs if pair[1]["kind"] in INVITES]
    for field, floor in _INVITER_FLOORS:
        yield share(f"inviter {field}", floor, invites, partial(_of_inviter, field))
    personal = [pair for pair in invites if pair[1]["note"]["kind"] == "personal"]
    yield share("note text", 0.97, personal, lambda of: of["note"]["text"])
    yield share("stock sentence", 0.97, [p for p in invites if p not in personal], lambda of: of["note"]["text"])
    yield f1("personal or stock", 0.98, invites, lambda of: of["note"]["kind"] == "personal")
    signals = [f1(f"signal {signal}", 0.75, invites, partial(_claims, signal)) for signal in SIGNALS]
    yield from signals
    yield Measure("signals, macro F1", sum(one.value for one in signals) / len(signals), 0.85)
    yield share("language", 0.95, invites, lambda of: of["language"])
    yield _cases(invites)
    yield share("known", 0.97, invites, lambda of: of["known"])
    yield _none("never yes for no", invites, lambda got, label: got["known"] == "yes" and label["known"] == "no")


_INVITER_FLOORS = (("name", 0.99), ("headline", 0.97), ("company", 0.95), ("profile_url", 0.97), ("address", 0.97))


def _of_inviter(field: str, of: dict[str, Any]) -> Any:
    return (of["inviter"] or {}).get(field)


def _claims(signal: str, of: dict[str, Any]) -> bool:
    return signal in of["note"]["signals"]


def verdict_measures(preset: str, pairs: Sequence[Pair]) -> Iterator[Measure]:
    """Every measure of one preset's decisions."""
    yield share(f"{preset}", 0.97, pairs, lambda of: of["verdicts"][preset][0] if "verdicts" in of else of["verdict"])
    yield _none(
        f"{preset}, wrong sends", pairs, lambda got, label: bool(got["reply"]) and not label["verdicts"][preset][1]
    )
    yield _none(
        f"{preset}, wrong declines",
        pairs,
        lambda got, label: got["verdict"] == "decline" and label["verdicts"][preset][0] == "accept-candidate",
    )


def share(name: str, floor: float, pairs: Sequence[Pair], part: Callable[[dict[str, Any]], Any]) -> Measure:
    """The share of readings whose part is as the label says."""
    wrong = [pair for pair in pairs if part(pair[0]) != part(pair[1])]
    value = 1 - len(wrong) / len(pairs) if pairs else 1.0
    return Measure(name, value, floor, tuple(_miss(label, part(got), part(label)) for got, label in wrong))


def f1(name: str, floor: float, pairs: Sequence[Pair], part: Callable[[dict[str, Any]], bool]) -> Measure:
    """The F1 score of a yes or no; 1.0 where there is nothing to find and nothing was found."""
    counts = Counter((part(got), part(label)) for got, label in pairs)
    hits, wrong = counts[True, True], counts[True, False] + counts[False, True]
    value = 2 * hits / (2 * hits + wrong) if hits + wrong else 1.0
    misses = (_miss(label, part(got), part(label)) for got, label in pairs if part(got) != part(label))
    return Measure(name, value, floor, tuple(misses))


def _none(name: str, pairs: Sequence[Pair], bad: Callable[[dict[str, Any], dict[str, Any]], bool]) -> Measure:
    found = tuple(label["file"] for got, label in pairs if bad(got, label))
    return Measure(name, 1.0 if not found else 0.0, 1.0, found)


def _recognition(pairs: Sequence[Pair]) -> Iterator[Measure]:
    def invites(of: dict[str, Any]) -> bool:
        return of["kind"] in INVITES

    wrong = tuple(_miss(label, got["kind"], label["kind"]) for got, label in pairs if invites(got) != invites(label))
    hits = sum(invites(got) and invites(label) for got, label in pairs)
    yield Measure("recognition, precision", hits / max(1, sum(invites(got) for got, _ in pairs)), 1.0, wrong)
    yield Measure("recognition, recall", hits / max(1, sum(invites(label) for _, label in pairs)), 1.0, wrong)


def _cases(pairs: Sequence[Pair]) -> Measure:
    """Mails share a case exactly when their labels do."""
    ours, theirs = defaultdict(set), defaultdict(set)
    for got, label in pairs:
        ours[got["case"]].add(label["file"])
        theirs[label["case"]].add(label["file"])
    wrong = {frozenset(group) for group in ours.values()} ^ {frozenset(group) for group in theirs.values()}
    return Measure(
        "cases", 1.0 if not wrong else 1 - len(wrong) / len(theirs), 1.0, tuple(str(sorted(g)) for g in wrong)
    )


def _miss(label: dict[str, Any], got: object, wanted: object) -> str:
    return f"{label['file']}: {got!r}, not {wanted!r}"


def read(corpus: Path, preset: str) -> list[Pair]:
    """Each mail of the corpus as `explain --json` tells it, beside its label."""
    from gateway.config import Config
    from gateway.explain import account
    from gateway.owner import for_reading
    from gateway.reading import Reader

    owner, troubles = for_reading(Config.model_validate(settings(corpus, preset)))
    assert not troubles, troubles
    labels = [json.loads(line) for line in (corpus / "labels.jsonl").read_text("utf-8").splitlines()]
    readings = Reader(owner).read([corpus / label["file"] for label in labels], print)
    return [(account(one.judgement, one.file), label) for one, label in zip(readings, labels, strict=True)]


def settings(corpus: Path, preset: str) -> dict[str, Any]:
    """The configuration of the corpus's owner."""
    world = corpus / "world"
    owner = json.loads((world / "owner.json").read_text("utf-8"))
    return {
        "me": {
            **{key: owner[key] for key in ("name", "addresses", "aliases", "topics", "institution")},
            "contact": owner["addresses"][0],
        },
        "policy": {"preset": preset},
        "group": owner["groups"],
        "evidence": {
            "contacts": [world / "contacts.vcf"],
            "calendars": [world / "calendar.ics"],
            "connections": world / "connections.csv",
            "sent": [world / "sent.mbox"],
            "received": [world / "inbox.mbox"],
        },
        "authentication": {"authserv_id": [owner["authserv_id"]], "dkim": "header"},
    }


def all_measures(corpus: Path) -> Iterator[Measure]:
    """Every measure, the presets included."""
    pairs = read(corpus, PRESETS[0])
    yield from measures(pairs)
    for preset in PRESETS:
        yield from verdict_measures(preset, pairs if preset == PRESETS[0] else read(corpus, preset))


def main(arguments: list[str]) -> int:
    misses = "--misses" in arguments
    given = [argument for argument in arguments if not argument.startswith("--")]
    corpus = Path(given[0]) if given else Path(__file__).parents[2] / "shared" / "corpus"
    if not corpus.is_dir():
        print(
            f"no corpus at {corpus}; give its folder, or run python -m bench.notes for the samples of this repository"
        )
        return 2
    missed = 0
    for one in all_measures(corpus):
        print(f"{one.name:42} {one.value:6.3f}   floor {one.floor:5.2f}   {'' if one.met else 'MISSED'}")
        missed += not one.met
        for miss in one.misses if misses else ():
            print(f"      {miss}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
