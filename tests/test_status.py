"""`rsvpd status`, of a running service at a real Dovecot."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner
from rich.console import Console

from gateway.card import show_status
from gateway.cli import main
from gateway.config import Config
from gateway.errors import BadConfig
from gateway.model import State
from gateway.presence import Presence
from gateway.state import folder_of, open_journal, state_directory
from gateway.status import COUNTED, Status
from tests.notifications import linkedin, old_linkedin
from tests.test_story import Owner, owner, serving, settled, wait_for

__all__ = ["owner"]  # the fixture


def status(config: Config) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, ["status", "--json", str(config.path)])
    return done.exit_code, json.loads(done.output)


def test_an_owner_who_is_served_is_told_of_with_mail_queue_and_next_summary(owner: Owner) -> None:
    config = owner.config()
    owner.deliver(linkedin("Nina Novak"))

    with serving(config):
        wait_for(settled(config, 1), "the decision")
        wait_for(lambda: status(config)[1]["connected"], "the word")
        exit_code, told = status(config)

    assert exit_code == 0
    assert (told["served"], told["stands"], told["mode"]) == (True, "connected", config.delivery.mode)
    assert told["last_mail"] <= told["last_decision"] < told["next_summary"]


def test_an_owner_whom_nobody_serves_needs_you(owner: Owner) -> None:
    config = owner.config()

    exit_code, told = status(config)

    assert exit_code == 1
    assert (told["served"], told["connected"]) == (False, False)
    assert told["stands"] == "not served: no `rsvpd run` has this file"
    assert not state_directory().exists() or not folder_of(config).exists(), "asking leaves nothing behind"


def test_a_mailbox_that_lets_nobody_in_is_away_and_says_why(owner: Owner) -> None:
    config = owner.config()
    (owner.folder / "imap-password").write_text("another")

    with serving(config):
        wait_for(lambda: status(config)[1]["stands"].startswith("away: "), "the word")
        exit_code, told = status(config)

    assert exit_code == 1
    assert (told["served"], told["connected"]) == (True, False)


def test_a_file_that_is_faulty_is_listed_beside_the_others(owner: Owner) -> None:
    config = owner.config()
    assert config.path is not None
    broken = config.path.with_name("broken.toml")
    broken.write_text("[me]\nnam = 'Bo'\n")

    done = CliRunner().invoke(main, ["status", "--json", str(config.path), str(broken)])

    first, second = map(json.loads, done.output.splitlines())
    assert (first["owner"], second["owner"]) == (config.owner, "broken")
    assert "me.nam" in second["fault"]


def test_what_waits_for_the_owner_is_counted_beside_the_queue(owner: Owner) -> None:
    config = owner.config(hold="1h")
    owner.deliver(linkedin("Sam Twice"), old_linkedin("Olga Stranger", "olga@somewhere.example"))
    with serving(config):
        wait_for(lambda: len(open_journal(config).entries(State.HELD)) == 1, "the decisions")
        wait_for(lambda: status(config)[1]["for_you"] == 1, "the other")

    done = CliRunner().invoke(main, ["status", str(config.path)])

    assert status(config)[1]["queue"] == {"held": 1}
    assert "queue: 1 held; for you: 1 (`rsvpd list`)" in " ".join(done.output.split())


def shown(columns: int, *rows: Status) -> list[str]:
    to = Console(width=columns, highlight=False, file=io.StringIO())
    show_status([(row, UTC) for row in rows], to)
    assert isinstance(to.file, io.StringIO)
    return [line.rstrip() for line in to.file.getvalue().splitlines()]


def test_the_words_are_whole_at_the_width_of_a_terminal() -> None:
    moment = datetime(2026, 11, 28, 14, 5, tzinfo=UTC)
    connected = Status(
        "me",
        served=True,
        presence=Presence(moment, ""),
        last_mail=moment,
        last_decision=moment,
        queue={State.HELD: 2},
        for_you=COUNTED,
        next_summary=moment,
        mode="draft",
    )

    assert shown(80, connected) == [
        "me  connected, draft mode",
        "    last mail 2026-11-28 14:05, last decision 2026-11-28 14:05, next summary",
        "    2026-11-28 14:05",
        "    queue: 2 held; for you: 100 or more (`rsvpd list`)",
    ]


def test_of_many_faults_the_first_are_told() -> None:
    fault = BadConfig("bo.toml", tuple(f"line {number}: me.nam: unknown" for number in range(1, 9)))

    assert shown(80, Status("bo", str(fault))) == [
        "bo  not served: bo.toml: line 1: me.nam: unknown",
        "    bo.toml: line 2: me.nam: unknown",
        "    bo.toml: line 3: me.nam: unknown",
        "    and 5 more: `rsvpd check` has all",
    ]
