"""`rsvpd status`, of a running service at a real Dovecot."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from gateway.cli import main
from gateway.config import Config
from gateway.state import folder_of, state_directory
from tests.notifications import linkedin
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


def test_the_table_is_for_people(owner: Owner) -> None:
    config = owner.config()

    done = CliRunner().invoke(main, ["status", str(config.path)])

    assert done.exit_code == 1
    for word in ("owner", "stands", "last mail", "next summary", config.owner, "not served"):
        assert word in done.output
