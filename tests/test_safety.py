"""docs/safety.md keeps its word: every rule has a row, and every test that is named there exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "safety.md").read_text("utf-8")
NUMBERS = {"R": 12, "F": 10, "A": 3, "D": 1, "L": 1, "S": 3, "I": 6, "T": 25}
NAMES = [f"{letter}{number}" for letter, last in NUMBERS.items() for number in range(1, last + 1)]
NAMED = sorted(set(re.findall(r"`(tests/\w+\.py)::(\w+)`", PAGE)))


@cache
def defined_in(file: str) -> frozenset[str]:
    """The tests of a file: functions, and the classes that it gives a name to."""
    body = ast.parse((ROOT / file).read_text("utf-8")).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return frozenset(functions | {target.id for target in targets if isinstance(target, ast.Name)})


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_the_page_names_exists(file: str, test: str) -> None:
    assert test in defined_in(file)


def test_every_rule_is_in_a_table_or_not_offered_yet_and_in_one_of_them_only() -> None:
    held = re.findall(r"^\| ([A-Z]\d+) \|.*`tests/.*\|$", PAGE, re.MULTILINE)
    _, _, behind = PAGE.partition("### Not offered yet")
    later = re.findall(r"\b[A-Z]\d+\b", behind.partition("\n## ")[0])

    assert sorted([*held, *later]) == sorted(NAMES)


def test_every_failure_names_its_test() -> None:
    table = PAGE.partition("| failure |")[2].partition("\n\n")[0]
    rows = table.strip().splitlines()[2:]

    assert len(rows) > 10
    assert [row for row in rows if "`tests/" not in row] == []
