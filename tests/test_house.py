"""Who may import whom: the pure core knows no clock, no socket and no database, and nobody imports the wiring."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway
from gateway.events import LogEvent

ROOT = Path(gateway.__file__).parent
# From the ground up; a module may import from its own floor and from those below.
FLOORS = (
    ("model", "errors", "events", "settings", "ownership", "plural"),
    ("mail", "structure", "hypertext", "cases", "names"),
    (
        "networks",
        "provenance",
        "signatures",
        "note",
        "phrasebook",
        "stock",
        "thesaurus",
        "wording",
        "fields",
        "affiliation",
        "roles",
        "rules",
        "salutation",
        "statement",
        "suggest",
        "language",
        "topics",
        "people",
        "policy",
        "reply",
        "lint",
        "letter",
        "bounces",
        "commands",
        "answers",
        "explain",
    ),
    ("config",),
    (
        *("evidence", "journal", "imap", "lmtp", "smtp", "dns", "tls"),
        *("secrecy", "archive", "systemd", "oauth", "grants", "background", "heartbeat", "heap"),
    ),
    ("blindness",),
    ("pipeline", "conversation", "digest", "reading", "replay", "page", "card", "agenda"),
    (
        "state",
        "presence",
        "logins",
        "records",
        "owner",
        "filing",
        "moves",
        "upkeep",
        "steps",
        "alarm",
        "round",
        "review",
        "status",
        "deeds",
        "orders",
    ),
    ("check", "init", "roster", "sight", "sharing", "turns", "logbook", "metrics"),
    ("watches",),
    ("service",),
    ("demo",),
    ("rehearsal",),
    ("cli",),
)
PURE = frozenset(FLOORS[0] + FLOORS[1] + FLOORS[2]) - {"settings"}
IMPURE = frozenset(
    "socket ssl sqlite3 sqlalchemy logging time subprocess imaplib smtplib imapclient aiosmtpd apscheduler".split()  # noqa: SIM905
)
SOLE_IMPORTERS = {
    "mailparser": {"mail"},
    "jinja2": {"reply"},
    "imapclient": {"imap"},
    "smtplib": {"smtp"},
    "sqlalchemy": {"journal"},
    "apscheduler": {"service"},
    "aiosmtpd": {"lmtp"},
    "google": {"oauth"},
    "google_auth_oauthlib": {"oauth"},
    "msal": {"oauth"},
    "keyring": {"config"},
    "prometheus_client": {"metrics"},
}
BANNED = ("utils", "helpers", "common", "base", "manager")


def part_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(file for file in ROOT.rglob("*.py") if file != ROOT / "__init__.py")


def imported(file: Path) -> set[str]:
    """Full names of what a module imports, at the top or inside a function; not what only type checkers see."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports(file: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(file) if name.startswith("gateway.")} - {part_of(file)}


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_imports_only_from_its_own_floor_or_below(file: Path) -> None:
    floor = {part: number for number, parts in enumerate(FLOORS) for part in parts}
    assert part_of(file) in floor, f"{part_of(file)} stands on no floor: add it to FLOORS"

    above = {part for part in own_imports(file) if floor[part] > floor[part_of(file)]}

    assert above == set()


@pytest.mark.parametrize("file", [f for f in modules() if part_of(f) in PURE], ids=lambda f: str(f.relative_to(ROOT)))
def test_the_pure_core_reaches_for_nothing_outside(file: Path) -> None:
    assert {name.split(".")[0] for name in imported(file)} & IMPURE == set()


@pytest.mark.parametrize(("library", "parts"), SOLE_IMPORTERS.items())
def test_a_library_has_one_importer(library: str, parts: set[str]) -> None:
    importers = {part_of(file) for file in modules() if any(n.split(".")[0] == library for n in imported(file))}

    assert importers - {"demo"} <= parts


def test_input_and_output_modules_do_not_import_each_other() -> None:
    transports = {"imap", "smtp", "lmtp", "journal"}

    crossings = {
        (part_of(file), other)
        for file in modules()
        if part_of(file) in transports
        for other in own_imports(file) & transports - {part_of(file)}
    }

    assert crossings == set()


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [file for file in modules() if file.stem in BANNED] == []


def log_calls(file: Path) -> Iterator[ast.Call]:
    """Every call of `log.info()` and its like."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
                yield node


def test_every_line_of_the_log_names_its_event() -> None:
    nameless = [
        f"{file.relative_to(ROOT)}:{call.lineno}"
        for file in modules()
        for call in log_calls(file)
        if "extra" not in {keyword.arg for keyword in call.keywords}
    ]

    assert nameless == [], "say which LogEvent of gateway/events.py it is: extra=LogEvent.JUDGED.of(entry=...)"


def test_every_event_is_told_of_somewhere_and_explained() -> None:
    told = "".join(file.read_text("utf-8") for file in modules())
    page = (ROOT.parent / "docs" / "operations.md").read_text("utf-8")

    assert [event for event in LogEvent if f"LogEvent.{event.name}" not in told] == []
    assert [event for event in LogEvent if f"`{event}`" not in page] == []
