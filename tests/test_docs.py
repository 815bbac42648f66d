"""What README and docs/ say is so: commands, settings, files, links, the man page."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete, get_completion_class
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import Config, read
from gateway.errors import BadConfig

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_SECTION = re.compile(r"^\[{1,2}(?P<name>[a-z]+)[].]", re.M)
_COMMAND = re.compile(r"^(?:\.venv/bin/|/usr/local/bin/)?rsvpd (?P<rest>[a-z].*)$")
_LINK = re.compile(r"\]\((?P<file>[^)#\s:]*)(?:#(?P<heading>[^)\s]*))?\)")


def blocks(page: Path) -> Iterator[str]:
    """The pieces of a page that are code: fenced, or indented by four."""
    piece: list[str] = []
    fenced = False
    for line in (*page.read_text("utf-8").splitlines(), ""):
        fence, indented = line.startswith("```"), line.startswith("    ")
        if piece and (fence or (not fenced and not indented)):
            yield "\n".join(piece)
            piece = []
        if fence:
            fenced = not fenced
        elif fenced or indented:
            piece.append(line if fenced else line[4:])


def _is_settings(block: str) -> bool:
    section = _SECTION.search(block)
    return section is not None and section["name"] in Config.model_fields


def snippets() -> list[Any]:
    """The pieces that are settings."""
    found = [(page, block) for page in PAGES for block in blocks(page) if _is_settings(block)]
    return [pytest.param(block, id=f"{page.name}-{number}") for number, (page, block) in enumerate(found)]


def commands() -> list[Any]:
    """Every command line of rsvpd, in code and in a sentence."""
    found: dict[tuple[str, str], None] = {}
    for page in PAGES:
        lines = [line for block in blocks(page) for line in block.splitlines()]
        lines += re.findall(r"`(rsvpd [^`]+)`", page.read_text("utf-8"))
        for line in lines:
            if told := _COMMAND.match(line.strip()):
                found[page.name, told["rest"].split("  ")[0].split(" #")[0]] = None
    return [pytest.param(rest, id=f"{page}-{rest}") for page, rest in found]


def test_the_pages_have_something_to_look_at() -> None:
    assert len(snippets()) >= 5
    assert len(commands()) >= 20


@pytest.mark.parametrize("snippet", snippets())
def test_settings_that_a_page_shows_are_settings(snippet: str) -> None:
    tomllib.loads(snippet)
    faults: tuple[str, ...] = ()
    try:
        read(snippet, ROOT / "snippet.toml")
    except BadConfig as exc:
        faults = exc.faults

    # A piece may leave out what a whole file needs.
    assert [fault for fault in faults if "unknown" in fault] == []


@pytest.mark.parametrize("rest", commands())
def test_a_command_that_a_page_shows_is_one_with_such_options(rest: str) -> None:
    name, *arguments = shlex.split(rest.replace("...", ""))
    name = name.strip(",")

    assert name in main.commands, f"there is no command {name}"
    command: click.Command = main.commands[name]
    while isinstance(command, click.Group) and arguments:
        command = command.commands[arguments.pop(0)]
    try:
        _, left, _ = command.make_parser(click.Context(command)).parse_args(arguments)
    except click.MissingParameter:  # a sentence names the command, and leaves out its arguments
        left = []
    assert left == [], "it takes no such argument"


def test_the_example_of_all_settings_is_read_as_it_is() -> None:
    read((ROOT / "config.example.toml").read_text("utf-8"), ROOT / "config.example.toml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.finditer(page.read_text("utf-8")):
        target = (page.parent / link["file"]).resolve() if link["file"] else page
        assert target.exists(), f"{page.name} links to {link['file']}"
        if link["heading"]:
            titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.M)
            assert link["heading"] in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_targets_of_make_that_a_page_names_are_there() -> None:
    rules = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = {
        name for page in PAGES for name in re.findall(r"^    make ([a-z]+)|`make ([a-z]+)", page.read_text("utf-8"))
    }

    assert {name for pair in named for name in pair if name} <= rules


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_explains_itself_and_stands_in_the_readme(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])

    assert done.exit_code == 0
    assert re.search(rf"`rsvpd {name}\b|, `{name}\b|`, `{name}\b", (ROOT / "README.md").read_text("utf-8"))


def test_the_man_page_is_what_the_commands_say_now() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "man-page"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == (ROOT / "man" / "rsvpd.1").read_text("utf-8"), "write it anew: scripts/man-page says how"


def test_the_man_page_is_good_roff() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    page = ROOT / "man" / "rsvpd.1"
    done = subprocess.run([groff, "-man", "-ww", "-Tutf8", page], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert "rsvpd explain" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_commands(shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    completion: ShellComplete = kind(main, {}, "rsvpd", "_RSVPD_COMPLETE")

    assert {item.value for item in completion.get_completions([], "re")} == {"replay", "resume", "retry"}
    assert {item.value for item in completion.get_completions(["explain"], "--j")} == {"--json"}
    assert isinstance(main, click.Group)
