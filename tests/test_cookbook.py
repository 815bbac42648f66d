"""The recipes of docs/cookbook.md: each is in order, and each of its rows decides about whom the page says it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, read
from gateway.lint import lint
from gateway.networks import networks
from gateway.owner import policy_of, replies_of
from gateway.policy import decide
from tests.findings import invitation
from tests.test_docs import ROOT

PAGE = ROOT / "docs" / "cookbook.md"
ME = """\
[me]
name = "Ada Miller"
addresses = ["ada@example.org"]
topics = ["history"]
institution = "Example College"
"""
RECRUITER = "Senior Recruiter at Example"
# Of each recipe: whom it is tried on, and what becomes of them by which row.
TRIED: dict[str, list[tuple[dict[str, Any], str, str]]] = {
    "Only people I have interacted with": [
        ({"known": "yes"}, "accept-candidate", "known"),
        ({"known": "maybe"}, "needs-human", "maybe-known"),
        ({}, "decline", "everybody-else"),
    ],
    "Students into the alumni group, colleagues in": [
        ({"headline": "Student at Lindenhof University"}, "decline", "student-or-postdoc-here"),
        ({"headline": "Student at Thornley College"}, "decline", "everybody-else"),
        ({"headline": "Librarian at Lindenhof University"}, "accept-candidate", "colleagues"),
    ],
    "A quiet no to recruiters, whatever they write": [
        ({"headline": RECRUITER, "known": "yes"}, "needs-human", "recruiters I know"),
        ({"headline": RECRUITER, "signals": ("reason",)}, "decline", "recruiters"),
        ({"signals": ("reason",)}, "accept-candidate", "good-reason"),
    ],
    "My fields only, and people who were sent by somebody": [
        ({"recommended": True}, "accept-candidate", "recommended"),
        ({"signals": ("referral",)}, "needs-human", "says somebody sent them"),
        ({"announced": True}, "accept-candidate", "announced"),
        ({}, "decline", "stock-sentence"),
    ],
    "Journalists to the press office": [
        ({"headline": "Journalist, Example Post"}, "decline", "press"),
        ({"headline": "Journalist, Example Post", "known": "yes"}, "accept-candidate", "known"),
    ],
    "Everybody, but nobody twice and no sellers": [
        ({"earlier": 1}, "decline", "tried before"),
        ({"signals": ("pitch",)}, "decline", "sellers"),
        ({}, "accept-candidate", "everybody"),
    ],
    "One network only": [
        ({"network": "xing", "known": "yes"}, "needs-human", "elsewhere"),
        ({"known": "yes"}, "accept-candidate", "known"),
    ],
    "Nothing goes out without me": [({}, "decline", "everybody-else")],
}


def recipes() -> dict[str, str]:
    """The settings under each heading of the page."""
    found: dict[str, str] = {}
    for part in PAGE.read_text("utf-8").split("\n## ")[1:]:
        title, _, rest = part.partition("\n")
        found[title] = rest.split("```toml\n")[1].split("```")[0]
    return found


def config_of(title: str, folder: Path) -> Config:
    recipe = recipes()[title]
    # What a recipe says of [me] comes to what stands there already.
    me = {line.partition(" = ")[0]: line for line in ME.splitlines()}
    if recipe.startswith("[me]"):
        own, _, recipe = recipe.partition("\n\n")
        me |= {line.partition(" = ")[0]: line for line in own.splitlines()}
    path = folder / "ada.toml"
    text = "\n".join((*me.values(), recipe))
    path.write_text(text)
    return read(text, path)


def test_every_recipe_of_the_page_is_tried() -> None:
    assert list(recipes()) == list(TRIED)


@pytest.mark.parametrize("title", TRIED)
def test_a_recipe_is_in_order(title: str, tmp_path: Path) -> None:
    (tmp_path / "replies").mkdir()
    letter = "Subject: Your invitation\n\n{{ greeting }}\n\nPlease ask our press office: {{ contact }}\n"
    (tmp_path / "replies" / "press.en.txt").write_text(letter)
    (tmp_path / "replies" / "press.short.en.txt").write_text("Please ask our press office: {{ contact }}\n")
    config = config_of(title, tmp_path)

    policy = policy_of(config)

    faults = lint(config.policy, config.rule, policy, replies_of(config, policy), topics=config.me.topics)

    assert faults == ()


@pytest.mark.parametrize(
    ("title", "who", "verdict", "row"), [(title, *case) for title, cases in TRIED.items() for case in cases]
)
def test_a_recipe_decides_as_its_page_says(
    title: str, who: dict[str, Any], verdict: str, row: str, tmp_path: Path
) -> None:
    decision = decide(invitation(**who), policy_of(config_of(title, tmp_path)))

    assert (decision.verdict, decision.rule) == (verdict, row)


@pytest.mark.parametrize("title", TRIED)
def test_every_row_of_a_recipe_decides_about_somebody(title: str, tmp_path: Path) -> None:
    rows = {rule.name for rule in config_of(title, tmp_path).rule}

    assert rows <= {row for _, _, row in TRIED[title]}


def test_the_networks_a_recipe_names_are_all_but_the_one() -> None:
    (rule,) = read(ME + recipes()["One network only"], ROOT / "ada.toml").rule

    assert {"linkedin", *rule.when.network} == {network.NAME for network in networks()}
