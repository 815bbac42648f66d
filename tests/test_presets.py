"""The presets do what the people behind them wrote down: golden cases, and the labelled corpus."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.model import (
    Authentic,
    Dossier,
    Evidence,
    Findings,
    Kind,
    Known,
    Note,
    NoteKind,
    Notification,
    Person,
    Provenance,
    Signal,
)
from gateway.policy import Policy, compile_policy, decide
from gateway.rules import Group, PolicySettings, preset, preset_names
from tests.corpus import CORPUS, needs_corpus
from tests.findings import invitation

GOLDEN = Path(__file__).parent / "samples" / "golden"
GROUPS = (
    Group(match=("student", "postdoc*"), url="https://example.org/students"),
    Group(match=("librarian*",), url="https://example.org/librarians"),
)


def golden(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = tomllib.loads((GOLDEN / f"{name}.toml").read_text("utf-8"))["case"]
    return cases


def cases() -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}-{number}")
        for name in preset_names()
        for number, case in enumerate(golden(name), 1)
    ]


@pytest.mark.parametrize(("name", "case"), cases())
def test_a_golden_case_is_decided_as_it_says(name: str, case: dict[str, Any]) -> None:
    facts = dict(case)
    shows, wanted = facts.pop("shows"), (facts.pop("verdict"), facts.pop("rule"), facts.pop("template", None))
    switches = {key: facts.pop(key) for key in ("strict", "known_default") if key in facts}
    settings = PolicySettings(preset=name, announced=facts.pop("announce", False), **switches)
    policy = compile_policy(settings, (), institutions=("Lindenhof University",), own=frozenset(), groups=GROUPS)

    decision = decide(invitation(**facts), policy)

    assert (decision.verdict, decision.rule, decision.template) == wanted, shows


@pytest.mark.parametrize("name", preset_names())
def test_every_row_of_a_preset_has_a_golden_case(name: str) -> None:
    shown = {case["rule"] for case in golden(name)}

    assert {row.name for row in preset(name)} - shown == set()


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_why_in_every_row(name: str) -> None:
    assert [row.name for row in preset(name) if not row.because] == []


def labels() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / "labels.jsonl").read_text("utf-8").splitlines()]


def as_labelled(label: dict[str, Any]) -> Findings:
    note, inviter = label["note"], label["inviter"]
    evidence = tuple(Evidence(Signal(signal), signal) for signal in note["signals"])
    return Findings(
        Notification(label["network"] or "none", Kind(label["kind"]), Person(**inviter) if inviter else None),
        Provenance(Authentic(label["authentic"]), ""),
        Note(NoteKind(note["kind"]), note["text"], evidence, label["language"]),
        Dossier(Known(label["known"]), label["known_why"]),
    )


def owner_of_the_corpus(name: str) -> Policy:
    owner = json.loads((CORPUS / "world" / "owner.json").read_text("utf-8"))
    return compile_policy(
        PolicySettings(preset=name),
        (),
        institutions=(owner["institution"],),
        own=frozenset(owner["addresses"]),
        groups=tuple(Group.model_validate(group) for group in owner["groups"]),
    )


@needs_corpus
@pytest.mark.parametrize("name", preset_names())
def test_every_label_of_the_corpus_is_decided_as_its_reader_did(name: str) -> None:
    policy = owner_of_the_corpus(name)
    decisions = {label["file"]: decide(as_labelled(label), policy) for label in labels()}

    missed = [
        (label["file"], decisions[label["file"]], label["verdicts"][name])
        for label in labels()
        if [decisions[label["file"]].verdict, decisions[label["file"]].template] != label["verdicts"][name]
    ]

    assert missed == []
